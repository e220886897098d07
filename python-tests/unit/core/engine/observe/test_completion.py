"""Callers that wait for a run hear of its end, here or elsewhere, and of no end too early."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

import pytest
from model.memory_store import MemoryStore
from model.orchestration import PAIR, Scene
from model.quiet import quiet
from model.runs import active_run, ended

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task
from cloaca_core.engine.observe import completion as module
from cloaca_core.engine.observe.completion import Completion, Ended, RecentRuns, Waiters
from cloaca_core.engine.observe.run_reader import RunReader
from cloaca_core.engine.runtime.thread_calls import ParkedCall
from cloaca_core.engine.subjects import Subjects
from cloaca_core.errors import RunnerClosedError, RunNotFoundError
from cloaca_core.features.definitions.recorded_definitions import RecordedDefinitions
from cloaca_core.features.steering.records import Reopening
from cloaca_core.run.active_run import ActiveRun
from cloaca_core.run.rows import RunEnd, RunRow
from cloaca_core.values.child_kinds import RUN_WORKFLOW
from cloaca_testing.conformance.commits import claimed, record, submit
from cloaca_testing.conformance.rows import act, attempt, new_run, run_end, runner


class TestWaiters:
    async def test_all_who_wait_for_a_run_are_woken(self) -> None:
        waiters = Waiters()
        futures = [waiters.add("a"), waiters.add("a"), waiters.add("b")]

        waiters.wake("a", ended("a"))

        assert [future.done() for future in futures] == [True, True, False]
        assert await futures[0] == ended("a")

    async def test_an_end_that_nobody_waits_for_is_nothing(self) -> None:
        Waiters().wake("a", ended("a"))

    async def test_who_has_given_up_waiting_is_forgotten(self) -> None:
        waiters = Waiters()
        future = waiters.add("a")
        waiters.discard("a", future)

        assert waiters.elsewhere([]) == []

    async def test_discarding_after_the_end_is_nothing(self) -> None:
        waiters = Waiters()
        future = waiters.add("a")
        waiters.wake("a", ended("a"))

        waiters.discard("a", future)

    async def test_a_cancelled_wait_does_not_keep_the_others_from_hearing(self) -> None:
        waiters = Waiters()
        first, second = waiters.add("a"), waiters.add("a")
        first.cancel()

        waiters.wake("a", ended("a"))

        assert await second == ended("a")

    async def test_runs_of_others_are_those_that_are_not_here(self) -> None:
        waiters = Waiters()
        for run_id in "abc":
            waiters.add(run_id)

        assert waiters.elsewhere({"b": None}) == ["a", "c"]

    async def test_at_the_end_nobody_is_left_waiting(self) -> None:
        waiters = Waiters()
        future = waiters.add("a")

        waiters.fail_all(asyncio.InvalidStateError("over"))

        with pytest.raises(asyncio.InvalidStateError, match="over"):
            await future


class Store(MemoryStore):
    """The model; ``asked`` has the runs whose ends it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    async def ended(self, run_ids: Collection[str]) -> list[RunRow]:
        self.asked += run_ids
        return await super().ended(run_ids)


class Desk:
    """``dropped`` are runs that were taken for ours."""

    def __init__(self) -> None:
        self.store = Store()
        self.registry = Registry()
        self.runs = Scene().runs
        self.dropped: list[ActiveRun] = []
        definitions = RecordedDefinitions(self.store, self.registry)
        reader = RunReader(self.store, self.runs, definitions.of_run)
        self.subjects = Subjects()
        self.completion = Completion(
            self.store, self.runs, reader, self.dropped.append, self.subjects
        )

    def ours(self, **fields: Any) -> ActiveRun:
        """A run ``r`` that is ours, with attempts of both its tasks."""
        run = active_run(PAIR, **fields)
        run.latest = {1: attempt("r", "b"), 0: attempt("r", "a")}
        self.runs.add(run)
        return run

    async def waits(self, run_id: str = "r") -> asyncio.Task[Ended]:
        """A caller that waits for a run."""
        waiting = asyncio.create_task(self.completion.of(run_id))
        await quiet()
        return waiting


@pytest.fixture
async def desk() -> Desk:
    desk = Desk()
    await desk.store.register(runner("r1"))
    return desk


