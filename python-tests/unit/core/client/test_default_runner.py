"""Two façades of one engine: the same calls, the same refusals, good order at both ends."""

from __future__ import annotations

import asyncio
import concurrent.futures
import inspect
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from tables import each_row

from cloaca_core.client.async_runner import AsyncRunner
from cloaca_core.client.default_runner import DefaultRunner
from cloaca_core.client.reactor_calls import ReactorCalls
from cloaca_core.config import DefaultRunnerConfig
from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.context import Context
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task
from cloaca_core.engine.observe.completion import Ended
from cloaca_core.errors import (
    ConfigError,
    ConfigTypeError,
    PipelineTimeoutError,
    RunnerClosedError,
    RunnerUsageError,
    StoreOpenError,
)
from cloaca_core.run.rows import RunRow
from cloaca_core.views.results import execute_result

WAIT = 60
NO_GRACE = DefaultRunnerConfig(shutdown_grace_seconds=0)


def noop(context: object) -> None:
    """A task's function."""


def define(body: Callable[..., Any] = noop) -> Registry:
    registry = Registry()
    with WorkflowBuilder("w", registry=registry):
        task(id="a", retry_attempts=1)(body)
    return registry


def engine_threads() -> set[threading.Thread]:
    """Those of runners that earlier tests have closed may end later."""
    return {thread for thread in threading.enumerate() if thread.name == "cloaca-engine"}


class Telling(logging.Handler):
    """Keeps what is told at warning, and does something at once."""

    def __init__(self, then: Callable[[], object]) -> None:
        super().__init__(logging.WARNING)
        self.told: list[str] = []
        self._then = then

    def emit(self, record: logging.LogRecord) -> None:
        self.told.append(record.getMessage())
        self._then()


class Held:
    """A body that is inside until something is told."""

    def __init__(self) -> None:
        self.inside, self._go_on = threading.Event(), threading.Event()
        self.handler = Telling(self._go_on.set)

    def __call__(self, _: Context) -> None:
        self.inside.set()
        self._go_on.wait(WAIT)


@pytest.fixture
def held() -> Iterator[Held]:
    held = Held()
    logging.getLogger("cloaca").addHandler(held.handler)
    yield held
    logging.getLogger("cloaca").removeHandler(held.handler)


# -- what an interrupted shutdown says -----------------------------------------------------------


def test_ctrl_c_in_the_block_has_told_what_is_waited_for_before_the_wait(held: Held) -> None:
    told: list[str] = []

    def program() -> None:
        with DefaultRunner(":memory:", registry=define(held)) as runner:
            told.append(f"task a of run {runner.submit('w').id}")
            assert held.inside.wait(WAIT)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        program()

    waits = f"shutdown waits up to 30 s for {told[0]}; Ctrl-C ends the wait"
    assert held.handler.told == [waits]


async def test_a_cancellation_in_the_block_has_told_what_is_waited_for(held: Held) -> None:
    told: list[str] = []

    async def program() -> None:
        async with AsyncRunner(":memory:", registry=define(held)) as runner:
            handle = await runner.submit("w")
            await asyncio.to_thread(held.inside.wait, WAIT)
            told.append(f"task a of run {handle.id}")
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await program()

    waits = f"shutdown waits up to 30 s for {told[0]}; Ctrl-C ends the wait"
    assert held.handler.told == [waits]


