"""Owns one engine and its loop thread for a façade: opens, calls into it from outside, closes.

What is the same for the sync and the async API is here: who may call, in which state, and how a
user's arguments become a request.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import re
import sys
import threading
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, cast

from cloaca_core._engine.admission import NewInput, Request
from cloaca_core._engine.attempt import CURRENT_JOB, Job
from cloaca_core._engine.engine import CLOSED, Engine
from cloaca_core._engine.loop_thread import LoopThread
from cloaca_core.arguments import number
from cloaca_core.backends import backend_for
from cloaca_core.config import DefaultRunnerConfig
from cloaca_core.context import Context
from cloaca_core.errors import (
    ConfigError,
    ConfigTypeError,
    ContextTypeError,
    ContextValueError,
    PipelineTimeoutError,
    RunnerClosedError,
    RunnerUsageError,
    RunNotFoundError,
    WorkflowNotFoundError,
)
from cloaca_core.json_values import JsonValue, encode
from cloaca_core.registry import Registry, default_registry
from cloaca_core.store.protocol import StoreOptions
from cloaca_core.store.records import RunFilter, storable_text
from cloaca_core.store.states import RunStatus

if TYPE_CHECKING:
    from cloaca_core.workflow import Workflow

P = ParamSpec("P")
T = TypeVar("T")
ContextLike = Context | Mapping[str, Any] | None


class EngineHost:
    """One engine on one loop thread. Methods may be called from any thread of the process that
    opened it.
    """

    def __init__(
        self,
        url: str,
        config: DefaultRunnerConfig | None,
        schema: str | None,
        registry: Registry | None,
    ) -> None:
        _refuse_type("config", config, DefaultRunnerConfig)
        _refuse_type("registry", registry, Registry)
        _refuse_type("schema", schema, str)
        self.registry: Registry = default_registry() if registry is None else registry
        self.config: DefaultRunnerConfig = DefaultRunnerConfig() if config is None else config
        self._url = url
        self._backend = backend_for(url)
        self._backend.check_url(url)
        _refuse_schema(schema, self._backend.name)
        self._pid = os.getpid()
        self._close_once = threading.Lock()
        self._closing: concurrent.futures.Future[None] | None = None
        self._engine: Engine | None = None
        self._thread: LoopThread | None = None

    # -- open and close ----------------------------------------------------------------------

    def open(self) -> concurrent.futures.Future[None]:
        """Start the thread and open the database on it; the future raises what went wrong."""
        if self._closing is not None:
            raise RunnerClosedError(CLOSED)
        if self._thread is not None:
            raise RunnerUsageError("this runner is open already")
        self._thread = LoopThread()
        return self._thread.submit(self._open())

    async def _open(self) -> None:
        options = StoreOptions(connect_timeout=self.config.connect_timeout_seconds)
        store = await self._backend.open(self._url, options)
        try:
            engine = Engine(store, self.config, self.registry)
            await engine.start()
        except BaseException:
            await store.close()
            raise
        self._engine = engine

    def close(self) -> concurrent.futures.Future[None]:
        """Begin to shut the engine down; the future is the same for every caller."""
        self._refuse_foreign_process()
        if CURRENT_JOB.get() is not None:
            raise RunnerUsageError(
                "shutdown() inside a task body would wait for that body; "
                "return from the task and shut the runner down outside"
            )
        with self._close_once:
            if self._closing is None:
                self._closing = self._begin_to_close()
        return self._closing

    def hurry(self) -> None:
        """End the grace period of a shutdown that is under way."""
        if self._engine is not None and self._thread is not None:
            self._thread.loop.call_soon_threadsafe(self._engine.hurry)

    def _begin_to_close(self) -> concurrent.futures.Future[None]:
        if self._thread is not None:
            return self._thread.submit(self._shut_down())
        never_opened: concurrent.futures.Future[None] = concurrent.futures.Future()
        never_opened.set_result(None)
        return never_opened

    async def _shut_down(self) -> None:
        if self._engine is not None:
            await self._engine.shutdown()

    def end_thread(self) -> None:
        """End the loop thread, after the engine has shut down or failed to open."""
        if self._thread is not None:
            self._thread.stop()

    def __str__(self) -> str:
        """The backend and the state; not the URL, which may hold a password."""
        is_open = self._engine is not None and self._closing is None
        return f"{self._backend.name}, {'open' if is_open else 'closed'}"

    # -- call --------------------------------------------------------------------------------

    def send(
        self,
        method: Callable[Concatenate[Engine, P], Coroutine[Any, Any, T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> concurrent.futures.Future[T]:
        """Call a method of the engine on its loop."""
        engine = self._open_engine()
        assert self._thread is not None
        return self._thread.submit(method(engine, *args, **kwargs))

    @property
    def engine(self) -> Engine:
        """The engine, for what may be read from any thread."""
        return self._open_engine()

    def _open_engine(self) -> Engine:
        self._refuse_foreign_process()
        if self._closing is not None:
            raise RunnerClosedError(CLOSED)
        if self._engine is None:
            raise RunnerUsageError("this runner is not open yet: use it in an `async with` block")
        return self._engine

    def _refuse_foreign_process(self) -> None:
        if os.getpid() != self._pid:
            raise RunnerUsageError(
                "this runner was opened by another process (a fork parent); "
                "open a runner of its own in each process"
            )

    # -- requests ----------------------------------------------------------------------------

    def request(
        self,
        workflow_name: str,
        contexts: Sequence[ContextLike],
        *,
        tags: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
        numbered: bool = False,
    ) -> Request:
        """A checked request. A body's own run gets an idempotency key by default (``numbered``):
        when the body is run again, it finds the run that its first life started.
        """
        workflow = self._workflow(workflow_name)
        parent = current_job()
        if idempotency_key is not None:
            idempotency_key = _checked_text("idempotency_key", idempotency_key)
        elif numbered and parent is not None:
            idempotency_key = f"{parent.owner.id}:{parent.task.id}:{next(parent.calls)}"
        return Request(
            workflow=workflow,
            inputs=[self._input(context) for context in contexts],
            tags=_tags_json(tags),
            idempotency_key=idempotency_key,
            parent=parent,
        )

    def _workflow(self, name: str) -> Workflow:
        try:
            return self.registry.find(name)
        except WorkflowNotFoundError as error:
            message = f"Workflow execution failed: {error}"
            raise WorkflowNotFoundError(message, name=name) from None

    def _input(self, context: ContextLike) -> NewInput:
        if context is None:
            return NewInput({}, "{}")
        if not isinstance(context, Context):
            if not isinstance(context, Mapping):
                raise ContextTypeError(
                    f"context must be a Context, a mapping or None, not {type(context).__name__}"
                )
            context = Context(context)
        data: dict[str, JsonValue] = dict(context._data)
        text = encode(data)
        if (size := len(text.encode())) > self.config.max_context_bytes:
            raise ContextValueError(
                f"context is {size} bytes long; "
                f"max_context_bytes is {self.config.max_context_bytes}"
            )
        return NewInput(data, text)

    def run_filter(
        self,
        status: str | None,
        workflow_name: str | None,
        tags: Mapping[str, str] | None,
        limit: int,
        before: str | None,
    ) -> RunFilter:
        """A checked filter for a listing."""
        if status is not None and status not in list(RunStatus):
            raise ConfigError(
                f"status must be one of {', '.join(RunStatus)}, got {status!r}", field="status"
            )
        if isinstance(limit, bool) or not isinstance(limit, int):
            raise ConfigTypeError(
                f"limit must be an int, not {type(limit).__name__}", field="limit"
            )
        if not 1 <= limit <= sys.maxsize:
            raise ConfigError(f"limit must be 1 to {sys.maxsize}, got {limit}", field="limit")
        return RunFilter(
            status=status,
            workflow=None if workflow_name is None else self._namespace(workflow_name),
            tags=tuple(_checked_tags(tags).items()),
            before=None if before is None else _checked_text("before", before),
            limit=limit,
        )

    def _namespace(self, workflow_name: str) -> str:
        """The full name that a listing asks for; the workflow need not be registered here."""
        try:
            return self.registry.find(workflow_name).namespace
        except WorkflowNotFoundError:
            return workflow_name if "::" in workflow_name else f"public::embedded::{workflow_name}"


# -- waiting for the engine --------------------------------------------------------------------


def checked_timeout(timeout: float | None) -> float | None:
    """How long to wait. Asked before anything is submitted, so that a refusal leaves nothing."""
    return None if timeout is None else min(number("timeout", timeout), threading.TIMEOUT_MAX)


def wait_for(future: concurrent.futures.Future[T], timeout: float | None = None) -> T:
    """The future's result, on a thread that may block. Ctrl-C ends the wait at once."""
    try:
        return future.result(timeout)
    except concurrent.futures.CancelledError:
        raise RunnerClosedError(CLOSED) from None
    except TimeoutError:
        if future.done():
            raise  # the engine's own
        raise PipelineTimeoutError(
            f"no end after {timeout:g} s of waiting; the run goes on"
        ) from None
    finally:
        future.cancel()


