"""Handles of runs: equal for the same run, with the same calls sync and async."""

from __future__ import annotations

import concurrent.futures
import inspect
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tables import each_row

from cloaca_core.assembly.caller import Caller
from cloaca_core.assembly.host import EngineHost
from cloaca_core.client.async_handles import AsyncRunHandle
from cloaca_core.client.handles import RunHandle
from cloaca_core.config import DefaultRunnerConfig
from cloaca_core.definition.registry import Registry
from cloaca_core.engine.execute.attempt import Attempt
from cloaca_core.engine.execute.current_work import CURRENT_WORK
from cloaca_core.engine.observe.completion import Ended, RecentRuns
from cloaca_core.errors import PipelineTimeoutError, RunnerClosedError, RunnerUsageError
from cloaca_core.features.explain.facts import RunFacts
from cloaca_core.operations import history
from cloaca_core.run.rows import RunRow
from cloaca_core.views import run_past
from cloaca_core.views.run_past import History
from cloaca_testing.conformance.rows import attempt as attempt_row

ROW = RunRow(
    id="r", workflow="public::embedded::w", version="0", status="Failed", owner="r1", epoch=1,
    recoveries=0, input="", tags="{}", parent_id=None, final_context='{"a":1}',
    error_message="Pipeline timeout after 3s", created_at=1, started_at=1, ended_at=9,
)  # fmt: skip
END = Ended(ROW, (attempt_row("r", "load"),))


class Questions:
    """Stands for an engine and its reader: a call of a method is its name with the arguments."""

    def __init__(self) -> None:
        self.reader = self

    def __getattr__(self, name: str) -> Callable[..., tuple[Any, ...]]:
        return lambda *arguments: (name, *arguments)


class Host:
    """A host whose engine answers as it was told, or not at all."""

    works = True

    def __init__(self) -> None:
        self.registry, self.config = Registry(), DefaultRunnerConfig()
        self.recent = RecentRuns()
        self.asked: list[tuple[Any, ...]] = []
        self.answers: dict[object, object] = {}
        self.is_closed = False

    @property
    def engine(self) -> SimpleNamespace:
        if self.is_closed:
            raise RunnerClosedError("closed")
        return SimpleNamespace(recent=self.recent)

    def refuse_closed(self) -> None:
        if self.is_closed:
            raise RunnerClosedError("closed")

    def send(self, ask: Callable[[Any], tuple[Any, ...]]) -> concurrent.futures.Future[Any]:
        if self.is_closed:
            raise RunnerClosedError("closed")
        question = ask(Questions())
        self.asked.append(question)
        future = concurrent.futures.Future[Any]()
        if question[0] in self.answers:
            future.set_result(self.answers[question[0]])
        return future

    read = send


def sync(host: Host, run_id: str = "r") -> RunHandle:
    return RunHandle(Caller(cast("EngineHost", host)), run_id)


def awaited(host: Host, run_id: str = "r") -> AsyncRunHandle:
    return AsyncRunHandle(Caller(cast("EngineHost", host)), run_id)


@pytest.fixture
def host() -> Host:
    return Host()


# -- identity ------------------------------------------------------------------------------------


def test_handles_are_equal_when_the_run_is_the_same(host: Host) -> None:
    assert sync(host) == sync(Host()) == awaited(host)
    assert sync(host) != sync(host, "other")
    assert sync(host) != "r"
    assert len({sync(host), awaited(host), sync(host, "other")}) == 2


def test_a_handle_says_whose_it_is(host: Host) -> None:
    assert (sync(host).id, awaited(host).id) == ("r", "r")
    assert repr(sync(host)) == "RunHandle(id='r')"
    assert repr(awaited(host)) == "AsyncRunHandle(id='r')"


def test_the_id_cannot_be_changed(host: Host) -> None:
    with pytest.raises(AttributeError):
        sync(host).id = "other"  # type: ignore[misc]  # that is what is tested


def test_both_handles_have_the_same_calls_with_the_same_parameters() -> None:
    def public(kind: type) -> dict[str, object]:
        found = inspect.getmembers(kind, inspect.isfunction)
        return {n: inspect.signature(f).parameters for n, f in found if not n.startswith("_")}

    assert public(RunHandle) == public(AsyncRunHandle)
    looking = {"attempts", "children", "events", "info", "outputs", "rounds", "status", "tasks"}
    looking |= {"follow_logs", "items", "logs", "tree", "watch"}
    steering = {"cancel", "pause", "resume", "retry", "plan_retry", "fork", "plan_fork"}
    messages = {"send", "approve"}
    assert public(RunHandle).keys() == looking | steering | messages | {"explain", "result", "wait"}


# -- the end -------------------------------------------------------------------------------------


async def test_a_completed_end_that_is_at_hand_needs_no_question(host: Host) -> None:
    host.recent.add(END._replace(row=END.row._replace(status="Completed")))

    for result in (sync(host).result(), sync(host).result(0), await awaited(host).result(0)):
        assert (result.execution_id, result.status) == ("r", "Completed")
    sync(host).wait(0)
    await awaited(host).wait(0)
    assert host.asked == []


