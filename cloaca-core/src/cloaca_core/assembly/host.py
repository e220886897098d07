"""Owns one engine and its loop thread for a façade: opens and closes."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from cloaca_core.assembly.calls import EngineCalls
from cloaca_core.assembly.onlooker import Onlooker
from cloaca_core.assembly.open_store import open_store
from cloaca_core.assembly.preparation import Preparation, supplies_of
from cloaca_core.assembly.redact import Sources
from cloaca_core.clean_records import redact_with
from cloaca_core.config import DefaultRunnerConfig, pool_size_of
from cloaca_core.definition.registry import Registry, default_registry
from cloaca_core.engine.calls.user_code import calling_work
from cloaca_core.engine.runtime.loop_thread import LoopThread
from cloaca_core.engine.runtime.thread_calls import CallFuture
from cloaca_core.errors import (
    SHUT_DOWN,
    ConfigError,
    ConfigTypeError,
    RunnerClosedError,
    RunnerUsageError,
    StoreFullError,
    StoreOpenError,
    StoreUnavailableError,
)
from cloaca_core.features.tenants.backend import TenantBackend
from cloaca_core.store.backends import backend_for
from cloaca_core.store.protocol import Backend, StoreOptions
from cloaca_core.store.urls import names_mode_ro, passwords_in, url_of
from cloaca_core.values.arguments import refuse_other_types
from cloaca_core.values.payloads.redaction import Redaction
from cloaca_core.values.this_process import THIS_PROCESS

if TYPE_CHECKING:
    from cloaca_core.assembly.engine import Engine
    from cloaca_core.assembly.redact import Secrets
    from cloaca_core.assembly.store import Store
    from cloaca_core.engine.execute.children import Front
    from cloaca_core.features.executors.given import Executors
    from cloaca_core.values.queue_names import ServedQueues


class EngineHost(EngineCalls):
    """One engine on one loop thread. Methods may be called from any thread of the process that
    opened it. ``leaving`` is called on the engine's loop when a shutdown has begun that another
    program requested; ``front`` submits runs for bodies that use their handles.
    """

    def __init__(
        self,
        database_url: str | os.PathLike[str],
        config: DefaultRunnerConfig | None,
        schema: str | None,
        registry: Registry | None,
        *,
        start: bool = True,
        works: bool = True,
        alone: bool = False,
        executors: Executors | None = None,
        executor_slots: Mapping[str, int] | None = None,
        redact: Secrets | None = None,
        queues: ServedQueues | None = None,
    ) -> None:
        _refuse_type("config", config, DefaultRunnerConfig)
        _refuse_type("registry", registry, Registry)
        _refuse_type("schema", schema, str)
        refuse_other_types("start", start, bool, "a bool")
        settings = DefaultRunnerConfig() if config is None else config
        super().__init__(
            settings if queues is None else replace(settings, queues=queues),
            default_registry() if registry is None else registry,
            works=works,
            claims=start,
        )
        self.url: str = url_of(database_url)
        """May hold a password."""
        self.backend: Backend = backend_for(self.url)
        self.backend.check_url(self.url)
        _refuse_schema(schema, self.backend)
        self.schema: str | None = schema
        secrets = Sources(redact, self.config)
        self.redact: Redaction = Redaction()
        """Hides the secrets of the program. Functions may return some of them when it opens."""
        self.redact.add(*passwords_in(self.url), *secrets.texts)
        redact_with(self.redact)
        supplies = supplies_of(executors, executor_slots, self.config) if works else ()
        self._preparation = Preparation(secrets, self.redact, supplies, makes_executors=works)
        self._alone = alone
        self._opening: asyncio.Task[Any] | None = None
        self._own_shutdown: asyncio.Task[None] | None = None
        self._close_once = threading.RLock()
        self._shutdown_over: asyncio.Event | None = None
        self._has_told_failure = False
        self.leaving: Callable[[], object] = _nothing
        self.front: Front | None = None

    # -- open and close ----------------------------------------------------------------------

    def open(self, *, may_block: bool = True) -> concurrent.futures.Future[None]:
        """Start the thread and open the database on it; the future raises errors of that. Call
        ``begin`` when it is done. First the program's functions return secrets and make executors:
        on the caller's thread if it ``may_block``, otherwise on a thread of their own. That is user
        code, and may take long.
        """
        if self._closing is not None:
            raise RunnerClosedError(SHUT_DOWN)
        if self._thread is not None:
            self._refuse_foreign_process()
            raise RunnerUsageError("this runner is open already")
        making = self._preparation.begin(self.registry, may_block=may_block)
        # One that was only made before a fork is opened in the child.
        self._forks = THIS_PROCESS.forks
        self._thread = thread = self._new_thread()  # known before it runs: Ctrl-C may come
        thread.start()
        return thread.submit(self._open(making))

    async def _open(self, making: concurrent.futures.Future[None] | None) -> None:
        self._opening = asyncio.current_task()
        try:
            if making is not None:
                await asyncio.wrap_future(making)
            self._engine = await self._started()
        except BaseException:
            self._preparation.undo(making)
            raise

    async def _started(self) -> Engine | None:
        """The engine; None for a read-only client, before a call needs one."""
        options = _store_options(self.config, self.schema, shared=not self.works)
        store = await self._open_store(options)
        if not self.works and not store.writable:
            self._onlooker = Onlooker(store, self.config, self.registry)
            return None
        try:
            engine = self._new_engine(store)
            engine.runs.children.front = self.front
            await engine.start()
        except BaseException as error:
            await store.close()
            if isinstance(error, StoreUnavailableError) and not isinstance(error, StoreFullError):
                raise StoreOpenError(str(error), reason="unreachable") from error
            raise
        return engine

    # A simulation overrides these three.

    def _new_thread(self) -> LoopThread:
        return LoopThread(self._died)

    async def _open_store(self, options: StoreOptions) -> Store:
        return await open_store(self.backend, self.url, options)

    def _new_engine(self, store: Store) -> Engine:
        from cloaca_core.assembly.engine import Engine  # here: see ``load_engine``

        return Engine(
            store,
            self.config,
            self.registry,
            broken=self._break_down,
            asked_to_leave=self._leave,
            works=self.works,
            alone=self._alone,
            supplies=self._preparation.supplies,
            redact=self.redact,
        )

    def load_engine(self) -> None:
        """Import the engine and all its parts, unless the URL says that it is not needed. Called
        while the database opens, which is mostly waiting: otherwise the import would come after it.
        """
        if self.works or not names_mode_ro(self.url):
            import_module("cloaca_core.assembly.engine")

    def begin(self) -> None:
        """Let the engine work: the last step of opening. Until then no body runs, since a resumed
        body may use the variable to which the program assigns the runner.
        """
        if self._onlooker is None:
            self.send(lambda engine: engine.begin(claims=self._claims))

    def close(self) -> concurrent.futures.Future[None]:
        """Begin to shut the engine down, or to undo an ``open`` that has not ended. Every caller
        gets the same future.
        """
        self._refuse_foreign_process()
        self._refuse_own_thread()
        work = calling_work()
        if work is not None and self._engine is not None and self._engine.runs.owns(work.attempt):
            raise RunnerUsageError(
                "shutdown() inside a task body would wait for that body; "
                "return from the task and shut the runner down outside"
            )
        with self._close_once:
            return self._closing or self._begin_to_close()

    def _died(self) -> None:
        """Called last by a loop thread that has died. If the engine was shutting down by itself,
        that cannot finish.
        """
        closing = self._closing
        if self._own_shutdown is not None and closing is not None and not closing.done():
            closing.set_result(None)
        if self._engine is not None:
            self._engine.clean_up()

    def _break_down(self, reason: str) -> None:
        """A part of the engine has died: end all calls with an error, and let the engine shut down
        by itself. Called on its loop.
        """
        assert self._thread is not None
        assert self._engine is not None
        self._engine.grace.hurry()
        closing = CallFuture[None]()
        self._closing = self._closing or closing  # no call between: another thread may close now
        if self._closing is closing:
            self._thread.fail(reason)
            self._own_shutdown = self._thread.loop.create_task(self._shut_down())
            self._own_shutdown.add_done_callback(lambda _: closing.set_result(None))

    def _leave(self) -> None:
        """Shut down, as another program has requested. Called on the engine's loop."""
        with self._close_once:
            if self._closing is None:
                self._begin_to_close()
        self.leaving()

    def tell_of_wait(self) -> None:
        """Log the bodies for which a shutdown waits that has just begun."""
        if self._engine is not None:
            self._engine.grace.tell_of_wait()

    def hurry(self) -> None:
        """End the grace period of a shutdown that is under way, and log that at once: the program
        may end before the engine could.
        """
        if self._engine is not None and not (self._closing is not None and self._closing.done()):
            self._engine.grace.tell_of_haste()
        if self._engine is not None and self._thread is not None:
            with suppress(RuntimeError):  # the shutdown is over, and the loop closed
                self._thread.loop.call_soon_threadsafe(self._engine.grace.hurry)

    def _begin_to_close(self) -> concurrent.futures.Future[None]:
        closing: concurrent.futures.Future[None] = concurrent.futures.Future()
        if (thread := self._thread) is not None and thread.takes_calls():
            closing = thread.submit(self._shut_down())
            closing.add_done_callback(lambda _: _stop_unless_failed(thread))
        else:
            closing.set_result(None)
        self._closing = self._closing or closing  # a signal handler may have been quicker
        return self._closing

    async def _shut_down(self) -> None:
        """Shut down; if that is under way already, wait for its end."""
        if self._shutdown_over is not None:
            await self._shutdown_over.wait()
            return
        self._shutdown_over = asyncio.Event()
        try:
            await self._end_all()
        finally:
            self._shutdown_over.set()

    async def _end_all(self) -> None:
        if (opening := self._opening) is not None:
            if not opening.cancelling():  # a second time would break off the store's closing
                opening.cancel()
            await asyncio.wait([opening])
        async with self._growing:
            opened = self._engine or self._onlooker
        if opened is not None:
            await opened.shutdown()

    def end_thread(self) -> None:
        """Wait for the end of the loop thread, after the engine has shut down. Raises
        ``RunnerClosedError``, once, if the engine had broken down before.
        """
        if self._thread is None:
            return
        self._thread.stop()
        if (failure := self._thread.failure) is not None and not self._has_told_failure:
            self._has_told_failure = True
            raise RunnerClosedError(failure)

    def allow_another_try(self) -> None:
        """A failed opening has been undone: allow another one."""
        self._opening = self._closing = self._shutdown_over = self._thread = None
        self._preparation.renew()
        self._has_told_failure = False

    def __str__(self) -> str:
        """The backend and the state; not the URL, which may hold a password."""
        is_open = (self._engine or self._onlooker) is not None and self._closing is None
        return f"{self.backend.name}, {'open' if is_open else 'closed'}"


