"""Answers about a run come from the tables, and from this runner where it knows more."""

from __future__ import annotations

import pytest
from model.hand_clock import LoopClock
from model.memory_store import MemoryStore
from model.orchestration import PAIR, Scene

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task
from cloaca_core.engine.observe.run_reader import Awaited, RunReader, with_begun
from cloaca_core.engine.subjects import Subjects
from cloaca_core.errors import RunNotFoundError
from cloaca_core.features.definitions.recorded_definitions import RecordedDefinitions
from cloaca_core.features.definitions.recorder import DefinitionRecorder
from cloaca_core.features.follow_ups.records import NewFollowUp
from cloaca_core.features.steering.records import NewFork, Reopening
from cloaca_core.run.rows import RunFilter
from cloaca_testing.conformance.rows import (
    LATER,
    NOW,
    WORKFLOW,
    act,
    attempt,
    batch_with,
    message,
    new_run,
    note,
    record,
    run_end,
    runner,
    submit,
    wait,
)


class Desk:
    """A reader of a store that has one run, ``r``, which an orchestrator may have taken up."""

    def __init__(self) -> None:
        self.scene = Scene()
        self.store = MemoryStore()
        self.registry = Registry()
        definitions = RecordedDefinitions(self.store, self.registry)
        self.reader = RunReader(self.store, self.registry, self.scene.runs, definitions)

    async def tasks_said(self) -> list[tuple[str, str]]:
        history = await self.reader.history("r")
        return [(row.task_id, row.status) for row in history.attempts]


@pytest.fixture
async def desk() -> Desk:
    desk = Desk()
    await desk.store.register(runner("r1"))
    await submit(desk.store, new_run("r"))
    return desk


async def test_a_run_that_is_not_there_is_told_by_its_id(desk: Desk) -> None:
    with pytest.raises(RunNotFoundError, match="no run with id 'other'"):
        await desk.reader.get_run("other")


async def test_a_body_that_runs_is_said_to_run_before_that_is_written(desk: Desk) -> None:
    desk.scene.adopt(PAIR)
    desk.scene.begin()  # the other one is queued

    assert await desk.tasks_said() == [("a", "Running")]


async def test_so_is_one_that_waits_or_was_given_up(desk: Desk) -> None:
    desk.scene.adopt(PAIR)
    first, second = desk.scene.begin(), desk.scene.begin()
    desk.scene.waiting_bodies.release_slot(first)
    desk.scene.executor.abandon(second)

    assert await desk.tasks_said() == [("a", "Running"), ("b", "Running")]


async def test_an_attempt_is_there_once(desk: Desk) -> None:
    desk.scene.adopt(PAIR)
    desk.scene.begin()
    await record(desk.store, [attempt("r", "a")])

    assert await desk.tasks_said() == [("a", "Completed")]


async def test_of_a_run_of_others_the_tables_have_everything(desk: Desk) -> None:
    await record(desk.store, [attempt("r", "a")])

    assert await desk.tasks_said() == [("a", "Completed")]


async def test_the_past_of_a_run_has_its_earlier_rounds_and_what_was_asked_of_it(
    desk: Desk,
) -> None:
    store = desk.store
    assert (await desk.reader.history("r"))[2:] == ([], [], [], [], [], [])
    await store.send(message("m", "r"), 9)

    await record(store, [attempt("r", "a")], [run_end("r", status="Failed")])
    await store.retry([Reopening("r", 1, {"a": 2})], act("x"))
    await store.cancel(["r"], act("y", now=LATER + 1), LATER, children=True)
    history = await desk.reader.history("r")

    assert (history.row.round, [each.attempt for each in history.attempts]) == (2, [1])
    assert [(each.task_id, each.first_attempt, each.round) for each in history.restarts] == [
        ("a", 2, 2)
    ]
    assert [(each.round, each.status) for each in history.rounds] == [(1, "Failed")]
    assert [each.id for each in history.acts] == ["y", "x"]  # newest first
    assert [each.id for each in history.messages] == ["m"]


async def test_bodies_that_run_here_are_counted(desk: Desk) -> None:
    desk.scene.adopt(PAIR)
    assert (await desk.reader.facts("r")).active_bodies == 0

    desk.scene.begin()

    assert (await desk.reader.facts("r")).active_bodies == 1


async def test_no_body_runs_of_a_run_without_an_owner_and_of_others_it_is_not_known(
    desk: Desk,
) -> None:
    await submit(desk.store, new_run("free", owner=None))
    assert (await desk.reader.facts("free")).active_bodies == 0
    assert (await desk.reader.facts("r")).active_bodies is None

    await record(desk.store, ends=[run_end("r")])

    facts = await desk.reader.facts("r")
    assert (facts.row.status, facts.active_bodies) == ("Completed", 0)
    assert facts.forked_from is None


