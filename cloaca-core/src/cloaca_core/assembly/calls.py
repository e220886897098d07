"""Calls into one engine on its loop from outside, on any thread of the process that opened it.

Refuses calls from a wrong thread or process, or in a wrong state. ``host`` opens and closes the
engine; the ways to wait for an answer are in ``waiting``.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from cloaca_core.engine.calls.waiting import no_end
from cloaca_core.engine.runtime.thread_calls import ParkedCall, UnansweredError
from cloaca_core.errors import SHUT_DOWN, RunnerClosedError, RunnerUsageError
from cloaca_core.values.this_process import THIS_PROCESS

if TYPE_CHECKING:
    from cloaca_core.assembly.engine import Engine
    from cloaca_core.assembly.onlooker import Looks, Onlooker
    from cloaca_core.assembly.store import Store
    from cloaca_core.config import DefaultRunnerConfig
    from cloaca_core.definition.registry import Registry
    from cloaca_core.engine.runtime.loop_thread import LoopThread
    from cloaca_core.run.watcher import SubmitTracer

T = TypeVar("T")


class EngineCalls(ABC):
    """Methods may be called from any thread of the process that opened it. ``works`` says whether
    it executes bodies; a client does not. ``tracer`` makes the spans of submissions, None if the
    program does not trace.
    """

    def __init__(
        self, config: DefaultRunnerConfig, registry: Registry, *, works: bool, claims: bool
    ) -> None:
        self.config: DefaultRunnerConfig = config
        self.registry: Registry = registry
        self.works: bool = works
        self.tracer: SubmitTracer | None = None
        self._claims = claims
        self._forks = THIS_PROCESS.forks
        self._thread: LoopThread | None = None
        self._engine: Engine | None = None
        self._onlooker: Onlooker | None = None
        self._growing = asyncio.Lock()
        self._closing: concurrent.futures.Future[None] | None = None

    def send(
        self,
        ask: Callable[[Engine], Coroutine[Any, Any, T]],
    ) -> concurrent.futures.Future[T]:
        """Run ``ask`` with the engine on its loop."""
        thread = self._open_thread()
        self._refuse_own_thread()
        if (engine := self._engine) is None:
            return thread.submit(self._grown(ask))
        return thread.submit(ask(engine))

    @property
    def parks(self) -> bool:
        """Whether ``park`` can be used: there is an engine, on a thread of its own."""
        return self._engine is not None

    def park(self, ask: Callable[[Engine, ParkedCall[T]], None], timeout: float | None) -> T:
        """Call ``ask`` with the engine on its loop, and wait for the answer, on a thread that may
        block. Ctrl-C ends the wait at once.
        """
        thread, engine = self._open_thread(), self._engine
        assert engine is not None
        self._refuse_own_thread()
        call = ParkedCall[T]()
        thread.park(call, partial(_ask, ask, engine, call))
        try:
            return call.result(timeout)
        except UnansweredError:
            call.is_withdrawn = True
            raise no_end(timeout, call.run) from None
        except BaseException:
            call.is_withdrawn = True
            raise
        finally:
            thread.unpark(call)

    def read(
        self,
        ask: Callable[[Looks], Coroutine[Any, Any, T]],
    ) -> concurrent.futures.Future[T]:
        """Run ``ask`` as ``send`` does. A read-only client makes no engine for it."""
        if self._engine is not None or self._onlooker is None:
            return self.send(ask)
        thread = self._open_thread()
        self._refuse_own_thread()
        return thread.submit(ask(self._onlooker))

    async def _grown(self, ask: Callable[[Engine], Coroutine[Any, Any, T]]) -> T:
        return await ask(await self._whole())

    async def _whole(self) -> Engine:
        """The engine. A client that has only read so far makes it now."""
        async with self._growing:
            if self._engine is None:
                assert self._onlooker is not None, "only an onlooker opens without an engine"
                engine = self._new_engine(self._onlooker.store)
                await engine.start()
                await engine.begin(claims=self._claims)
                self._engine = engine
        return self._engine

    def database(self) -> concurrent.futures.Future[str | None]:
        """The identity of this runner's database. Any thread may call it, also while the runner
        shuts down: its bodies still run. None in a process that a body has forked: that process
        submits runs of its own.
        """
        if THIS_PROCESS.forks != self._forks:
            forked: concurrent.futures.Future[str | None] = concurrent.futures.Future()
            forked.set_result(None)
            return forked
        if self._thread is None or (engine := self._engine) is None:
            raise RunnerClosedError(SHUT_DOWN)
        return self._thread.submit(engine.database())

    def refuse_closed(self) -> None:
        """Raise the error of a call, if the runner is not open."""
        self._open_thread()

    @property
    def engine(self) -> Engine:
        """The engine, for attributes that any thread may read."""
        thread = self._open_thread()
        if (engine := self._engine) is None:
            self._refuse_own_thread()
            return thread.submit(self._whole()).result()
        return engine

    def _open_thread(self) -> LoopThread:
        if THIS_PROCESS.forks != self._forks:
            self._refuse_foreign_process()
        if self._thread is not None and self._thread.failure is not None:
            raise RunnerClosedError(self._thread.failure)
        if self._closing is not None:
            raise RunnerClosedError(SHUT_DOWN)
        if self._thread is None or (self._engine is None and self._onlooker is None):
            raise RunnerUsageError("this runner is not open yet: use it in an `async with` block")
        return self._thread

    def _refuse_foreign_process(self) -> None:
        if THIS_PROCESS.forks != self._forks:
            raise RunnerUsageError(
                "this runner was opened by another process (a fork parent); "
                "open a runner of its own in each process"
            )

    def _refuse_own_thread(self) -> None:
        if self._thread is not None and self._thread.is_current():
            raise RunnerUsageError(
                "a call of the runner on its engine's own thread, as by a handler of its log "
                "records, would wait for itself; make it on another thread"
            )

    @abstractmethod
    def _new_engine(self, store: Store) -> Engine:
        """Make the engine. On its loop."""


def _ask(ask: Callable[[Engine, ParkedCall[T]], None], engine: Engine, call: ParkedCall[T]) -> None:
    """Call ``ask`` with the engine, on its loop, unless the caller has given up."""
    if call.is_withdrawn:
        return
    try:
        ask(engine, call)
    except BaseException as error:  # noqa: BLE001 - the caller raises it
        call.fail(error)