async def test_any_other_end_is_waited_for(host: Host) -> None:
    """Also one that is at hand: a retry may have begun another round, anywhere."""
    host.recent.add(END)
    host.answers["wait"] = END

    for result in (sync(host).result(), await awaited(host).result()):
        assert result.final_context.to_dict() == {"a": 1}
        assert list(result.task_results) == ["load"]
    sync(host).wait()
    await awaited(host).wait()
    assert host.asked == [("wait", "r", None)] * 4


async def test_a_run_that_passed_its_deadline_is_a_result_here(host: Host) -> None:
    """Only ``execute`` raises it."""
    host.answers["wait"] = END

    assert sync(host).result().error_message == "Pipeline timeout after 3s"
    assert (await awaited(host).result()).error_message == "Pipeline timeout after 3s"


async def test_a_wait_that_ends_first_names_the_run(host: Host) -> None:
    calls: list[Callable[[], object]] = [lambda: sync(host).wait(0), lambda: sync(host).result(0)]
    for call in calls:
        with pytest.raises(PipelineTimeoutError) as caught:
            call()
        assert (caught.value.run_id, caught.value.timeout) == ("r", 0)
    for waiting in (awaited(host).wait(0), awaited(host).result(0)):
        with pytest.raises(PipelineTimeoutError) as caught:
            await waiting
        assert (caught.value.run_id, caught.value.timeout) == ("r", 0)


@each_row(("timeout", "kind"), [(-1, ValueError), (float("nan"), ValueError), ("1", TypeError)])
async def test_a_bad_timeout_is_refused_before_anything_is_asked(
    host: Host, timeout: Any, kind: type[Exception]
) -> None:
    calls: list[Callable[[], object]] = [
        lambda: sync(host).wait(timeout), lambda: sync(host).result(timeout)
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(kind, match="timeout"):
            call()
    for waiting in (awaited(host).wait(timeout), awaited(host).result(timeout)):
        with pytest.raises(kind, match="timeout"):
            await waiting
    assert host.asked == []


# -- on the way ----------------------------------------------------------------------------------


async def test_a_status_is_that_of_the_row(host: Host) -> None:
    host.answers["get_run"] = ROW

    assert sync(host).status() == "Failed"
    assert await awaited(host).status() == "Failed"
    assert host.asked == [("get_run", "r")] * 2


async def test_events_are_those_of_the_rows_in_the_order_of_time(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "history_of", lambda _, run_id: ("history", run_id))
    host.answers["history"] = History(ROW, [], [], [], [])

    for events in (sync(host).events(), await awaited(host).events()):
        assert [event.kind for event in events] == ["created", "started", "ended"]


async def test_what_is_told_of_a_run_alone_has_its_bodies(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_past, "facts_of", lambda _, run_id: ("facts", run_id))
    host.answers["facts"] = RunFacts(ROW, 2, "o")

    for info in (sync(host).info(), await awaited(host).info()):
        assert (info.id, info.status) == ("r", "Failed")
        assert (info.active_bodies, info.forked_from) == (2, "o")


async def test_a_closed_runner_answers_nothing_about_a_run(host: Host) -> None:
    """Not even what it has at hand."""
    host.recent.add(END)
    host.is_closed = True
    handle, other = sync(host), awaited(host)

    calls: list[Callable[[], object]] = [handle.status, handle.result, handle.wait, handle.tasks]
    calls += [handle.info, handle.events, handle.attempts, handle.rounds, handle.outputs]
    calls += [handle.children]
    for call in calls:
        with pytest.raises(RunnerClosedError):
            call()
    for coroutine in (other.status, other.result, other.wait, other.tasks, other.events):
        with pytest.raises(RunnerClosedError):
            await coroutine()


# -- from bodies ---------------------------------------------------------------------------------


async def test_on_the_loop_of_async_bodies_the_blocking_calls_are_refused(host: Host) -> None:
    attempt = Attempt.__new__(Attempt)
    attempt.owner = SimpleNamespace(cancelled=False)  # type: ignore[assignment]  # all that is asked
    attempt.is_async = True
    attempt.task = SimpleNamespace(id="load", transactional=False)  # type: ignore[assignment]
    handle = sync(host)
    token = CURRENT_WORK.set(attempt)
    try:
        for call in (handle.status, handle.result, handle.wait, handle.tasks, handle.events):
            with pytest.raises(RunnerUsageError, match="use an AsyncRunner and await the call"):
                call()
    finally:
        CURRENT_WORK.reset(token)
    assert host.asked == []


async def test_a_body_that_waits_says_so_to_the_engine(host: Host) -> None:
    """So that another body can use its slot meanwhile."""
    host.answers["wait"] = END
    attempt = Attempt.__new__(Attempt)
    attempt.owner = SimpleNamespace(cancelled=False)  # type: ignore[assignment]  # all that is asked
    attempt.is_async = False
    attempt.task = SimpleNamespace(transactional=False)  # type: ignore[assignment]
    token = CURRENT_WORK.set(attempt)
    try:
        sync(host).result()
        await awaited(host).wait()
    finally:
        CURRENT_WORK.reset(token)

    assert host.asked == [("wait", "r", attempt)] * 2