def test_ctrl_c_during_a_shutdown_has_told_what_is_waited_for_no_longer(
    held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = DefaultRunner(":memory:", registry=define(held))
    handle = runner.submit("w")
    assert held.inside.wait(WAIT)
    real = runner._host.close

    class Interrupted(concurrent.futures.Future[None]):
        def result(self, timeout: float | None = None) -> NoReturn:  # noqa: ARG002 - a future's
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(runner._host, "close", lambda: (real(), Interrupted())[1])
        with pytest.raises(KeyboardInterrupt):
            runner.shutdown()

    assert held.handler.told == [f"shutdown waits no longer for task a of run {handle.id}"]
    runner.shutdown()


async def test_a_cancellation_during_a_shutdown_has_told_it_too(held: Held) -> None:
    runner = await AsyncRunner(":memory:", registry=define(held)).__aenter__()
    handle = await runner.submit("w")
    await asyncio.to_thread(held.inside.wait, WAIT)
    ending = asyncio.create_task(runner.shutdown())
    await asyncio.sleep(0)
    ending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ending

    assert held.handler.told == [f"shutdown waits no longer for task a of run {handle.id}"]
    await runner.shutdown()


def test_an_ordinary_end_tells_nothing(held: Held) -> None:
    with DefaultRunner(":memory:", config=NO_GRACE, registry=define()) as runner:
        runner.execute("w", timeout=WAIT)

    assert held.handler.told == []


# -- two façades ---------------------------------------------------------------------------------


def _public(kind: type) -> dict[str, inspect.Signature]:
    """The calls that an engine answers: those of ``ReactorCalls`` are refused everywhere."""
    found = inspect.getmembers(kind, inspect.isfunction)
    return {
        name: inspect.signature(each)
        for name, each in found
        if not (name.startswith("_") or name in vars(ReactorCalls))
    }


def test_both_runners_have_the_same_calls_with_the_same_parameters() -> None:
    sync, awaited = _public(DefaultRunner), _public(AsyncRunner)

    assert sync.keys() == awaited.keys()
    for name, signature in sync.items():
        assert signature.parameters == awaited[name].parameters, name


def test_both_are_made_from_the_same_parameters() -> None:
    expected = (
        "(self, database_url, *, config=None, schema=None, registry=None, start=True, "
        "executors=None, executor_slots=None, redact=None, queues=None)"
    )
    for kind in (DefaultRunner, AsyncRunner):
        parameters = inspect.signature(kind.__init__).parameters.values()
        bare = [each.replace(annotation=inspect.Parameter.empty) for each in parameters]
        assert str(inspect.Signature(bare)) == expected


@each_row(
    ("constructor", "parameters"),
    [("with_config", ["database_url", "config"]), ("with_schema", ["database_url", "schema"])],
)
def test_the_other_constructors_have_exactly_two_parameters(
    constructor: str, parameters: list[str]
) -> None:
    assert list(inspect.signature(getattr(DefaultRunner, constructor)).parameters) == parameters


# -- text ----------------------------------------------------------------------------------------


@each_row("times", [1, 2, 3])
def test_a_runner_may_be_shut_down_again_and_tells_its_state(times: int) -> None:
    runner = DefaultRunner(":memory:")
    assert repr(runner) == "DefaultRunner(sqlite, open)"
    for _ in range(times):
        runner.shutdown()
    assert repr(runner) == "DefaultRunner(sqlite, closed)"


async def test_an_async_runner_tells_its_state_too() -> None:
    runner = AsyncRunner(":memory:")
    assert repr(runner) == "AsyncRunner(sqlite, closed)"
    async with runner:
        assert repr(runner) == "AsyncRunner(sqlite, open)"
    assert repr(runner) == "AsyncRunner(sqlite, closed)"


def test_a_status_is_a_plain_str_wherever_it_is_read() -> None:
    with DefaultRunner(":memory:", registry=define()) as runner:
        run = runner.submit("w")
        result = run.result(WAIT)
        seen = [result.status, run.status(), runner.list_runs()[0].status]
    assert [type(status) for status in seen] == [str] * 3
    assert repr(result).startswith("PipelineResult(status='Completed', workflow_name='w', ")


# -- open ----------------------------------------------------------------------------------------


def test_with_config_is_the_constructor_with_a_config() -> None:
    with DefaultRunner.with_config(":memory:", DefaultRunnerConfig(runner_id="mine")) as runner:
        assert runner.health()["runner_id"] == "mine"


def test_with_schema_is_the_constructor_with_a_schema() -> None:
    with pytest.raises(ConfigError, match="only supported with PostgreSQL"):
        DefaultRunner.with_schema(":memory:", "tenant")


def test_with_schema_never_opens_without_one() -> None:
    """Otherwise one tenant's runs would land where all tenants can see them."""
    with pytest.raises(ConfigTypeError, match="schema must be a str, not NoneType") as caught:
        DefaultRunner.with_schema(":memory:", None)  # type: ignore[arg-type]  # refused
    assert caught.value.field == "schema"


async def test_a_failed_opening_leaves_no_thread_behind(tmp_path: Path) -> None:
    before = engine_threads()
    with pytest.raises(StoreOpenError):
        DefaultRunner(str(tmp_path))
    with pytest.raises(StoreOpenError):
        await AsyncRunner(str(tmp_path)).__aenter__()

    assert engine_threads() <= before


async def test_a_runner_that_failed_to_open_is_closed(tmp_path: Path) -> None:
    runner = AsyncRunner(str(tmp_path))
    with pytest.raises(StoreOpenError):
        await runner.__aenter__()

    await runner.shutdown()

    with pytest.raises(RunnerClosedError):
        await runner.list_runs()


async def test_entering_twice_is_refused_and_ends_nothing() -> None:
    async with AsyncRunner(":memory:", registry=define()) as runner:
        with pytest.raises(RunnerUsageError, match="open already"):
            await runner.__aenter__()

        assert (await runner.execute("w", timeout=WAIT)).status == "Completed"


async def test_giving_up_to_enter_leaves_nothing_behind(tmp_path: Path) -> None:
    before = engine_threads()
    runner = AsyncRunner(str(tmp_path / "a.db"))
    entering = asyncio.create_task(runner.__aenter__())
    await asyncio.sleep(0)  # it has begun, and its thread is at work
    entering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await entering

    assert engine_threads() <= before
    with pytest.raises(RunnerUsageError):
        await runner.list_runs()


# -- run -----------------------------------------------------------------------------------------


def ended(status: str, error_message: str | None, **fields: Any) -> Ended:
    row = RunRow(
        id="r", workflow="public::embedded::w", version="0", status=status, owner="r1", epoch=1,
        recoveries=0, input="", tags="{}", parent_id=None, final_context="{}",
        error_message=error_message, created_at=1, started_at=1, ended_at=2,
    )  # fmt: skip
    return Ended(row._replace(**fields), ())


@each_row(
    "row",
    [
        ended("Failed", "in other words", reason_code="deadline_exceeded", limit_seconds=3),
        ended("Failed", "Pipeline timeout after 3s"),  # as an older version writes it
    ],
)
def test_a_run_that_passed_its_deadline_raises_with_its_facts(row: Ended) -> None:
    message = r"^Workflow execution failed: Pipeline timeout after 3s$"
    with pytest.raises(PipelineTimeoutError, match=message) as caught:
        execute_result(row)

    assert (caught.value.run_id, caught.value.timeout) == ("r", 3)


def test_the_error_has_the_limit_to_the_fraction_of_a_second() -> None:
    row = ended(
        "Failed",
        "Pipeline timeout after 0.3s",
        reason_code="deadline_exceeded",
        limit_seconds=1,
    )
    with pytest.raises(PipelineTimeoutError, match=r": Pipeline timeout after 0\.3s$"):
        execute_result(row)


@each_row(
    ("status", "error_message"),
    [("Completed", None), ("Failed", "1 task(s) failed"), ("Cancelled", "cancelled")],
)
def test_every_other_end_is_a_result(status: str, error_message: str | None) -> None:
    result = execute_result(ended(status, error_message))

    assert (result.status, result.error_message) == (status, error_message)


# -- calls from bodies ---------------------------------------------------------------------------


def test_a_call_that_would_block_all_async_bodies_is_refused() -> None:
    """Each of them, also those that would not block for long."""
    refused: list[str] = []
    runners: list[DefaultRunner] = []

    async def body(context: Context) -> None:
        runner = runners[0]
        calls: dict[str, Callable[[], object]] = {
            "execute": lambda: runner.execute("w"),
            "submit": lambda: runner.submit("w"),
            "submit_many": lambda: runner.submit_many("w", [None]),
            "get_run": lambda: runner.get_run("r"),
            "list_runs": runner.list_runs,
            "actions": runner.actions,
            "count_runs": runner.count_runs,
            "prune": runner.prune,
            "health": runner.health,
            "cancel": lambda: runner.cancel("r"),
            "pause": lambda: runner.pause("r"),
            "resume": lambda: runner.resume("r"),
            "send": lambda: runner.send("r", "paid"),
            "approve": lambda: runner.approve("r", "signed"),
            "waiting_for_people": runner.waiting_for_people,
            "retry": lambda: runner.retry("r"),
            "plan_retry": lambda: runner.plan_retry("r"),
            "fork": lambda: runner.fork("r", "t"),
            "plan_fork": lambda: runner.plan_fork("r", "t"),
            "pause_workflow": lambda: runner.pause_workflow("w"),
            "resume_workflow": lambda: runner.resume_workflow("w"),
            "drain_runner": lambda: runner.drain_runner("r"),
            "limits": runner.limits,
            "limit": lambda: runner.limit("l"),
            "set_limit": lambda: runner.set_limit("l", total=1),
            "clear_limit": lambda: runner.clear_limit("l"),
            "cancel_many": lambda: runner.cancel_many(status="Pending"),
            "pause_many": lambda: runner.pause_many(status="Pending"),
            "resume_many": lambda: runner.resume_many(status="Paused"),
            "retry_many": lambda: runner.retry_many(status="Failed"),
            "register_cron_workflow": lambda: runner.register_cron_workflow("w", "@daily", "UTC"),
            "schedule": lambda: runner.schedule("s", "w", "@daily", "UTC"),
            "register_workflow_instance": lambda: runner.register_workflow_instance(
                "w", "i", "@daily", "UTC", {}
            ),
            "backfill": lambda: runner.backfill("s", "2026-01-01", "2026-01-02"),
            "preview_backfill": lambda: runner.preview_backfill("s", "2026-01-01", "2026-01-02"),
            "run_schedule": lambda: runner.run_schedule("s"),
            "list_cron_schedules": runner.list_cron_schedules,
            "get_cron_schedule": lambda: runner.get_cron_schedule("s"),
            "update_cron_schedule": lambda: runner.update_cron_schedule("s", "@daily", "UTC"),
            "set_cron_schedule_enabled": lambda: runner.set_cron_schedule_enabled("s", True),
            "delete_cron_schedule": lambda: runner.delete_cron_schedule("s"),
            "get_cron_execution_history": lambda: runner.get_cron_execution_history("s"),
            "list_trigger_schedules": runner.list_trigger_schedules,
            "get_trigger_schedule": lambda: runner.get_trigger_schedule("t"),
            "set_trigger_enabled": lambda: runner.set_trigger_enabled("t", True),
            "get_trigger_execution_history": lambda: runner.get_trigger_execution_history("t"),
            "get_cron_execution_stats": lambda: runner.get_cron_execution_stats("2026"),
            "explain": lambda: runner.explain("r"),
            "start": runner.start,
            "stop": runner.stop,
            "shutdown": runner.shutdown,
        }
        for name, call in calls.items():
            with pytest.raises(RunnerUsageError):
                call()
            refused.append(name)

    with DefaultRunner(":memory:", config=NO_GRACE, registry=define(body)) as runner:
        runners.append(runner)
        runner.execute("w", timeout=WAIT).raise_for_status()

    assert sorted(refused) == sorted(_public(DefaultRunner))


# -- shutdown ------------------------------------------------------------------------------------


async def test_an_end_leaves_no_thread_behind() -> None:
    before = engine_threads()
    DefaultRunner(":memory:").shutdown()
    async with AsyncRunner(":memory:"):
        pass

    assert engine_threads() <= before


async def test_cancelling_a_shutdown_ends_its_grace_period() -> None:
    inside, release = threading.Event(), threading.Event()

    def body(context: Context) -> None:
        inside.set()
        release.wait()

    config = DefaultRunnerConfig(shutdown_grace_seconds=3600)
    runner = await AsyncRunner(":memory:", config=config, registry=define(body)).__aenter__()
    await runner.submit("w")
    await asyncio.to_thread(inside.wait, WAIT)
    closing = asyncio.create_task(runner.shutdown())
    await asyncio.sleep(0)  # it has begun
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing

    async with asyncio.timeout(WAIT):
        await runner.shutdown()
    release.set()
