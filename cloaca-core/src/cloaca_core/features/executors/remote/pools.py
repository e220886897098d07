"""The executors of one runner, by the name that tasks give."""

from __future__ import annotations

import threading
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any, NoReturn

from cloaca_core.engine.execute.usage import Usage
from cloaca_core.errors import ExecutorUnavailableError
from cloaca_core.features.executors.names import HOW_TO_GIVE
from cloaca_core.features.executors.remote.cancel_files import CancelFiles
from cloaca_core.features.executors.remote.line_socket import IS_SUPPORTED, NAME, LineSocket
from cloaca_core.features.executors.remote.pool import Pool
from cloaca_core.features.executors.supply import Supply
from cloaca_core.logs import SafeLogger

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator, Sequence


log = SafeLogger("cloaca.engine")


class Pools:
    """Belongs to the engine's loop."""

    def __init__(self, supplies: Sequence[Supply], loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._cancel_files = CancelFiles()
        self._line_socket = LazySocket(self._cancel_files)
        self._supplies = list(supplies)
        self._pools: dict[str, Pool] = {}
        for supply in supplies:
            self._add(supply)

    def __iter__(self) -> Iterator[Pool]:
        return iter(self._pools.values())

    def find(self, name: str) -> Pool:
        """The pool of this name. If the runner was given no such executor, it puts each body off: a
        workflow that wants it was registered after the runner opened.
        """
        if name not in self._pools:
            self._add(_absent(name))
        return self._pools[name]

    def usage(self) -> dict[str, Usage]:
        """How the slots of each executor are used now, by its name."""
        given = {supply.name for supply in self._supplies}
        return {
            name: pool.threads.usage() if name in given else Usage(0, 0, pool.threads.backlog, 0)
            for name, pool in self._pools.items()
        }

    def close(self) -> None:
        """Let the threads end, shut down the executors that were made for this runner, and ask
        running bodies to end.
        """
        for pool in self:
            pool.threads.close()
        for supply in self._supplies:
            supply.close()
        self._line_socket.close()
        self._cancel_files.close()

    def _add(self, supply: Supply) -> None:
        first = next((each for each in self._supplies if each.is_executor_of(supply)), supply)
        self._pools[supply.name] = Pool(
            supply, self._loop, self._cancel_files, self._line_socket.get, first.name
        )


class LazySocket:
    """Makes the socket to which workers send, when it is first needed. Any thread may call it."""

    def __init__(self, files: CancelFiles) -> None:
        self._files = files
        self._lock = threading.Lock()
        self._made: LineSocket | None = None
        self._is_over = not IS_SUPPORTED

    def get(self) -> LineSocket | None:
        """The socket; None where there can be none."""
        with self._lock:
            if self._made is None and not self._is_over:
                try:
                    self._made = LineSocket(self._files.beside(NAME))
                except (OSError, RuntimeError) as error:  # no thread, or too long a path
                    self._is_over = True
                    log.info(
                        "lines of bodies on executors come with their answers, and time limits of "
                        "those in pools count from when these have them: %s",
                        error,
                    )
            return self._made

    def close(self) -> None:
        """Close the socket, and make none any more."""
        with self._lock:
            self._is_over, made, self._made = True, self._made, None
        if made is not None:
            made.close()


def _absent(name: str) -> Supply:
    supply = Supply(name, AbsentExecutor(name), slots=1)
    supply.open()
    return supply


class AbsentExecutor(Executor):
    """Stands for an executor that the runner was not given."""

    def __init__(self, name: str) -> None:
        self._name = name

    def submit(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse the call."""
        raise ExecutorUnavailableError(
            f"this runner was opened without an executor {self._name!r}: {HOW_TO_GIVE}"
        )
