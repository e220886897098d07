"""A fork begins with the results above a task; what cannot be forked is refused, unwritten."""

from __future__ import annotations

from typing import Any

import pytest
from model.hand_clock import HandClock
from model.memory_store import MemoryStore
from tables import each_row

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task
from cloaca_core.definition.workflow import Workflow
from cloaca_core.engine.order import Order
from cloaca_core.engine.subjects import Subjects
from cloaca_core.errors import RunNotFoundError, TaskNotFoundError, WorkflowNotFoundError
from cloaca_core.features.definitions.recorded_definitions import RecordedDefinitions
from cloaca_core.features.definitions.recorder import DefinitionRecorder
from cloaca_core.features.reruns.forks import Forks
from cloaca_core.features.reruns.newest_definitions import NewestDefinitions
from cloaca_core.features.steering.records import Act, Reopening
from cloaca_core.run.rerun import Choice
from cloaca_core.values.ids import RunIds
from cloaca_testing.conformance.commits import record, submit
from cloaca_testing.conformance.rows import act, attempt, new_run, run_end, runner

FORK = Order("fork", "ann", "a reason")


def define(registry: Registry, **tasks: list[str]) -> Workflow:
    """A workflow ``w`` of these tasks, each with its dependencies."""
    with WorkflowBuilder("w", registry=registry):
        for name, dependencies in tasks.items():
            task(id=name, dependencies=dependencies)(lambda context: None)
    return registry.find("w")


class Desk:
    """A run ``r`` whose task ``b`` failed, so that ``c`` never started; ``a`` above it and ``d``
    beside it succeeded. It had another version of its workflow than the one here.
    """

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.registry = Registry()
        self.orders: list[Order] = []
        self.came = 0
        definitions = NewestDefinitions(RecordedDefinitions(self.store, self.registry))
        ids = RunIds(HandClock())
        subjects = Subjects()
        subjects.claimable.subscribe(self._came)
        self.forks = Forks(self.store, definitions, ids, self._act_of, subjects)

    async def fill(self) -> None:
        self.workflow = define(self.registry, a=[], b=["a"], c=["b"], d=[])
        await self.store.register(runner("r1"))
        run = new_run("r", workflow=self.workflow.namespace, tags='{"colour":"red"}', priority=3)
        await submit(self.store, run)
        rows = [attempt("r", "a"), attempt("r", "d"), attempt("r", "b", status="Failed", error="x")]
        await record(self.store, rows, [run_end("r", status="Failed")])

    async def fork(self, run_id: str = "r", from_task: str = "b", **given: Any) -> tuple[str, bool]:
        usual = {"content": None, "tags": None, "idempotency_key": None}
        return await self.forks.fork(run_id, from_task, FORK, **{**usual, **given})

    async def kept(self, run_id: str) -> list[str]:
        """The tasks with whose results a fork begins."""
        return [row.task_id for row in await self.store.load_attempts([run_id])]

    def _act_of(self, order: Order) -> Act:
        self.orders.append(order)
        return act(f"x{len(self.orders)}", because=order.because())

    def _came(self) -> None:
        self.came += 1


@pytest.fixture
async def desk() -> Desk:
    desk = Desk()
    await desk.fill()
    return desk


async def test_a_plan_says_what_a_fork_would_keep_and_only_looks(desk: Desk) -> None:
    plan = await desk.forks.plan("r", "b")

    assert plan.keep == (Choice("a", "succeeded"), Choice("d", "succeeded"))
    assert plan.run == (Choice("b", "chosen"), Choice("c", "never started"))
    assert (list(desk.store.runs), desk.orders, desk.came) == (["r"], [], 0)
    assert await desk.store.acts("r", 9) == []


async def test_a_fork_begins_with_what_its_plan_keeps_under_the_version_that_is_here(
    desk: Desk,
) -> None:
    made, is_new = await desk.fork(content='{"x":2}')

    row = desk.store.runs[made]
    assert (is_new, row.status, row.owner) == (True, "Pending", None)
    assert row.version == desk.workflow.version
    assert (row.tags, row.priority) == ('{"colour":"red"}', 3)  # those of the other run
    assert await desk.kept(made) == ["a", "d"]
    (fork,) = await desk.store.forks([made])
    assert (fork.forked_from, fork.from_task, fork.content) == ("r", "b", '{"x":2}')
    assert [each.kind for each in await desk.store.acts("r", 9)] == ["fork"]
    assert (desk.orders, desk.came) == ([FORK], 1)