# -- ended here ----------------------------------------------------------------------------------


async def test_an_end_of_ours_wakes_its_callers_and_is_remembered_without_a_read(
    desk: Desk,
) -> None:
    run = desk.ours()
    callers = [await desk.waits(), await desk.waits()]

    desk.subjects.ended.publish(run, run_end("r"))
    desk.runs.remove(run)

    for told in [await each for each in callers] + [await desk.completion.of("r")]:
        assert (told.row.status, told.row.final_context) == ("Completed", '{"x":1}')
        assert [row.task_id for row in told.attempts] == ["a", "b"]
    assert desk.store.runs == {}  # a read would have found no run


async def test_the_end_has_the_reason_and_no_input(desk: Desk) -> None:
    run = desk.ours()
    end = run_end("r", status="Failed", reason="deadline_exceeded", limit=7)

    desk.subjects.ended.publish(run, end._replace(reason_tasks='["b"]'))

    found = desk.completion.recent.get("r")
    assert found is not None
    row = found.row
    assert (row.status, row.error_message, row.ended_at) == ("Failed", "it broke", end.ended_at)
    assert (row.reason_code, row.limit_seconds) == ("deadline_exceeded", 7)
    assert (row.reason_tasks, row.input) == ('["b"]', "")


async def test_one_that_has_not_changed_its_input_ended_with_it(desk: Desk) -> None:
    run = desk.ours()

    desk.subjects.ended.publish(run, run_end("r", final_context=None))

    found = desk.completion.recent.get("r")
    assert found is not None
    assert (found.row.final_context, found.row.input) == (run.row.input, "")


async def test_a_run_that_has_failed_here_is_read_anew_since_a_retry_may_have_begun_it_again(
    desk: Desk,
) -> None:
    run, failed = desk.ours(), run_end("r", status="Failed")
    await submit(desk.store, new_run("r"))
    await record(desk.store, ends=[failed])
    desk.subjects.ended.publish(run, failed)
    desk.runs.remove(run)
    assert (await desk.completion.of("r")).row.status == "Failed"

    await desk.store.retry([Reopening("r", 1, {})], act())

    caller = await desk.waits()
    assert not caller.done()
    caller.cancel()


# -- ended elsewhere -----------------------------------------------------------------------------


async def test_of_a_run_of_others_that_has_ended_the_tables_tell_in_definition_order(
    desk: Desk,
) -> None:
    with WorkflowBuilder("w", registry=desk.registry):
        for name in ("z", "a"):
            task(id=name)(lambda context: None)
    workflow = desk.registry.find("w")
    row = new_run("r", workflow=workflow.namespace)._replace(version=workflow.version)
    await submit(desk.store, row)
    attempts = [attempt("r", "a"), attempt("r", "gone"), attempt("r", "z")]
    await record(desk.store, attempts, [run_end("r")])

    ended = await desk.completion.of("r")

    assert (ended.row.status, ended.row.input) == ("Completed", "")
    assert [each.task_id for each in ended.attempts] == ["z", "a", "gone"]


async def test_a_caller_gets_the_end_of_the_round_in_which_it_asked(desk: Desk) -> None:
    """Though the next one had begun, and ended, before this process noticed anything."""
    await submit(desk.store, new_run("r"))
    caller = await desk.waits()
    failed, again = attempt("r", "a", status="Failed"), attempt("r", "a", 2, epoch=3)
    await record(desk.store, [attempt("r", "z"), failed], [run_end("r", status="Failed")])
    await desk.store.retry([Reopening("r", 1, {"a": 2, "b": 1})], act())
    later = await desk.waits()
    assert await claimed(desk.store) == ["r"]
    await record(desk.store, [again, attempt("r", "b", epoch=3)], [run_end("r", epoch=3)])

    await desk.completion.notice_ends_elsewhere()

    first, second = await caller, await later
    assert (first.row.round, first.row.status, first.row.error_message) == (
        1,
        "Failed",
        "it broke",
    )
    assert {(row.task_id, row.attempt) for row in first.attempts} == {("z", 1), ("a", 1)}
    assert (second.row.round, second.row.status) == (2, "Completed")
    assert {(row.task_id, row.attempt) for row in second.attempts} == {
        ("z", 1),
        ("a", 2),
        ("b", 1),
    }