async def awaited(future: concurrent.futures.Future[T], timeout: float | None = None) -> T:
    """The future's result, on any loop."""
    try:
        async with asyncio.timeout(timeout) as limit:
            return await asyncio.wrap_future(future)
    except TimeoutError:
        if not limit.expired():
            raise
        raise PipelineTimeoutError(
            f"no end after {timeout:g} s of waiting; the run goes on"
        ) from None
    except asyncio.CancelledError:
        if not future.cancelled() or _is_cancelled_itself():
            raise
        raise RunnerClosedError(CLOSED) from None


def _is_cancelled_itself() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


# -- who calls -----------------------------------------------------------------------------------


def current_job() -> Job | None:
    """The job whose body calls, if a body does."""
    return CURRENT_JOB.get()


def refuse_blocking_call() -> None:
    """Refuse a blocking call on a loop that runs task bodies: it would block all of them."""
    job = CURRENT_JOB.get()
    if job is None or not job.is_async:
        return
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RunnerUsageError(
        f"task {job.task.id!r} is async: a blocking call would stop all async tasks; "
        "use an AsyncRunner and await the call, or make the task a plain function"
    )


def _checked_text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise ConfigTypeError(f"{name} must be a str, not {type(value).__name__}", field=name)
    if not value or len(value) > 255 or storable_text(value) != value:
        raise ConfigError(
            f"{name} must have 1 to 255 characters, no NUL and no lone surrogate, got {value!r}",
            field=name,
        )
    return value


