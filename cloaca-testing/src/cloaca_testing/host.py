"""The engine of a harness in the place of a runner's, and the next one when it was killed."""

from __future__ import annotations

import asyncio
import concurrent.futures
import inspect
import math
import os
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from cloaca_core.assembly.host import EngineHost
from cloaca_core.assembly.store import TransferStore
from cloaca_core.engine.runtime.loop_care import tell_of_callback
from cloaca_core.engine.runtime.loop_thread import LoopThread
from cloaca_core.errors import ConfigError
from cloaca_core.store.tables import BY_NAME
from cloaca_testing.driver import (
    DrivenFuture,
    Driver,
    EngineDiedError,
)
from cloaca_testing.running_loops import as_if_running
from cloaca_testing.store_view import OwnLoop, OwnThread, StoreView
from cloaca_testing.virtual_clock import VirtualClock

if TYPE_CHECKING:
    from cloaca_core.assembly.engine import Engine
    from cloaca_core.assembly.store import Store
    from cloaca_core.config import DefaultRunnerConfig
    from cloaca_core.definition.registry import Registry
    from cloaca_core.engine.runtime.thread_calls import CallFuture
    from cloaca_core.store.protocol import StoreOptions

T = TypeVar("T")

MEMORY: Final = ":memory:"
THREADS_END: Final = 5.0
"""Seconds of real time for the end of a database's threads."""


class DrivenThread(LoopThread):
    """In the place of the engine's thread: there is none, and its loop is driven by callers."""

    def __init__(self, driver: Driver, died: Callable[[], None]) -> None:
        super().__init__(died, driver.loop)
        self._driver = driver
        self._driven = driver.loop

    def start(self) -> None:
        self._is_open = True
        self.loop.set_exception_handler(tell_of_callback)

    def is_current(self) -> bool:
        return False

    def stop(self) -> None:
        """End all tasks of the loop; called within it, it only takes no more calls."""
        self._is_open = False
        if self._driven.is_here() or self.loop.is_closed():
            return
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self._driver.settle()

    def _new_answer(self) -> CallFuture[Any]:
        return DrivenFuture(self._driver)


