"""Answers about a run come from the tables, and from this runner where it knows more."""

from __future__ import annotations

import pytest
from model.hand_clock import LoopClock
from model.memory_store import MemoryStore
from model.orchestration import PAIR, Scene

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task
from cloaca_core.engine.observe.run_reader import RunReader, with_begun
from cloaca_core.engine.subjects import Subjects
from cloaca_core.errors import RunNotFoundError
from cloaca_core.features.definitions.recorded_definitions import RecordedDefinitions
from cloaca_core.features.definitions.recorder import DefinitionRecorder
from cloaca_testing.conformance.commits import record, submit
from cloaca_testing.conformance.rows import attempt, new_run, runner


class Desk:
    """A reader of a store that has one run, ``r``, which an orchestrator may have taken up."""

    def __init__(self) -> None:
        self.scene = Scene()
        self.store = MemoryStore()
        self.registry = Registry()
        definitions = RecordedDefinitions(self.store, self.registry)
        self.reader = RunReader(self.store, self.scene.runs, definitions.of_run)

    async def tasks_said(self) -> list[tuple[str, str]]:
        return [(row.task_id, row.status) for row in await self.reader.attempts("r")]


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