def _stop_unless_failed(thread: LoopThread) -> None:
    """Stop the thread after a shutdown, also if no caller waits for that any more. Not after a
    breakdown: then the engine is still shutting down by itself on the loop.
    """
    if thread.failure is None:
        thread.stop()


def _nothing() -> None:
    """Stands for a listener until one is set."""


def _store_options(
    config: DefaultRunnerConfig, schema: str | None, *, shared: bool
) -> StoreOptions:
    poll_ms = min(config.executor_poll_interval_ms, config.scheduler_poll_interval_ms)
    return StoreOptions(
        connect_timeout=config.connect_timeout_seconds,
        poll_interval=poll_ms / 1000,
        pool_size=pool_size_of(config),
        schema=schema,
        shared=shared,
    )


def _refuse_type(name: str, value: object, kind: type) -> None:
    if value is not None and not isinstance(value, kind):
        raise ConfigTypeError(
            f"{name} must be a {kind.__name__} or None, not {type(value).__name__}", field=name
        )


def _refuse_schema(schema: str | None, backend: Backend) -> None:
    """Check a schema's name, and refuse it if the backend has no schemas."""
    if schema is None:
        return
    from cloaca_core.features.tenants.credentials import (
        refusal_of_schema,  # here: most programs name no schema
    )

    if (reason := refusal_of_schema(schema)) is not None:
        raise ConfigError(reason, field="schema")
    if not isinstance(backend, TenantBackend):
        raise ConfigError(
            "Schema isolation is only supported with PostgreSQL. "
            "For SQLite multi-tenancy, use separate database files instead.",
            field="schema",
        )