class HarnessHost(EngineHost):
    """One engine after the other, on one database."""

    def __init__(
        self,
        url: str | os.PathLike[str],
        config: DefaultRunnerConfig,
        registry: Registry,
        driver: Driver,
        clock: VirtualClock,
    ) -> None:
        super().__init__(url, config, None, registry)
        self._preparation.makes_executors = False  # all bodies run on the test's thread
        self._driver = driver
        self._clock = clock
        self._is_in_memory = url == MEMORY
        self._store: Store | None = None
        self._view: StoreView | None = None
        self._threads: set[threading.Thread] = set()
        self._killed: str | None = None
        self._place = OwnLoop() if url == MEMORY else OwnThread()

    @property
    def parks(self) -> bool:
        """False: a thread that waits drives the engine."""
        return False

    def send(self, ask: Callable[[Engine], Coroutine[Any, Any, T]]) -> concurrent.futures.Future[T]:
        """Send a call. A loop of the test's own that waits for the answer does not drive the
        engine, so that is done before it waits.
        """
        future = super().send(ask)
        if not self._driver.loop.is_here() and asyncio._get_running_loop() is not None:
            try:
                future.exception()
            except BaseException:
                future.cancel()
                raise
        return future

    def database(self) -> concurrent.futures.Future[str | None]:
        """None at once: the engine is driven by the thread whose body would wait for the answer."""
        future: concurrent.futures.Future[str | None] = concurrent.futures.Future()
        future.set_result(None)
        return future

    def look(self) -> None:
        """Others, such as the test, may have written into the database."""
        if self._view is not None and not self._is_in_memory:
            self._view.look()

    def put(self, rows: Mapping[str, Sequence[tuple[Any, ...]]]) -> None:
        """Write rows of tables as they are, and let the engine look for what is to be done."""

        async def write(engine: Engine) -> None:
            assert isinstance(self._store, TransferStore)
            transfer = self._store.transfer()
            with self._driver.loop.real_work("the database, which takes rows"):
                for name, some in rows.items():
                    await self._place.call(transfer.put(BY_NAME[name], some))
            engine.claimer.wake()

        self.send(write).result()

    def poll(self, name: str) -> None:
        """Let a trigger be due now."""

        async def be_due(engine: Engine) -> None:
            await engine.trigger_loop.sync.settle()
            for row in await engine.store.triggers_named([name]):
                if row.enabled and row.poll_interval_ms is not None:
                    now = engine.store.wall()
                    await engine.store.change_trigger(row._replace(next_poll_at=now))
                    return
                reason = "goes by the clock" if row.enabled else "is switched off"
                raise ConfigError(f"trigger {name!r} {reason}", field="trigger")
            raise ConfigError(f"there is no trigger {name!r}", field="trigger")

        self.send(be_due).result()

    def _new_thread(self) -> LoopThread:
        return DrivenThread(self._driver, self._died)

    async def _open_store(self, options: StoreOptions) -> Store:
        loop = self._driver.loop
        with loop.real_work("the opening of the database"):
            await self._place.quiesce()
            if self._store is None:
                before = set(threading.enumerate())
                self._store = await self._place.call(super()._open_store(options))
                self._threads = set(threading.enumerate()) - before
        view = StoreView.of(self._store, self._place, loop, self._clock)
        self._view = cast("StoreView", view)
        await self._fence_killed(view)
        return view

    def _new_engine(self, store: Store) -> Engine:
        from cloaca_core.assembly.engine import Engine
        from cloaca_testing.executor import DrivenExecutor, DrivenPolls

        engine = Engine(
            store, self.config, self.registry, self._clock, DrivenExecutor, redact=self.redact
        )
        engine.sweeps.off = True  # each hour would cost a test of weeks more than all else
        engine.trigger_loop.places = DrivenPolls(self._driver)
        self._driver.look_again = engine.trigger_loop.wake
        engine.claimer.patience = 0  # it would need time to pass
        # The clock is never set, so no loop has to look whether it was.
        engine.schedule_loop.longest_sleep = engine.trigger_loop.longest_sleep = math.inf
        engine.due_runs.longest_sleep = math.inf
        return engine

    async def _fence_killed(self, store: Store) -> None:
        """Declare the runner dead that was killed, as others do when its process is gone."""
        if self._killed is not None:
            for row in await store.runners():
                if row.id == self._killed:
                    await store.fence(row.id, row.beat)
            self._killed = None

    # -- kill --------------------------------------------------------------------------------

    def start_next(self) -> None:
        """Start the next engine, after one was killed."""
        if self._engine is not None:
            self._killed = self._engine.runner_id.current
            self._engine.clean_up()
        self._bury()
        self._thread = self._engine = self._opening = None
        with suppress(EngineDiedError):  # this one was killed as well, and the next one is there
            self.open().result()
            self.begin()

    def _bury(self) -> None:
        """Drop all that the killed engine would still do."""
        loop = self._driver.next_loop()
        loop.set_exception_handler(_ignore)
        with as_if_running(loop):
            _end_all(loop)

    # -- close -------------------------------------------------------------------------------

    def close_database(self) -> None:
        """Close the database, after the engine has shut down."""
        try:
            if (store := self._store) is not None:
                self._store = None
                closing = self._place.call(store.close())
                self._driver.run(closing, "the closing of the database")
        finally:
            self._place.close()
            for thread in self._threads:
                thread.join(THREADS_END)


def _end_all(loop: asyncio.AbstractEventLoop, by: Callable[[asyncio.Task[Any]], int] = id) -> None:
    """End all coroutines where they stand, in this order: a set has none."""
    ended: set[asyncio.Task[Any]] = set()
    while left := asyncio.all_tasks(loop) - ended:  # some make others as they end
        ended |= left
        for task in sorted(left, key=by):
            coroutine = task.get_coro()
            if inspect.iscoroutine(coroutine):
                with suppress(BaseException):  # of code that awaits as it is being ended
                    coroutine.close()


def _ignore(_: asyncio.AbstractEventLoop, __: dict[str, Any]) -> None:
    """Log no error for the tasks that a killed engine leaves undone."""