async def test_a_caller_is_woken_when_a_run_of_others_is_found_to_have_ended(desk: Desk) -> None:
    await submit(desk.store, new_run("r"))
    caller = await desk.waits()
    await desk.completion.notice_ends_elsewhere()
    assert not caller.done()

    await record(desk.store, [attempt("r", "a")], [run_end("r")])
    await desk.completion.notice_ends_elsewhere()

    ended = await caller
    assert (ended.row.status, len(ended.attempts)) == ("Completed", 1)


async def test_what_no_caller_waits_for_any_more_is_not_asked_for(desk: Desk) -> None:
    await submit(desk.store, new_run("r"))
    with pytest.raises(RunNotFoundError):
        await desk.completion.of("unknown")
    caller = await desk.waits()
    caller.cancel()
    await quiet()

    await desk.completion.notice_ends_elsewhere()

    assert desk.store.asked == []


async def test_a_run_that_a_tick_has_cancelled_elsewhere_is_dropped_here(desk: Desk) -> None:
    run = desk.ours(schedule_id="s")
    caller = await desk.waits()
    await submit(desk.store, new_run("r"))
    row = desk.store.runs["r"]
    desk.store.runs["r"] = row._replace(status="Cancelled", ended_at=1, epoch=run.epoch + 1)

    await desk.completion.notice_ends_elsewhere()

    assert desk.dropped == [run]
    assert (await caller).row.status == "Cancelled"


async def test_an_end_that_was_written_here_is_told_when_the_journal_tells_it(desk: Desk) -> None:
    """The commit is in the tables before the loop has heard of it."""
    run = desk.ours(schedule_id="s")
    caller = await desk.waits()
    await submit(desk.store, new_run("r"))
    await record(desk.store, ends=[run_end("r")])

    await desk.completion.notice_ends_elsewhere()
    assert (caller.done(), desk.dropped, desk.store.asked) == (False, [], ["r"])

    desk.subjects.ended.publish(run, run_end("r"))
    assert (await caller).row.status == "Completed"


# -- the runner ends -----------------------------------------------------------------------------


async def test_at_the_end_of_the_runner_all_hear_of_it_also_who_comes_then(desk: Desk) -> None:
    await submit(desk.store, new_run("r"))
    callers = [await desk.waits()]

    desk.completion.fail_all(RunnerClosedError("shut down"))
    callers.append(await desk.waits())

    assert [each.done() for each in callers] == [True, True]
    for each in callers:
        with pytest.raises(RunnerClosedError, match="shut down"):
            await each


async def test_the_end_of_our_own_run_changes_no_other_column_of_its_row(desk: Desk) -> None:
    run = desk.ours()
    row = run.row = RunRow._make(("r", *[f"{name} as it was" for name in RunRow._fields[1:]]))
    end = RunEnd("r", 1, "Failed", "{}", "text", 7, None, "code", 8, "[]")

    desk.subjects.ended.publish(run, end)

    ended = desk.completion.recent.get("r")
    assert ended is not None
    names = {"status", "final_context", "error_message", "ended_at", "reason_code", "limit_seconds"}
    told = {name: getattr(end, name) for name in names | {"reason_tasks"}}
    assert ended.row == row._replace(input="", **told)


# -- parked callers ------------------------------------------------------------------------------


async def test_a_parked_caller_gets_the_end_of_a_run_of_ours(desk: Desk) -> None:
    run, call = desk.ours(), ParkedCall[Ended]()

    assert desk.completion.park("r", call)
    desk.subjects.ended.publish(run, run_end("r"))

    assert call.result(0).row.status == "Completed"


async def test_it_is_not_parked_for_a_run_of_others(desk: Desk) -> None:
    assert not desk.completion.park("r", ParkedCall[Ended]())


