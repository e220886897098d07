"""Who may call a runner's engine, and in which state: before, while and after it is open."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import threading
from collections.abc import Callable, Collection, Coroutine, Iterator
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
from model.executor_by_hand import ExecutorByHand
from model.memory_store import MemoryStore
from tables import each_row

from cloaca_core.assembly import host as module
from cloaca_core.assembly.engine import Engine
from cloaca_core.assembly.host import EngineHost
from cloaca_core.assembly.onlooker import Looks
from cloaca_core.assembly.store import Store
from cloaca_core.config import DefaultRunnerConfig
from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.context import Context
from cloaca_core.definition.registry import Registry, default_registry
from cloaca_core.definition.task import task
from cloaca_core.engine.calls.arguments import Requests
from cloaca_core.engine.execute.attempt import Attempt
from cloaca_core.engine.execute.current_work import CURRENT_WORK
from cloaca_core.engine.runtime.thread_calls import CallFuture, ParkedCall
from cloaca_core.engine.submit.request import Request
from cloaca_core.engine.submit.submitter import PendingSubmission
from cloaca_core.errors import (
    ConfigError,
    ConfigTypeError,
    PipelineTimeoutError,
    RunnerClosedError,
    RunnerUsageError,
    StoreOpenError,
)
from cloaca_core.features.tenants.backend import TenantBackend
from cloaca_core.features.tenants.credentials import TenantConfig, TenantCredentials, TenantInfo
from cloaca_core.run.rows import RunRow
from cloaca_core.store.changes import Change
from cloaca_core.store.protocol import StoreOptions
from cloaca_core.store.runner_rows import RunnerName, RunnerRow
from cloaca_core.values.this_process import THIS_PROCESS
from cloaca_testing.conformance.commits import submit
from cloaca_testing.conformance.rows import new_run

WAIT = 60


class ModelStore(MemoryStore):
    """The model, which says when it has been closed; closing takes several steps of the loop."""

    def __init__(self) -> None:
        super().__init__()
        self.is_closed = False
        self.refusal: Exception | None = None
        self.claims = 0

    async def register(self, runner: RunnerRow, name: RunnerName | None = None) -> None:
        if self.refusal is not None:
            raise self.refusal
        await super().register(runner, name)

    async def claim(
        self,
        runner_id: str,
        workflows: Collection[str],
        limit: int,
        now: int,
        aged: int = 0,
        queues: Collection[str] | None = None,
    ) -> list[RunRow]:
        self.claims += 1
        return await super().claim(runner_id, workflows, limit, now, aged, queues)

    async def close(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)
        self.is_closed = True


class ModelBackend:
    """A backend over the model. Contracts: see ``Backend``."""

    name = "model"
    schemes = ("model",)
    version = "1"
    unusable_reason = None

    def __init__(self) -> None:
        self.store = ModelStore()
        self.options: list[StoreOptions] = []
        self.began = threading.Event()
        self.refusal: Exception | None = None
        self.hangs = False

    def check_url(self, url: str) -> None:
        if url == "model://bad":
            raise StoreOpenError("bad")

    async def open(self, url: str, options: StoreOptions) -> Store:  # noqa: ARG002 - one database
        self.options.append(options)
        self.began.set()
        if self.hangs:
            await asyncio.Event().wait()
        if self.refusal is not None:
            raise self.refusal
        return self.store


class ModelOfTenants(ModelBackend):
    """One that has a schema for each tenant."""

    def create_tenant(self, url: str, config: TenantConfig) -> TenantCredentials:
        raise NotImplementedError

    def list_tenants(self, url: str) -> list[TenantInfo]:
        raise NotImplementedError

    def remove_tenant(self, url: str, schema_name: str, username: str) -> None:
        raise NotImplementedError


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> ModelBackend:
    backend = ModelBackend()
    monkeypatch.setattr(module, "backend_for", lambda _: backend)
    return backend


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.fixture
def host(backend: ModelBackend, registry: Registry) -> Iterator[EngineHost]:
    """A host that is not open yet."""
    config = DefaultRunnerConfig(shutdown_grace_seconds=0, connect_timeout_seconds=7)
    host = EngineHost("model://here", config, None, registry)
    yield host
    host._forks = THIS_PROCESS.forks
    host.close().result(WAIT)
    host.end_thread()


@pytest.fixture
def opened(host: EngineHost) -> EngineHost:
    host.open().result(WAIT)
    host.begin()
    return host


def no_answer(_: Engine, __: ParkedCall[None]) -> None:
    """Leave a parked call without an answer."""


async def nothing(engine: Engine) -> str:
    """A method of an engine."""
    return "answered"


# -- arguments -----------------------------------------------------------------------------------


@each_row(
    ("arguments", "field"),
    [
        ({"config": {"lease_seconds": 3}}, "config"),
        ({"config": DefaultRunnerConfig}, "config"),
        ({"registry": {}}, "registry"),
        ({"schema": 7}, "schema"),
    ],
)
def test_an_argument_of_another_type_is_refused_by_name(
    backend: ModelBackend, arguments: dict[str, Any], field: str
) -> None:
    given: dict[str, Any] = {"config": None, "schema": None, "registry": None} | arguments

    with pytest.raises(ConfigTypeError, match=f"^{field} must be a .* or None, not ") as caught:
        EngineHost("model://here", **given)

    assert caught.value.field == field


def test_none_stands_for_the_defaults(backend: ModelBackend) -> None:
    host = EngineHost("model://here", None, None, None)

    assert host.registry is default_registry()
    assert host.config.to_dict() == DefaultRunnerConfig().to_dict()


def test_an_empty_registry_of_ones_own_is_not_replaced_by_the_default(
    backend: ModelBackend, registry: Registry
) -> None:
    assert EngineHost("model://here", None, None, registry).registry is registry


def test_a_bad_url_is_refused_before_anything_is_opened(backend: ModelBackend) -> None:
    with pytest.raises(StoreOpenError, match="bad"):
        EngineHost("model://bad", None, None, None)

    assert not backend.began.is_set()


@each_row(
    ("schema", "message"),
    [
        ("", "^Schema name cannot be empty$"),
        ("a-b", "^Schema name must contain only alphanumeric characters and underscores$"),
        ("a b", "only alphanumeric"),
        ('a"b', "only alphanumeric"),
        ("größe", "only alphanumeric"),
        ("a\n", "only alphanumeric"),
    ],
)
def test_a_schema_that_cannot_be_is_refused_whatever_the_backend(
    backend: ModelBackend, schema: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        EngineHost("model://here", None, schema, None)

    assert caught.value.field == "schema"


def test_a_backend_that_keeps_no_tenants_apart_has_no_schemas(backend: ModelBackend) -> None:
    assert not isinstance(backend, TenantBackend)

    with pytest.raises(ConfigError, match=r"only supported with PostgreSQL.*separate database"):
        EngineHost("model://here", None, "tenant_1", None)


def test_one_that_does_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "backend_for", lambda _: ModelOfTenants())

    EngineHost("model://here", None, "Tenant_1", None)


# -- open ----------------------------------------------------------------------------------------


def test_the_store_is_opened_with_the_timeout_that_is_configured(
    opened: EngineHost, backend: ModelBackend
) -> None:
    assert backend.options == [StoreOptions(connect_timeout=7)]


def test_before_it_is_open_every_call_says_what_to_do(host: EngineHost) -> None:
    calls: list[Callable[[], object]] = [
        lambda: host.send(nothing), lambda: host.engine, host.refuse_closed
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(RunnerUsageError, match="not open yet: use it in an `async with` block"):
            call()


def test_what_is_open_answers(opened: EngineHost) -> None:
    assert opened.send(nothing).result(WAIT) == "answered"
    assert opened.engine.recent.get("nobody") is None
    opened.refuse_closed()


def test_opening_again_is_refused_and_harms_nothing(opened: EngineHost) -> None:
    with pytest.raises(RunnerUsageError, match="open already"):
        opened.open()

    assert opened.send(nothing).result(WAIT) == "answered"


# -- a client that may only look -----------------------------------------------------------------


async def first_run(engine: Looks) -> object:
    """A question that needs no engine."""
    return await engine.store.get_run("r")


@pytest.fixture
def onlooker(backend: ModelBackend, registry: Registry) -> Iterator[EngineHost]:
    """An open client of a store that was opened to be looked at."""
    backend.store.writable = False
    host = EngineHost("model://here", None, None, registry, works=False)
    host.open().result(WAIT)
    host.begin()
    yield host
    host.close().result(WAIT)
    host.end_thread()


def test_who_only_looks_has_no_engine(onlooker: EngineHost) -> None:
    assert onlooker.read(first_run).result(WAIT) is None
    assert onlooker._engine is None
    assert str(onlooker) == "model, open"
    onlooker.refuse_closed()


def test_the_first_call_that_needs_an_engine_makes_the_one(
    onlooker: EngineHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_are_sent = threading.Event()
    made: list[Engine] = []
    make = onlooker._new_engine

    def noted(store: Store) -> Engine:
        assert all_are_sent.wait(WAIT)
        made.append(make(store))
        return made[-1]

    monkeypatch.setattr(onlooker, "_new_engine", noted)
    calls = [onlooker.send(nothing) for _ in range(3)]
    all_are_sent.set()

    assert [call.result(WAIT) for call in calls] == ["answered"] * 3
    assert made == [onlooker.engine]
    assert onlooker.read(first_run).result(WAIT) is None


def test_the_engine_s_attributes_are_there_for_who_has_only_looked(onlooker: EngineHost) -> None:
    assert onlooker.engine.recent.get("nobody") is None


@pytest.mark.parametrize("has_engine", [False, True])
def test_the_store_of_who_only_looks_is_closed_at_the_end(
    onlooker: EngineHost, backend: ModelBackend, has_engine: bool
) -> None:
    if has_engine:
        onlooker.send(nothing).result(WAIT)

    onlooker.close().result(WAIT)

    assert backend.store.is_closed
    for call in (lambda: onlooker.read(first_run), lambda: onlooker.engine):
        with pytest.raises(RunnerClosedError):
            call()


def test_a_call_for_an_engine_that_the_end_overtakes_is_cut_short(
    onlooker: EngineHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_asked, go_on = threading.Event(), threading.Event()
    make = onlooker._new_engine

    def slowly(store: Store) -> Engine:
        is_asked.set()
        assert go_on.wait(WAIT)
        return make(store)

    monkeypatch.setattr(onlooker, "_new_engine", slowly)
    call = onlooker.send(nothing)
    assert is_asked.wait(WAIT)
    closing = onlooker.close()
    go_on.set()

    closing.result(WAIT)
    assert call.result(WAIT) == "answered"  # it had begun before
    with pytest.raises(RunnerClosedError):
        onlooker.send(nothing)


def test_nothing_is_worked_on_before_it_is_told_to_begin(
    host: EngineHost, backend: ModelBackend, registry: Registry
) -> None:
    """A body that goes on may need the runner, which its program has not got before."""
    hold(registry, lambda context: None)
    flow = registry.find("held").namespace

    async def wait_in_vain(engine: Engine) -> None:
        await submit(backend.store, new_run("waiting", owner=None, workflow=flow))
        for _ in range(1000):
            await asyncio.sleep(0)

    host.open().result(WAIT)
    host.send(wait_in_vain).result(WAIT)
    assert backend.store.claims == 0

    host.begin()
    assert (
        host.send(lambda engine: engine.wait("waiting", None)).result(WAIT).row.status
        == "Completed"
    )


def test_opening_after_the_end_is_refused(opened: EngineHost) -> None:
    opened.close().result(WAIT)

    with pytest.raises(RunnerClosedError):
        opened.open()


def test_a_failed_opening_raises_what_went_wrong(host: EngineHost, backend: ModelBackend) -> None:
    backend.refusal = StoreOpenError("no such host")

    with pytest.raises(StoreOpenError, match="no such host"):
        host.open().result(WAIT)

    assert str(host) == "model, closed"


def test_a_store_whose_engine_does_not_start_is_closed(
    host: EngineHost, backend: ModelBackend
) -> None:
    backend.store.refusal = StoreOpenError("the runner id is taken")

    with pytest.raises(StoreOpenError, match="is taken"):
        host.open().result(WAIT)

    assert backend.store.is_closed


def test_an_opening_that_is_given_up_leaves_no_store_open(
    host: EngineHost, backend: ModelBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    starting = threading.Event()

    async def start(engine: Engine) -> None:
        starting.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(Engine, "start", start)
    opening = host.open()
    assert starting.wait(WAIT)

    opening.cancel()
    host.close().result(WAIT)

    assert backend.store.is_closed


def test_closing_ends_an_opening_that_hangs(host: EngineHost, backend: ModelBackend) -> None:
    backend.hangs = True
    opening = host.open()
    assert backend.began.wait(WAIT)

    host.close().result(WAIT)

    with pytest.raises(concurrent.futures.CancelledError):
        opening.result(WAIT)


# -- close ---------------------------------------------------------------------------------------


def test_what_was_never_open_can_be_closed(backend: ModelBackend) -> None:
    host = EngineHost("model://here", None, None, None)

    host.close().result(WAIT)

    with pytest.raises(RunnerClosedError):
        host.open()


def test_every_caller_waits_for_the_same_end(opened: EngineHost, backend: ModelBackend) -> None:
    ends = [opened.close() for _ in range(3)]
    ends[0].result(WAIT)

    assert len(set(map(id, ends))) == 1
    assert backend.store.is_closed


def test_after_the_end_every_call_says_so(opened: EngineHost) -> None:
    opened.close().result(WAIT)

    calls: list[Callable[[], object]] = [
        lambda: opened.send(nothing), lambda: opened.engine, opened.refuse_closed
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(RunnerClosedError):
            call()


def test_a_call_that_is_under_way_is_cut_short(opened: EngineHost) -> None:
    """Also when no caller waits for the thread: the shutdown may have been given up."""

    async def hang(engine: Engine) -> None:
        await asyncio.Event().wait()

    call = opened.send(hang)
    opened.close()

    with pytest.raises(concurrent.futures.CancelledError):
        call.result(WAIT)


def test_a_call_that_the_end_overtakes_is_cut_short(opened: EngineHost) -> None:
    """It was let in while the runner was open, and comes to a loop that is closed."""

    def late(engine: Engine) -> Coroutine[Any, Any, str]:
        opened.close().result(WAIT)
        opened.end_thread()
        return nothing(engine)

    with pytest.raises(concurrent.futures.CancelledError):
        opened.send(late).result(WAIT)


def interrupt(
    host: EngineHost, monkeypatch: pytest.MonkeyPatch, handler: Callable[[], object]
) -> None:
    """Let a signal handler run in the middle of the next call that goes to the loop."""
    assert host._thread is not None
    loop = host._thread.loop
    real = loop.call_soon_threadsafe

    def interrupted(*arguments: Any) -> Any:
        monkeypatch.undo()
        handler()
        return real(*arguments)

    monkeypatch.setattr(loop, "call_soon_threadsafe", interrupted)


def test_a_signal_handler_may_close_it_in_the_middle_of_a_call(
    opened: EngineHost, backend: ModelBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    def handler() -> None:
        opened.close().result(WAIT)
        opened.end_thread()

    interrupt(opened, monkeypatch, handler)

    with pytest.raises(concurrent.futures.CancelledError):
        opened.send(nothing).result(WAIT)
    assert backend.store.is_closed


def test_a_signal_handler_may_close_it_in_the_middle_of_closing(
    opened: EngineHost, backend: ModelBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_handler: list[concurrent.futures.Future[None]] = []

    def handler() -> None:
        by_handler.append(opened.close())
        by_handler[0].result(WAIT)
        opened.end_thread()
        assert backend.store.is_closed

    interrupt(opened, monkeypatch, handler)

    assert opened.close() is by_handler[0]


def test_whoever_closes_it_waits_for_the_end(opened: EngineHost, backend: ModelBackend) -> None:
    """A second one, who does not know of the first yet, must not cut it short."""
    assert opened._thread is not None
    ends = [opened._thread.submit(opened._shut_down()) for _ in range(2)]

    ends[1].result(WAIT)

    assert backend.store.is_closed
    ends[0].result(WAIT)


def test_a_call_on_the_loop_itself_is_refused(opened: EngineHost) -> None:
    """As by a log handler that reports to a workflow: it would wait for itself."""

    async def call(engine: Engine) -> None:
        for method in (
            lambda: opened.send(nothing),
            lambda: opened.park(no_answer, 0),
            opened.close,
        ):
            with pytest.raises(RunnerUsageError, match="on another thread"):
                method()

    opened.send(call).result(WAIT)


def test_a_thread_that_cannot_be_had_leaves_nothing_open(
    host: EngineHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_thread(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            host.open()

    host.close().result(WAIT)


def test_hurrying_an_end_that_is_over_is_nothing(opened: EngineHost) -> None:
    opened.close().result(WAIT)
    opened.end_thread()

    opened.hurry()


def test_hurrying_ends_the_grace_period(backend: ModelBackend, registry: Registry) -> None:
    config = DefaultRunnerConfig(shutdown_grace_seconds=3600)
    host = EngineHost("model://here", config, None, registry)
    inside, release = threading.Event(), threading.Event()

    def body(context: Context) -> None:
        inside.set()
        release.wait()

    hold(registry, body)
    host.open().result(WAIT)
    host.begin()
    submit_held(host)
    assert inside.wait(WAIT)

    closing = host.close()
    host.hurry()

    closing.result(WAIT)
    release.set()


def hold(registry: Registry, body: Any) -> None:
    with WorkflowBuilder("held", registry=registry):
        task(id="only")(body)


def held_run(host: EngineHost) -> Request:
    """A run of what is held."""
    return Requests(host.registry, host.config).request("held", [None])


def submit_held(host: EngineHost) -> None:
    request = held_run(host)
    host.send(lambda engine: engine.submit(request)).result(WAIT)


def test_a_body_of_its_own_may_not_close_it(opened: EngineHost, registry: Registry) -> None:
    """It would wait for itself."""
    errors: list[BaseException] = []

    def body(context: Context) -> None:
        try:
            opened.close()
        except RunnerUsageError as error:
            errors.append(error)

    hold(registry, body)
    request = held_run(opened)
    opened.send(lambda engine: engine.execute(request, None)).result(WAIT)

    assert "shut the runner down outside" in str(*errors)
    assert str(opened) == "model, open"


def test_a_body_of_another_runner_may_close_it(opened: EngineHost) -> None:
    attempt = Attempt.__new__(Attempt)
    attempt.owner = SimpleNamespace(id="elsewhere", cancelled=False)  # type: ignore[assignment]  # all that is asked
    token = CURRENT_WORK.set(attempt)
    try:
        opened.close().result(WAIT)
    finally:
        CURRENT_WORK.reset(token)

    assert str(opened) == "model, closed"


# -- break down ----------------------------------------------------------------------------------


class TestBreakDown:
    """The loop thread dies, or a part of the engine without which it cannot go on."""

    def test_after_the_death_of_the_thread_every_call_says_why(self, opened: EngineHost) -> None:
        kill_thread(opened)

        for call in (lambda: opened.send(nothing), opened.refuse_closed, lambda: opened.engine):
            with pytest.raises(RunnerClosedError, match="its engine thread ended with SystemExit"):
                call()
        opened._has_told_failure = True

    def test_the_end_is_there_at_once_and_says_why_once(self, opened: EngineHost) -> None:
        kill_thread(opened)
        opened.close().result(WAIT)

        with pytest.raises(RunnerClosedError, match="its engine thread ended with SystemExit"):
            opened.end_thread()
        opened.close().result(WAIT)
        opened.end_thread()

    def test_an_end_that_was_under_way_is_cut_short(
        self, opened: EngineHost, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def hangs(_: Engine) -> None:
            raise SystemExit

        monkeypatch.setattr(Engine, "shutdown", hangs)
        with pytest.raises(RunnerClosedError, match="SystemExit"):
            opened.close().result(WAIT)
        opened._has_told_failure = True
        opened._closing = None

    def test_the_loop_of_the_bodies_takes_the_engine_with_it_in_good_order(
        self, opened: EngineHost, backend: ModelBackend, registry: Registry
    ) -> None:
        """The engine releases its runs: its own loop is alive."""

        async def body(context: Context) -> None:
            loop = asyncio.get_running_loop()
            os.close(loop._selector.fileno())  # type: ignore[attr-defined]  # as a body may
            await asyncio.Event().wait()

        hold(registry, body)
        request = held_run(opened)
        answer = opened.send(lambda engine: engine.execute(request, None))
        with pytest.raises(RunnerClosedError, match="its thread of coroutines ended with OSError"):
            answer.result(WAIT)
        with pytest.raises(RunnerClosedError, match="its thread of coroutines ended with OSError"):
            opened.send(nothing)

        opened.close().result(WAIT)
        with pytest.raises(RunnerClosedError, match="its thread of coroutines ended with OSError"):
            opened.end_thread()
        assert backend.store.is_closed
        assert opened._thread is not None
        assert opened._thread.loop.is_closed()

    def test_so_does_a_record_that_cannot_be_acted_on(
        self, opened: EngineHost, registry: Registry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A caller would wait for ever, or a run stand still, and health would say nothing."""

        def fails(*_: object) -> NoReturn:
            raise MemoryError

        why = r"^the runner has broken down: it could not act on a record: MemoryError\(\)$"
        hold(registry, lambda context: None)
        monkeypatch.setattr(PendingSubmission, "settled", fails)
        request = held_run(opened)
        with pytest.raises(RunnerClosedError, match=why):
            opened.send(lambda engine: engine.submit(request)).result(WAIT)
        with pytest.raises(RunnerClosedError, match=why):
            opened.send(lambda engine: engine.health())

        opened.close().result(WAIT)
        with pytest.raises(RunnerClosedError, match=why):
            opened.end_thread()

    def test_a_thread_that_dies_while_the_engine_breaks_down_keeps_nobody_waiting(
        self, opened: EngineHost, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def dies(_: Engine) -> None:
            raise SystemExit

        monkeypatch.setattr(Engine, "shutdown", dies)
        assert opened._thread is not None
        opened._thread.loop.call_soon_threadsafe(opened._break_down, "because")
        opened._thread.stop()
        with pytest.raises(RunnerClosedError, match=r"^because$"):
            opened.send(nothing)

        opened.close().result(WAIT)
        with pytest.raises(RunnerClosedError, match=r"^because$"):
            opened.end_thread()

    @pytest.mark.usefixtures("backend")
    def test_a_part_that_dies_during_the_end_ends_the_grace_period(
        self, registry: Registry
    ) -> None:
        config = DefaultRunnerConfig(shutdown_grace_seconds=3600)
        host = EngineHost("model://here", config, None, registry)
        inside, release = threading.Event(), threading.Event()

        def body(context: Context) -> None:
            inside.set()
            release.wait()

        hold(registry, body)
        host.open().result(WAIT)
        host.begin()
        submit_held(host)
        assert inside.wait(WAIT)
        assert host._thread is not None

        closing = host.close()
        host._thread.loop.call_soon_threadsafe(host._break_down, "because")

        closing.result(WAIT)
        host.end_thread()
        release.set()

    def test_a_part_that_dies_as_the_end_begins_leaves_nothing_open(
        self, opened: EngineHost, backend: ModelBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Between the call that shuts down and its being known as the one. The engine is not done
        with shutting down by itself when the call has returned.
        """
        thread = opened._thread
        assert thread is not None
        submit, broken = thread.submit, threading.Event()
        close, has_returned = backend.store.close, asyncio.Event()

        def break_down() -> None:
            opened._break_down("because")
            broken.set()

        def submit_and_break_down(coroutine: Coroutine[Any, Any, None]) -> CallFuture[None]:
            answer = submit(coroutine)
            thread.loop.call_soon_threadsafe(break_down)
            assert broken.wait(WAIT)
            return answer

        async def close_afterwards() -> None:
            await has_returned.wait()
            await close()

        monkeypatch.setattr(thread, "submit", submit_and_break_down)
        monkeypatch.setattr(backend.store, "close", close_afterwards)
        closing = opened.close()
        thread.loop.call_soon_threadsafe(has_returned.set)
        closing.result(WAIT)

        with pytest.raises(RunnerClosedError, match=r"^because$"):
            opened.end_thread()
        assert backend.store.is_closed

    def test_after_a_death_the_registry_tells_it_nothing(
        self, opened: EngineHost, registry: Registry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        told: list[object] = []
        kill_thread(opened)
        opened.close().result(WAIT)
        with pytest.raises(RunnerClosedError):
            opened.end_thread()
        assert opened._thread is not None
        monkeypatch.setattr(opened._thread.loop, "call_soon_threadsafe", told.append)

        hold(registry, lambda context: None)

        assert told == []


def kill_thread(host: EngineHost) -> None:
    """Have something come out of the engine's loop."""

    async def leave(engine: Engine) -> None:
        raise SystemExit

    with pytest.raises(RunnerClosedError):
        host.send(leave).result(WAIT)


# -- what it says of itself ----------------------------------------------------------------------


def test_its_text_is_the_backend_and_the_state(host: EngineHost) -> None:
    assert str(host) == "model, closed"
    host.open().result(WAIT)
    assert str(host) == "model, open"
    host.close()
    assert str(host) == "model, closed"


def test_a_parked_caller_hears_an_error_of_the_engine_and_ends_its_own_wait(
    opened: EngineHost,
) -> None:
    def broken(_: Engine, __: ParkedCall[None]) -> None:
        raise LookupError("not there")

    with pytest.raises(LookupError, match="not there"):
        opened.park(broken, WAIT)
    with pytest.raises(PipelineTimeoutError, match="it is not known whether the run was accepted"):
        opened.park(no_answer, 0)
    assert opened._thread is not None
    assert opened._thread._parked == set()


# -- forks ---------------------------------------------------------------------------------------


def test_another_process_is_refused_everything(
    opened: EngineHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Callable[[], object]] = [
        lambda: opened.send(nothing), lambda: opened.park(no_answer, 0), lambda: opened.engine,
        opened.refuse_closed, opened.close, opened.open,
    ]  # fmt: skip
    with monkeypatch.context() as patch:
        patch.setattr(THIS_PROCESS, "forks", THIS_PROCESS.forks + 1)
        for call in calls:
            with pytest.raises(RunnerUsageError, match="opened by another process"):
                call()


def test_what_was_made_before_a_fork_can_be_opened_after_it(
    host: EngineHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(THIS_PROCESS, "forks", THIS_PROCESS.forks + 1)
        host.open().result(WAIT)

        assert host.send(nothing).result(WAIT) == "answered"


# -- executors -----------------------------------------------------------------------------------


class Makers:
    """Functions that make executors, or refuse to."""

    def __init__(self) -> None:
        self.made: list[ExecutorByHand] = []
        self.ended = threading.Event()

    def makes(self) -> ExecutorByHand:
        made = ExecutorByHand()
        shutdown = made.shutdown

        def shut_down(**options: Any) -> None:
            shutdown(**options)
            self.ended.set()

        made.shutdown = shut_down  # type: ignore[method-assign]  # tells of its end
        self.made.append(made)
        return made

    def refuses(self) -> NoReturn:
        raise OSError("no such cluster")

    def host(self, **executors: Any) -> EngineHost:
        config = DefaultRunnerConfig(shutdown_grace_seconds=0)
        return EngineHost("model://here", config, None, Registry(), executors=executors)


@pytest.fixture
def makers() -> Makers:
    return Makers()


def test_executors_are_made_when_it_opens_and_end_with_it(
    backend: ModelBackend, makers: Makers
) -> None:
    host = makers.host(cpu=makers.makes)
    assert makers.made == []
    host.open().result(WAIT)
    assert len(makers.made) == 1
    assert not makers.ended.is_set()

    host.close().result(WAIT)
    host.end_thread()
    assert makers.ended.wait(WAIT)


def test_those_that_were_made_end_when_another_cannot_be(
    backend: ModelBackend, makers: Makers
) -> None:
    host = makers.host(cpu=makers.makes, cluster=makers.refuses)
    with pytest.raises(OSError, match="no such cluster"):
        host.open()

    assert makers.ended.wait(WAIT)
    assert backend.options == []


@pytest.mark.parametrize("is_opened", [False, True])
def test_they_end_when_the_database_cannot_be_opened(
    backend: ModelBackend, makers: Makers, is_opened: bool
) -> None:
    if is_opened:
        backend.store.refusal = StoreOpenError("the runner id is taken")
    else:
        backend.refusal = StoreOpenError("no such host")
    host = makers.host(cpu=makers.makes)
    with pytest.raises(StoreOpenError):
        host.open().result(WAIT)
    assert makers.ended.wait(WAIT)

    host.close().result(WAIT)
    host.end_thread()
    host.allow_another_try()
    backend.refusal = backend.store.refusal = None
    host.open().result(WAIT)
    assert len(makers.made) == 2
    host.close().result(WAIT)
    host.end_thread()


def test_they_can_be_made_while_the_caller_goes_on(backend: ModelBackend, makers: Makers) -> None:
    caller, goes_on = threading.current_thread(), threading.Event()

    def makes_later() -> ExecutorByHand:
        assert threading.current_thread() is not caller
        assert goes_on.wait(WAIT)
        return makers.makes()

    host = makers.host(cpu=makes_later)
    opening = host.open(may_block=False)
    assert backend.options == []
    goes_on.set()
    opening.result(WAIT)

    assert len(makers.made) == 1
    host.close().result(WAIT)
    host.end_thread()
    assert makers.ended.wait(WAIT)


def test_an_error_of_theirs_comes_with_the_opening(backend: ModelBackend, makers: Makers) -> None:
    host = makers.host(cpu=makers.makes, cluster=makers.refuses)

    with pytest.raises(OSError, match="no such cluster"):
        host.open(may_block=False).result(WAIT)

    assert makers.ended.wait(WAIT)
    assert backend.options == []
    host.close().result(WAIT)
    host.end_thread()


def test_those_that_come_after_the_opening_was_given_up_end_at_once(
    backend: ModelBackend, makers: Makers
) -> None:
    goes_on = threading.Event()

    def makes_late() -> ExecutorByHand:
        assert goes_on.wait(WAIT)
        return makers.makes()

    host = makers.host(cpu=makes_late, disk=makers.makes)
    host.open(may_block=False)
    host.close().result(WAIT)
    host.end_thread()
    host.allow_another_try()
    goes_on.set()
    assert makers.ended.wait(WAIT)
    makers.ended.clear()

    host.open(may_block=False).result(WAIT)  # it has executors of its own
    host.close().result(WAIT)
    host.end_thread()
    assert makers.ended.wait(WAIT)


def test_it_leaves_when_another_program_asks(
    backend: ModelBackend, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed, told = asyncio.Event(), threading.Event()

    async def wait_changed() -> Change:
        await changed.wait()
        changed.clear()
        return Change.ANYTHING

    async def ask(engine: Engine) -> None:
        await engine.store.drain("r1")
        changed.set()

    monkeypatch.setattr(backend.store, "wait_changed", wait_changed)
    host = EngineHost("model://here", DefaultRunnerConfig(runner_id="r1"), None, registry)
    host.leaving = told.set
    host.open().result(WAIT)
    host.begin()

    host.send(ask)

    assert told.wait(WAIT)
    with pytest.raises(RunnerClosedError):
        host.send(nothing)
    host.close().result(WAIT)
    assert backend.store.is_closed
    host.end_thread()