async def test_runs_that_follow_one_another_are_told_with_both(desk: Desk) -> None:
    rows = [NewFollowUp("f", "r", 0, "Completed", "public::embedded::alert", "{}")]
    batch = batch_with("r1", [], [], [run_end("r")], {"r": 1}, follow_ups=rows)
    await desk.store.commit(batch)

    first, then = await desk.reader.history("r"), await desk.reader.history("f")

    assert [each.id for each in first.follow_ups] == ["f"]
    assert [each.id for each in then.follow_ups] == ["f"]
    assert (await desk.reader.facts("r")).follows is None
    assert (await desk.reader.facts("f")).follows == "r"


async def test_a_fork_is_told_with_the_run_that_it_was_made_of_at_last(desk: Desk) -> None:
    """A fork of a fork has rows of both."""
    for source, made in (("r", "f"), ("f", "g")):
        kept = ["a"] if source == "f" else []
        new = NewFork(
            made, source, WORKFLOW, "v", "{}", None, "a" if source == "r" else "b", "{}", kept, NOW
        )
        await desk.store.fork(new, act(made))

    assert (await desk.reader.facts("g")).forked_from == "f"


async def test_its_tasks_are_those_of_the_definition_that_it_has(desk: Desk) -> None:
    row = await desk.reader.get_run("r")
    assert await desk.reader.task_ids(row) == []  # nothing is registered here

    with WorkflowBuilder("w", registry=desk.registry):
        task(id="t")(lambda context: None)
    workflow = desk.registry.find("w")
    same = row._replace(workflow=workflow.namespace, version=workflow.version)

    assert await desk.reader.task_ids(same) == ["t"]
    assert await desk.reader.task_ids(same._replace(version="another")) == []


async def test_where_its_definition_is_not_registered_the_record_tells_its_tasks(
    desk: Desk,
) -> None:
    elsewhere = Registry()
    with WorkflowBuilder("w", registry=elsewhere):
        task(id="t")(lambda context: None)
    await DefinitionRecorder(desk.store, elsewhere, LoopClock(), Subjects()).record()
    with WorkflowBuilder("w", registry=desk.registry):  # another version
        task(id="other")(lambda context: None)
    workflow = elsewhere.find("w")
    row = (await desk.reader.get_run("r"))._replace(
        workflow=workflow.namespace, version=workflow.version
    )

    assert await desk.reader.task_ids(row) == ["t"]


async def test_those_of_a_run_of_ours_are_known_without_the_registry(desk: Desk) -> None:
    desk.scene.adopt(PAIR)

    assert await desk.reader.task_ids(await desk.reader.get_run("r")) == ["a", "b"]


async def test_a_listing_is_the_stores(desk: Desk) -> None:
    (row,) = await desk.reader.list_runs(RunFilter(limit=10))

    assert row.id == "r"


async def test_what_tasks_wait_for_is_read_only_where_one_waits(desk: Desk) -> None:
    await submit(desk.store, new_run("c", parent="r", key="r::a::1"))
    await note(desk.store, wait("r"))
    row = await desk.reader.get_run("r")
    waiting = attempt("r", "a", status="Waiting")

    assert await desk.reader.awaited(row, [attempt("r", "a")]) == Awaited()
    awaited = await desk.reader.awaited(row, [waiting])
    assert ([each.id for each in awaited.children], awaited.waits) == (["c"], [wait("r")])
    assert await desk.reader.awaited(row._replace(ended_at=LATER), [waiting]) == Awaited()


async def test_a_run_tells_its_open_waits_until_it_has_ended(desk: Desk) -> None:
    await note(desk.store, wait("r"))
    assert (await desk.reader.facts("r")).waits == [wait("r")]

    await record(desk.store, ends=[run_end("r")])
    assert (await desk.reader.facts("r")).waits == []


async def test_a_body_that_has_ended_runs_until_that_is_written(desk: Desk) -> None:
    """Else it would not have begun for a moment."""
    desk.scene.adopt(PAIR)
    first = desk.scene.begin()

    desk.scene.executor.end(first)  # its report is on the way
    assert await desk.tasks_said() == [("a", "Running")]
    desk.scene.executor.report(first)
    assert await desk.tasks_said() == [("a", "Running")]


def test_a_row_counts_more_than_what_has_begun() -> None:
    done, failed = attempt("r", "a"), attempt("r", "b", status="Failed", error="no")
    waiting = attempt("r", "c", status="Waiting")

    found = with_begun([done], [done._replace(status="Running"), failed, waiting])

    assert [(row.task_id, row.status) for row in found] == [
        ("a", "Completed"),
        ("b", "Running"),
        ("c", "Waiting"),
    ]
    assert (found[1].ended_at, found[1].error_message) == (None, None)
