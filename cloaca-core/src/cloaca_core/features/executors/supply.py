"""One executor of a runner: the user's own, or one that a function makes, and makes again when it
breaks.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future
from typing import TypeVar

from cloaca_core.errors import ConfigError, ConfigTypeError
from cloaca_core.features.executors.by_value import ByValue
from cloaca_core.features.executors.dask_starts import DaskStarts, starts_of
from cloaca_core.features.executors.kinds import ExecutorLike, Interruptible, OnStart
from cloaca_core.features.executors.new_workers import NewWorkers
from cloaca_core.features.executors.process import ProcessExecutor, process
from cloaca_core.features.executors.ray import RayExecutor
from cloaca_core.features.executors.traits import shares_workers, size_of, traits_of
from cloaca_core.logs import SafeLogger

T = TypeVar("T")

log: SafeLogger = SafeLogger("cloaca.engine")


class Supply:
    """``submit`` may be called from any thread, between ``open`` and ``close``. An executor that
    was given itself stays the user's: it is never shut down, nor replaced. ``at_once`` is the
    number of calls that run at once, if further calls are known to wait, as on Dask; None if every
    call counts as running.
    """

    def __init__(self, name: str, given: ExecutorLike | ByValue, slots: int | None = None) -> None:
        self.name: str = name
        self.by_value: bool = isinstance(given, ByValue)
        self._source = given
        self._given = given.executor if isinstance(given, ByValue) else given
        self._wanted_slots = self._slots = slots
        self._executor: Executor | None = None
        self._starts: DaskStarts | None = None
        self._lock = threading.Lock()
        self._new_workers = NewWorkers()
        self.at_once: int | None = None

    @property
    def imports_main(self) -> bool:
        """Whether its workers are known to have the functions of the program's main module only if
        they can import it.
        """
        return isinstance(self._given, ProcessExecutor | process)

    def anew(self) -> Supply:
        """The same, as it was before it was opened."""
        return Supply(self.name, self._source, self._wanted_slots)

    def open(self) -> None:
        """Make the executor, if a function does that, and learn its size."""
        executor = self._executor = self._made()
        self._starts = starts_of(executor)
        if self._starts is not None:
            self.at_once = self._threads(executor)
        if self._slots is None:
            self._slots = self.at_once or size_of(executor)
        if self._slots is None:
            raise ConfigError(
                f"executors: how many calls {self.name!r} runs at once is not known; "
                f'give executor_slots={{"{self.name}": n}}',
                field="executor_slots",
            )

    @property
    def slots(self) -> int:
        """How many calls it is handed at once; once it is open."""
        assert self._slots is not None
        return self._slots

    def submit(
        self, function: Callable[..., T], *args: object, on_start: OnStart | None = None
    ) -> Future[T]:
        """Submit a call. An executor that refuses it is made anew first, if a function made it.
        ``on_start`` is for one that ``tells_starts``; on Dask the function is given a ``Start``.
        """
        executor = self._executor
        assert executor is not None
        try:
            return self._submit(executor, on_start, function, *args)
        except Exception:
            if isinstance(self._given, Executor):
                raise
            return self._submit(self._renewed(executor), on_start, function, *args)

    @property
    def tells_starts(self) -> bool:
        """Whether the executor tells when calls begin."""
        return self._starts is not None or isinstance(self._executor, ProcessExecutor)

    @property
    def is_local(self) -> bool:
        """Whether its calls are known to run on this host, as this user. False of an executor that
        tells when they begin.
        """
        executor = self._executor
        if isinstance(executor, RayExecutor):
            return executor.is_local
        return executor is not None and traits_of(executor).is_local

    def shares_workers(self) -> bool:
        """Whether workers run several calls at once, which die with them, as far as is known."""
        try:
            return shares_workers(self._executor)
        except Exception:  # noqa: BLE001 - the cluster is away
            return False

    @property
    def is_in_process(self) -> bool:
        """Whether its calls are known to run in this process."""
        return self._executor is not None and traits_of(self._executor).is_in_process

    def is_executor_of(self, other: Supply) -> bool:
        """Whether the other one has the same executor, under another name."""
        return self._executor is not None and self._executor is other._executor

    def stays_broken(self, error: BaseException) -> bool:
        """Whether all further calls will raise this error of ``submit`` too."""
        is_over = isinstance(error, BrokenExecutor) or "shutdown" in str(error)
        return is_over and isinstance(self._given, Executor)

    def interrupt(self, call: Future[T]) -> None:
        """Tell a call to end, if it is one of ``ProcessExecutor``, which alone can."""
        if isinstance(call, Interruptible):
            call.interrupt()

    def calls_back(self, call: Future[T]) -> bool:
        """Whether a callback of a call may submit another. That of an executor which is not ours
        may run on a thread that all its calls need.
        """
        return isinstance(call, Interruptible)

    def cancel(self, call: Future[T]) -> None:
        """Cancel a call, unless this executor would only pretend to."""
        executor = self._executor
        if executor is None or traits_of(executor).cancels:
            call.cancel()

    def close(self) -> None:
        """Shut down the executor, if a function made it. Returns at once: also while that function
        makes it anew, which may take for ever.
        """
        self._end_reports()
        if not isinstance(self._given, Executor):
            threading.Thread(target=self._end, daemon=True).start()

    def _threads(self, executor: Executor) -> int:
        """The number of calls that run at once. A program that said how many slots to use need not
        know it: its cluster may have no workers yet, or be away.
        """
        try:
            return size_of(executor) or 0
        except Exception:
            if self._slots is None:
                raise
            return 0

    def _submit(
        self,
        executor: Executor,
        on_start: OnStart | None,
        function: Callable[..., T],
        *args: object,
    ) -> Future[T]:
        traits = traits_of(executor)
        options = traits.submit
        if on_start is None:
            call = executor.submit(function, *args, **options)
            if traits.looks_early:
                self._new_workers.after_call(executor)
            return call
        if self._starts is not None and (starts := self._starts_on(executor)) is not None:
            return starts.submit(on_start, function, *args, **options)
        if isinstance(executor, ProcessExecutor):
            return executor._submit_told(on_start.begun, function, *args)
        call = executor.submit(function, *args, **options)
        on_start.begun(0.0)  # it was made anew, and is of another kind than before
        return call

    def _starts_on(self, executor: Executor) -> DaskStarts | None:
        with self._lock:
            if self._starts is None or self._starts.executor is not executor:
                self._end_reports()
                self._starts = starts_of(executor)
            return self._starts

    def _end_reports(self) -> None:
        if self._starts is not None:
            self._starts.close()

    def _end(self) -> None:
        with self._lock:
            executor, self._executor = self._executor, None
        if executor is not None:
            _shut_down(executor)

    def _made(self) -> Executor:
        if isinstance(self._given, Executor):
            return self._given
        try:
            made = self._given()
        except Exception as error:
            error.add_note(f"raised by the function that makes the executor {self.name!r}")
            raise
        if not isinstance(made, Executor):
            raise ConfigTypeError(
                f"executors: the function of {self.name!r} must return a "
                f"concurrent.futures.Executor, not {type(made).__name__}",
                field="executors",
            )
        return made

    def _renewed(self, refused: Executor) -> Executor:
        """The executor in place of one that takes no calls; another thread may have made it."""
        with self._lock:
            if self._executor is None:
                raise RuntimeError(f"the executor {self.name!r} has been closed")
            if self._executor is refused:
                _shut_down(refused)
                self._executor = self._made()
            return self._executor


def _shut_down(executor: Executor) -> None:
    try:
        executor.shutdown(**traits_of(executor).shutdown)
    except Exception:
        log.exception("an executor could not be shut down")
