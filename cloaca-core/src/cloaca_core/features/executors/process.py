"""The process executor: calls in worker processes that can be ended one by one.

Which call runs on which worker is chosen by ``_process.crew``. That is imported by the first
executor, not with this module: ``multiprocessing`` takes longer to import than all the rest.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, Any, ParamSpec, TypeAlias, TypeVar

from cloaca_core.errors import ConfigError, ConfigTypeError, RunnerUsageError
from cloaca_core.values.arguments import shown_number

if TYPE_CHECKING:
    from cloaca_core.features.executors._process.call import Call
    from cloaca_core.features.executors._process.crew import Crew
    from cloaca_core.features.executors._process.member import Member
    from cloaca_core.features.executors.kinds import Begun

_P = ParamSpec("_P")
_T = TypeVar("_T")
_Send: TypeAlias = Callable[
    [Callable[..., Any], tuple[Any, ...], dict[str, Any]], tuple["Call[Any]", "Member | None"]
]


class process:  # noqa: N801 - users call it as they call a function, as ``functools.partial``
    """Make a ``ProcessExecutor`` each time it is called; the ready-made value for ``executors=``.

    A runner calls it when it opens and shuts down what it made. ``workers`` is the number of
    processes, by default the number of CPUs that this process may use. An unacceptable one is a
    ``ConfigError``.
    """

    def __init__(self, workers: int | None = None) -> None:
        self._workers = _checked(workers)

    def __call__(self) -> ProcessExecutor:
        """Make an executor. A ``RuntimeError`` says so where no process may be started yet."""
        _refuse_main_import()
        return ProcessExecutor(self._workers)

    def __repr__(self) -> str:
        return f"process(workers={self._workers})"


class ProcessExecutor(Executor):
    """Runs calls in processes of this host, started by ``spawn`` at their first use.

    Functions, arguments and results are pickled. A worker process that dies fails its own call
    with ``WorkerLost`` and is replaced. ``cancel()`` of a running call ends its process by SIGKILL.
    Workers ignore Ctrl-C, which a terminal sends to all processes of a program. They end at once
    when this process dies. At the interpreter's exit those of an executor that was not shut down
    are killed; calls still running then fail with ``WorkerLost``.
    """

    def __init__(self, workers: int | None = None) -> None:
        from cloaca_core.features.executors._process.crew import Crew  # see the module's docstring

        self._workers = _checked(workers)
        self._crew: Crew = Crew(self._workers)
        self._owner = os.getpid()
        self._may_start = False

    @property
    def workers(self) -> int:
        """How many calls run at once, each in a process of its own."""
        return self._workers

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Run ``fn(*args, **kwargs)`` in a worker process. Any thread may call this.

        If the call needs another worker, this returns when that is up, so that a caller's time
        limit counts no start of a process; a worker that is not up after 120 s is killed, and its
        call fails with ``WorkerLost``. More calls than workers wait in their order. Raises
        ``RuntimeError`` after ``shutdown`` and while a worker imports the main module,
        ``RunnerUsageError`` in a process that was forked from the owner's.
        """
        call, started = self._send(fn, args, kwargs)
        if started is not None:
            try:
                started.up.wait()
            except BaseException:  # Ctrl-C: the caller gets no future of this call
                call.cancel()
                raise
        return call

    def map(
        self,
        fn: Callable[..., _T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
    ) -> Iterator[_T]:
        """Run ``fn`` on each item, all workers started at once; the results in the items' order.

        Calls that run when an error, ``timeout`` (in seconds) or the caller ends the iterator are
        cancelled, and so their processes killed. ``chunksize`` has no effect.
        """
        return _Hasty(self._send).map(fn, *iterables, timeout=timeout, chunksize=chunksize)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls, and let the workers end when they have run those accepted.

        ``cancel_futures`` cancels those that wait for a worker; cancel those that run by their
        futures. ``wait`` returns when all have ended and no process is left. Each worker ends as
        the interpreter does: it waits for threads that a call has left, unless they are daemons.
        """
        self._refuse_other_process()
        self._crew.close(cancel_queued=cancel_futures)
        if wait:
            self._crew.wait()

    def _submit_told(
        self, begun: Begun, fn: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> Future[_T]:
        """As ``submit``, for runners. It does not wait for a worker to be up: time limits count
        from the call of ``begun``, when a worker has the call.
        """
        call, _ = self._send(fn, args, kwargs)
        call.when_begun(begun)
        return call

    def _send(
        self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Call[Any], Member | None]:
        self._refuse_other_process()
        if not self._may_start:
            _refuse_main_import()
            self._may_start = True
        return self._crew.submit(fn, args, kwargs)

    def _refuse_other_process(self) -> None:
        if os.getpid() != self._owner:
            raise RunnerUsageError(
                "this executor was made by another process (a fork parent); "
                "make one of its own in each process"
            )


class _Hasty(Executor):
    """Submits without waiting for workers to be up, for the ``map`` of another executor."""

    def __init__(self, send: _Send) -> None:
        self._send = send

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        call, _ = self._send(fn, args, kwargs)
        return call


def _checked(workers: object) -> int:
    """The number of workers as given; by default the number of CPUs that this process may use."""
    if workers is None:
        return _cpus()
    if isinstance(workers, bool) or not isinstance(workers, int):
        given = type(workers).__name__
        raise ConfigTypeError(f"workers must be an int, not {given}", field="workers")
    if workers < 1:
        given = shown_number(workers)
        raise ConfigError(f"workers must be at least 1, got {given}", field="workers")
    return workers


def _cpus() -> int:
    if sys.version_info >= (3, 13):
        count = os.process_cpu_count()
    elif sys.platform == "linux":
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count()
    return count or 1


def _refuse_main_import() -> None:
    """Refuse to start processes while this one, a worker itself, imports the main module.

    The ``RuntimeError`` of the standard library says what to write in the main module.
    """
    from multiprocessing.spawn import get_preparation_data  # see the module's docstring

    get_preparation_data("")