async def test_a_parked_caller_gets_the_round_in_which_it_asked(desk: Desk) -> None:
    """The run was lost, failed elsewhere, and completed in its next round before this process
    noticed anything.
    """
    await submit(desk.store, new_run("r"))
    run, call = desk.ours(), ParkedCall[Ended]()
    assert desk.completion.park("r", call)
    desk.runs.remove(run)
    await record(desk.store, [attempt("r", "a", status="Failed")], [run_end("r", status="Failed")])
    await desk.store.retry([Reopening("r", 1, {"a": 2})], act())
    assert await claimed(desk.store) == ["r"]
    await record(desk.store, [attempt("r", "a", 2, epoch=3)], [run_end("r", epoch=3)])

    await desk.completion.notice_ends_elsewhere()
    await quiet()

    ended = call.result(0)
    assert (ended.row.round, ended.row.status) == (1, "Failed")


async def test_a_parked_caller_that_has_given_up_is_forgotten(desk: Desk) -> None:
    desk.ours()
    call = ParkedCall[Ended]()
    desk.completion.park("r", call)

    call.left()

    assert desk.completion._waiters.elsewhere([]) == []


async def test_at_the_end_of_the_runner_parked_callers_hear_of_it(desk: Desk) -> None:
    run, calls = desk.ours(), [ParkedCall[Ended](), ParkedCall[Ended]()]
    desk.completion.park(run.id, calls[0])
    desk.completion.fail_all(RunnerClosedError("shut down"))
    desk.completion.park(run.id, calls[1])

    for call in calls:
        with pytest.raises(RunnerClosedError, match="shut down"):
            call.result(0)


class TestRecentRuns:
    def test_a_run_is_at_hand(self) -> None:
        recent = RecentRuns()
        recent.add(ended("a"))

        assert recent.get("a") == ended("a")
        assert recent.get("b") is None
        assert [run_id for run_id in "ab" if recent.get(run_id) is not None] == ["a"]

    def test_the_oldest_are_forgotten_beyond_a_number(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "RECENT_RUNS", 2)
        recent = RecentRuns()
        for run_id in "abc":
            recent.add(ended(run_id))

        assert [run_id for run_id in "abc" if recent.get(run_id)] == ["b", "c"]

    @pytest.mark.parametrize(
        "size",
        [
            {"text": "x" * 600},
            {"tasks": 3},
            {"error_message": "x" * 600},
            {"tags": "x" * 600},
        ],
    )
    def test_and_beyond_a_number_of_bytes_rows_included(
        self, monkeypatch: pytest.MonkeyPatch, size: dict[str, Any]
    ) -> None:
        monkeypatch.setattr(module, "RECENT_BYTES", 1500)
        recent = RecentRuns()
        for run_id in "abcd":
            recent.add(ended(run_id, **size))

        assert recent.get("a") is None
        assert recent.get("d") is not None

    def test_the_end_of_a_later_round_takes_the_place_of_the_one_before(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "RECENT_BYTES", 1500)
        recent = RecentRuns()
        for _ in range(10):
            recent.add(ended("a", error_message="x" * 600))
        recent.add(ended("b", error_message="x" * 300))

        assert [run_id for run_id in "ab" if recent.get(run_id)] == ["a", "b"]

    def test_it_counts_as_newest_then(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "RECENT_RUNS", 2)
        recent = RecentRuns()
        for run_id in "abac":
            recent.add(ended(run_id))

        assert [run_id for run_id in "abc" if recent.get(run_id)] == ["a", "c"]


@pytest.mark.parametrize(
    ("child_kind", "awaits_children", "status", "told"),
    [
        (None, False, "Failed", []),
        (None, True, "Completed", []),
        (None, True, "Failed", ["steered"]),  # its children are to be cancelled
        (RUN_WORKFLOW, False, "Completed", ["r"]),  # its parent is to hear of it
        (RUN_WORKFLOW, True, "Failed", ["r", "steered"]),
    ],
)
async def test_an_end_that_concerns_children_or_a_parent_is_told(
    desk: Desk, child_kind: str | None, awaits_children: bool, status: str, told: list[str]
) -> None:
    heard: list[str] = []
    desk.subjects.steered.subscribe(lambda: heard.append("steered"))
    desk.subjects.child_ended.subscribe(lambda row: heard.append(row.id))
    run = desk.ours(child_kind=child_kind)
    run.awaits_children = awaits_children

    desk.subjects.ended.publish(run, run_end("r", status=status))

    assert heard == told