async def test_a_fork_may_have_other_tags_or_none(desk: Desk) -> None:
    made = [(await desk.fork(tags=tags))[0] for tags in ('{"colour":"blue"}', "{}")]

    assert [desk.store.runs[each].tags for each in made] == ['{"colour":"blue"}', "{}"]


async def test_the_same_key_finds_the_fork_that_was_made(desk: Desk) -> None:
    first = await desk.fork(idempotency_key="k")
    second = await desk.fork(idempotency_key="k")

    assert (first[1], second) == (True, (first[0], False))
    assert set(desk.store.runs) == {"r", first[0]}


async def test_a_result_from_before_a_restart_is_not_kept(desk: Desk) -> None:
    again = Reopening("r", 1, {"a": 2, "b": 2})
    await desk.store.retry([again], act())  # neither has begun again

    plan = await desk.forks.plan("r", "c")
    made, _ = await desk.fork(from_task="c")

    assert [each.task for each in plan.keep] == await desk.kept(made) == ["d"]
    assert [each.task for each in plan.run] == ["a", "b", "c"]


async def test_where_the_workflow_is_not_registered_the_newest_record_counts(desk: Desk) -> None:
    elsewhere = Registry()
    with WorkflowBuilder("theirs", registry=elsewhere):
        for name in ("a", "z"):
            task(id=name)(lambda context: None)
    theirs = elsewhere.find("theirs")
    await submit(desk.store, new_run("s", workflow=theirs.namespace))
    await DefinitionRecorder(desk.store, elsewhere, HandClock(), Subjects()).record()

    made, _ = await desk.fork("s", "z")

    assert desk.store.runs[made].version == theirs.version


@each_row(
    ("run_id", "from_task", "error", "message"),
    [
        ("unknown", "b", RunNotFoundError, "no run with id 'unknown'"),
        ("foreign", "b", WorkflowNotFoundError, "foreign cannot be forked: its workflow a::b::x"),
        ("r", "other", TaskNotFoundError, "has no task 'other'; it has a, b, c, d"),
    ],
)
async def test_one_that_cannot_be_made_is_refused_before_anything_is_written(
    desk: Desk, run_id: str, from_task: str, error: type[Exception], message: str
) -> None:
    await submit(desk.store, new_run("foreign", workflow="a::b::x"))

    with pytest.raises(error, match=message):
        await desk.fork(run_id, from_task)
    with pytest.raises(error, match=message):
        await desk.forks.plan(run_id, from_task)

    assert set(desk.store.runs) == {"r", "foreign"}
    assert (desk.orders, desk.came) == ([], 0)


async def test_a_run_that_is_begun_again_meanwhile_is_planned_anew(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The results that the first plan keeps are not those of one round any more."""
    read = desk.store.outcomes

    async def begun_again(run_ids: Any) -> Any:
        rows = await read(run_ids)
        monkeypatch.setattr(desk.store, "outcomes", read)
        again = Reopening("r", 1, {"a": 2, "b": 2})
        await desk.store.retry([again], act("again"))
        return rows

    monkeypatch.setattr(desk.store, "outcomes", begun_again)

    made, is_new = await desk.fork()

    assert is_new
    assert await desk.kept(made) == ["d"]
    assert (len(desk.orders), desk.came) == (1, 1)


async def test_a_run_that_is_deleted_meanwhile_is_not_found(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = desk.store.outcomes

    async def deleted(run_ids: Any) -> Any:
        rows = await read(run_ids)
        del desk.store.runs["r"]
        return rows

    monkeypatch.setattr(desk.store, "outcomes", deleted)

    with pytest.raises(RunNotFoundError):
        await desk.fork()
    assert (desk.store.runs, desk.came) == ({}, 0)