def checked_run_id(run_id: str) -> str:
    """An id that a run can have."""
    if not isinstance(run_id, str):
        raise ConfigTypeError(f"run_id must be a str, not {type(run_id).__name__}", field="run_id")
    if storable_text(run_id) != run_id:
        raise RunNotFoundError(f"no run with id {run_id!r}", run_id=run_id)
    return run_id


def checked_contexts(contexts: object) -> Iterable[ContextLike]:
    """Many contexts: a single one, which can be iterated as well, is easily given instead."""
    if isinstance(contexts, str | bytes | Mapping) or not isinstance(contexts, Iterable):
        raise ConfigTypeError(
            f"contexts must be an iterable of contexts, not {type(contexts).__name__}",
            field="contexts",
        )
    return contexts


def _tags_json(tags: Mapping[str, str] | None) -> str:
    return encode(cast("dict[str, JsonValue]", _checked_tags(tags)))


def _checked_tags(tags: Mapping[str, str] | None) -> dict[str, str]:
    if tags is None:
        return {}
    if not isinstance(tags, Mapping):
        raise ConfigTypeError(f"tags must be a mapping, not {type(tags).__name__}", field="tags")
    return {
        _checked_text("a key of tags", key): _checked_text(f"tags[{key!r}]", value)
        for key, value in tags.items()
    }


def _refuse_type(name: str, value: object, kind: type) -> None:
    if value is not None and not isinstance(value, kind):
        raise ConfigTypeError(
            f"{name} must be a {kind.__name__} or None, not {type(value).__name__}", field=name
        )


def _refuse_schema(schema: str | None, backend: str) -> None:
    """Check a schema's name, and refuse it where there is no such thing."""
    if schema is None:
        return
    if not schema:
        raise ConfigError("Schema name cannot be empty", field="schema")
    if not re.fullmatch(r"[A-Za-z0-9_]+", schema):
        raise ConfigError(
            "Schema name must contain only alphanumeric characters and underscores", field="schema"
        )
    if backend == "sqlite":
        raise ConfigError(
            "Schema isolation is only supported with PostgreSQL. "
            "For SQLite multi-tenancy, use separate database files instead.",
            field="schema",
        )
