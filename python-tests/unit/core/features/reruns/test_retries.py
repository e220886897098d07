"""Ended runs are planned and begun again together, children with their parents; what is left of the
ended round is cancelled.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest
from model.memory_store import MemoryStore
from model.virtual_engine import FLOW, Program, World, world

import cloaca_core.definition.task
from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.context import Context
from cloaca_core.definition.registry import Registry
from cloaca_core.engine.order import Order
from cloaca_core.engine.subjects import Subjects
from cloaca_core.errors import (
    RunNotFoundError,
    RunStateError,
    TaskNotFoundError,
    WorkflowNotFoundError,
)
from cloaca_core.features.definitions.recorded_definitions import RecordedDefinitions
from cloaca_core.features.reruns import retries as module
from cloaca_core.features.reruns.child_retries import ChildRetries
from cloaca_core.features.reruns.newest_definitions import NewestDefinitions
from cloaca_core.features.reruns.retries import Begun, Retries
from cloaca_core.features.steering.records import Act, OwnedParent, Reopening
from cloaca_core.run.rows import AttemptRow, NewRun, RunFilter
from cloaca_core.store.acts import Acted
from cloaca_core.values.namespace import SEPARATOR
from cloaca_core.values.states import TaskStatus
from cloaca_testing.conformance.commits import record, submit
from cloaca_testing.conformance.rows import NOW, act, attempt, new_run, run_end, runner

pytestmark = pytest.mark.virtual_time

ORDER = Order("retry", "ann", None)
CANCEL = Order("cancel", "ann", None)
ELSEWHERE = "public::embedded::elsewhere"


class CountingStore(MemoryStore):
    """Notes the runs whose attempts were read, and those that were begun again, by call. A run may
    vanish in between.
    """

    def __init__(self) -> None:
        super().__init__()
        self.read: list[list[str]] = []
        self.written: list[list[str]] = []
        self.with_children = False
        self.vanishes: str | None = None

    async def outcomes(self, run_ids: Collection[str]) -> list[AttemptRow]:
        self.read.append(sorted(run_ids))
        return await super().outcomes(run_ids)

    async def retry(
        self,
        runs: Collection[Reopening],
        act: Act,
        *,
        children: bool = False,
        time_limit: int | None = None,
        parent: OwnedParent | None = None,
    ) -> dict[str, Acted]:
        self.written.append([run.run_id for run in runs])
        if self.vanishes is not None:
            self.runs.pop(self.vanishes, None)
        self.with_children |= children
        return await super().retry(
            runs, act, children=children, time_limit=time_limit, parent=parent
        )


class Desk:
    """Retries of runs of one workflow: ``load``, then ``ship``, then ``bill``."""

    def __init__(self) -> None:
        registry = Registry()
        with WorkflowBuilder("orders", registry=registry):
            cloaca_core.definition.task.task(id="load")(lambda context: None)
            cloaca_core.definition.task.task(id="ship", dependencies=["load"])(lambda context: None)
            cloaca_core.definition.task.task(id="bill", dependencies=["ship"])(lambda context: None)
        self.workflow = registry.workflows()[0].namespace
        self.version = registry.workflows()[0].version
        self.store = CountingStore()
        self.acts: list[Act] = []
        self.came = 0
        self.left: list[str] = []
        definitions = NewestDefinitions(RecordedDefinitions(self.store, registry))
        subjects = Subjects()
        subjects.claimable.subscribe(self._runs_came)
        self.retries = Retries(self.store, definitions, self._act, subjects, self._cancel_children)

    async def failed(self, *run_ids: str, parent: str | None = None, key: str = "") -> None:
        """Insert runs that have failed in ``ship``."""
        await self.insert(*[self.run(each, parent=parent, key=key) for each in run_ids])
        await self.end(*run_ids)

    async def insert(self, *runs: NewRun) -> None:
        await submit(self.store, *runs)

    def run(self, run_id: str, *, parent: str | None = None, key: str = "") -> NewRun:
        full = None if parent is None else SEPARATOR.join([parent, *(key or "ship 1").split()])
        return new_run(run_id, parent=parent, key=full)._replace(workflow=self.workflow)

    async def end(self, *run_ids: str) -> None:
        failed = [
            attempt(each, "ship", 1, status=TaskStatus.FAILED, error="no stock") for each in run_ids
        ]
        loaded = [attempt(each, "load") for each in run_ids]
        ends = [run_end(each, status="Failed") for each in run_ids]
        await record(self.store, [*loaded, *failed], ends)
        self.store.read.clear()

    async def many(self) -> Begun:
        rows = await self.store.list_runs(RunFilter(statuses=("Failed",)))
        return await self.retries.retry_many(rows, ORDER)

    async def claimed(self) -> list[str]:
        """Claim one run after the other; their order."""
        ids: list[str] = []
        while found := await self.store.claim("r1", [self.workflow], 1, NOW, 0):
            ids += [run.id for run in found]
        return ids

    def rounds(self) -> dict[str, int]:
        return {run.id: run.round for run in self.store.runs.values()}

    def _act(self, order: Order) -> Act:
        act_id = order.act_id or f"x{len(self.acts)}"
        made = act(act_id, now=NOW + len(self.acts))
        self.acts.append(made._replace(asked_by=order.asked_by))
        return self.acts[-1]

    def _runs_came(self) -> None:
        self.came += 1

    async def _cancel_children(self, run_ids: Collection[str]) -> None:
        """Cancel those of ``left`` whose parents are among these."""
        left = [each for each in self.left if self.store.runs[each].parent_id in run_ids]
        await self.store.cancel(left, act("left"), NOW, children=False)


@pytest.fixture
async def desk() -> Desk:
    desk = Desk()
    await desk.store.register(runner("r1"))
    return desk


async def test_many_runs_are_read_together_and_begun_in_one_transaction(desk: Desk) -> None:
    names = [f"{number:03}" for number in range(120)]
    await desk.failed(*names)

    begun = await desk.many()

    assert begun == Begun(frozenset(names), {})
    assert list(map(len, desk.store.read)) == [100, 20]
    assert desk.store.written == [names[::-1]]
    assert (len(desk.acts), desk.came) == (1, 1)
    assert {(row.task_id, row.first_attempt) for row in await desk.store.restarts(names)} == {
        ("ship", 2)
    }
    assert len(await desk.store.restarts(names)) == len(names)


@pytest.mark.parametrize(
    ("runs", "tasks", "expected"),
    [
        (2, 100, [["e", "d"], ["c", "b"], ["a"]]),
        (100, 3, [["e", "d", "c"], ["b", "a"]]),
        # a run that has more by itself
        (100, 0, [["e"], ["d"], ["c"], ["b"], ["a"]]),
    ],
)
async def test_a_transaction_begins_so_many_runs_and_tasks_at_most(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, runs: int, tasks: int, expected: list[list[str]]
) -> None:
    monkeypatch.setattr(module, "RUNS_AT_ONCE", runs)
    monkeypatch.setattr(module, "TASKS_AT_ONCE", tasks)
    await desk.failed(*"abcde")

    assert (await desk.many()).changed == frozenset("abcde")
    assert desk.store.written == expected


async def test_a_run_that_is_refused_stops_no_other(desk: Desk) -> None:
    await desk.failed(*"ac")
    await desk.insert(new_run("b")._replace(workflow="unknown"))
    await record(desk.store, ends=[run_end("b", status="Failed")])

    begun = await desk.many()

    assert begun.changed == frozenset("ac")
    assert list(begun.refused) == ["b"]
    assert isinstance(begun.refused["b"], WorkflowNotFoundError)
    assert desk.rounds() == {"a": 2, "b": 1, "c": 2}


async def test_a_run_that_another_caller_has_begun_meanwhile_is_not_counted(desk: Desk) -> None:
    await desk.failed(*"ab")
    rows = await desk.store.list_runs(RunFilter(statuses=("Failed",)))
    await desk.retries.retry("a", None, ORDER, children=True)

    assert await desk.retries.retry_many(rows, ORDER) == Begun(frozenset("b"), {})
    assert desk.rounds() == {"a": 2, "b": 2}


async def test_a_run_that_is_gone_meanwhile_is_refused(desk: Desk) -> None:
    await desk.failed(*"ab")
    desk.store.vanishes = "a"

    begun = await desk.many()

    assert begun.changed == frozenset("b")
    assert isinstance(begun.refused["a"], RunNotFoundError)


async def test_children_begin_before_their_parents_each_level_together(desk: Desk) -> None:
    await desk.failed("a", "b")
    await desk.failed("c", parent="a")
    await desk.failed("d", parent="b")
    await desk.failed("e", parent="d")
    rows = [run for run in await desk.store.list_runs(RunFilter()) if run.id in "ab"]

    assert (await desk.retries.retry_many(rows, ORDER)).changed == frozenset("abcde")

    assert desk.store.with_children
    assert list(map(sorted, desk.store.written)) == [["e"], ["c", "d"], ["a", "b"]]
    assert desk.store.read == [["a", "b"], ["c", "d"], ["e"]]
    assert await desk.claimed() == list("ecdab")


async def test_of_the_children_of_one_call_the_latest_is_begun(desk: Desk) -> None:
    """Not one of a task that keeps its result, nor one with a key of the user's own."""
    await desk.failed("a")
    for name, key in (("b", "ship 1"), ("c", "ship 1 2"), ("d", "ship 2"), ("e", "load 1")):
        await desk.failed(name, parent="a", key=key)
    await desk.insert(desk.run("f")._replace(parent_id="a", idempotency_key="own"))
    await desk.end("f")

    await desk.retries.retry("a", None, ORDER, children=True)
    assert desk.rounds() == {"a": 2, "b": 1, "c": 2, "d": 2, "e": 1, "f": 1}


async def test_children_for_which_a_body_waited_are_found_by_number_and_input_or_by_its_key(
    desk: Desk,
) -> None:
    await desk.failed("a")
    keys = ["1-0123456789abcdef", "1-fedcba9876543210", "k=north", "k=north 2", "k=2", "then 1"]
    for name, key in zip("bcdefg", keys, strict=True):
        await desk.failed(name, parent="a", key=f"ship {key}")

    await desk.retries.retry("a", None, ORDER, children=True)

    assert desk.rounds() == {"a": 2, "b": 2, "c": 2, "d": 1, "e": 2, "f": 2, "g": 1}


async def test_the_children_of_nodes_are_begun_by_these_and_those_of_bodies_below_others_too(
    desk: Desk,
) -> None:
    await desk.failed("a")
    keys = {"b": "ship i-1.0@1", "c": "ship i3.0@1", "d": "bill 1", "e": "ship 1"}
    for name, key in keys.items():
        await desk.failed(name, parent="a", key=key)

    await desk.retries.retry("a", None, ORDER, children=True)

    assert desk.rounds() == {"a": 2, "b": 1, "c": 1, "d": 1, "e": 2}
    assert [(each.task_id, each.with_children) for each in await desk.store.restarts(["a"])] == [
        ("ship", 1)
    ]


async def test_a_child_is_begun_by_its_task_once_in_a_round_of_the_parent(desk: Desk) -> None:
    """An owner that takes the parent over does not know that the last one has begun it."""
    await desk.insert(desk.run("a"))
    await desk.failed("b", parent="a", key="ship i-1.0@1")
    children, store = ChildRetries(desk.store, desk.retries), desk.store

    assert await children.begin(store.runs["a"], [store.runs["b"]]) == {}
    assert desk.rounds() == {"a": 1, "b": 2}
    store.runs["b"] = store.runs["b"]._replace(status="Failed", ended_at=NOW)
    await desk.failed("c", parent="b")  # a run of that round

    assert await children.begin(store.runs["a"], [store.runs["b"]]) == {}
    assert desk.rounds() == {"a": 1, "b": 2, "c": 1}
    assert await children.begin(store.runs["a"]._replace(round=2), [store.runs["b"]]) == {}
    assert desk.rounds() == {"a": 1, "b": 3, "c": 2}


async def test_children_may_be_left_alone(desk: Desk) -> None:
    await desk.failed("a")
    await desk.failed("b", parent="a")

    await desk.retries.retry("a", None, ORDER, children=False)
    assert desk.rounds() == {"a": 2, "b": 1}
    assert not desk.store.with_children


async def test_a_child_that_was_selected_beside_its_parent_is_begun_with_it(desk: Desk) -> None:
    await desk.failed("a")
    await desk.failed("b", parent="a")

    assert await desk.many() == Begun(frozenset("ab"), {})
    assert desk.store.written == [["b", "a"]]
    assert desk.store.read == [["a", "b"]]


async def test_with_a_child_that_is_refused_its_parents_and_their_other_children_are(
    desk: Desk,
) -> None:
    await desk.failed("a", "z")
    await desk.failed("b", parent="a")
    await desk.failed("c", parent="a", key="ship 2")
    await desk.insert(desk.run("d", parent="b")._replace(workflow="unknown"))
    await record(desk.store, ends=[run_end("d", status="Failed")])
    rows = [run for run in await desk.store.list_runs(RunFilter()) if run.id in "az"]

    begun = await desk.retries.retry_many(rows, ORDER)

    assert begun.changed == frozenset("z")
    assert desk.rounds() == {"a": 1, "b": 1, "c": 1, "d": 1, "z": 2}
    with pytest.raises(WorkflowNotFoundError, match="run d cannot be planned"):
        await desk.retries.retry("a", None, ORDER, children=True)


async def test_an_unknown_task_is_refused_before_anything_is_written(desk: Desk) -> None:
    await desk.failed("a")
    await desk.failed("b", parent="a")

    with pytest.raises(TaskNotFoundError, match="no task 'fly'; it has load, ship, bill"):
        await desk.retries.retry("a", ["ship", "fly"], ORDER, children=True)
    assert (desk.store.written, desk.acts) == ([], [])


async def test_children_that_the_round_has_left_are_cancelled_and_then_begun_with_it(
    desk: Desk,
) -> None:
    await desk.failed("a")
    left = [desk.run("b", parent="a"), desk.run("c", parent="b", key="load 1")]
    await desk.insert(*[each._replace(owner=None) for each in left])
    desk.left = ["b", "c"]

    await desk.retries.retry("a", None, ORDER, children=True)
    assert desk.rounds() == {"a": 2, "b": 2, "c": 2}


@pytest.mark.parametrize("children", [True, False])
async def test_a_run_is_refused_while_a_child_that_a_body_would_find_is_being_cancelled(
    desk: Desk, children: bool
) -> None:
    await desk.failed("a", "x")
    await desk.failed("b", parent="a", key="ship 2")
    await desk.insert(desk.run("c", parent="a"), desk.run("d", parent="b"))
    await desk.store.cancel(["c", "d"], act("stop"), NOW, children=True)

    with pytest.raises(RunStateError, match="run c of orders, which a body of run a") as refused:
        await desk.retries.retry("a", None, ORDER, children=children)
    assert str(refused.value).endswith("is still Cancelling: retry when it has ended")
    assert (refused.value.run_id, refused.value.status) == ("c", "Cancelling")
    assert refused.value.accepted == ("Completed", "Failed", "Cancelled")
    assert (desk.store.written, desk.acts) == ([], [])

    begun = await desk.many()
    assert (sorted(begun.changed), sorted(begun.refused)) == (["x"], ["a", "b", "c", "d"])


async def test_one_of_a_task_that_does_not_run_again_is_not_waited_for(desk: Desk) -> None:
    await desk.failed("a")
    await desk.insert(desk.run("c", parent="a", key="load 1"))
    await desk.store.cancel(["c"], act("stop"), NOW, children=True)

    await desk.retries.retry("a", None, ORDER, children=True)
    assert desk.rounds() == {"a": 2, "c": 1}


async def test_a_submission_that_would_retry_a_run_learns_of_a_child_that_still_ends(
    desk: Desk,
) -> None:
    await desk.failed("a")
    await desk.insert(desk.run("c", parent="a"))
    await desk.store.cancel(["c"], act("stop"), NOW, children=True)

    with pytest.raises(RunStateError, match="retry when it has ended"):
        await desk.retries.retry_if_failed("a", ORDER, None)
    await record(desk.store, ends=[run_end("c", status="Cancelled")])
    await desk.retries.retry_if_failed("a", ORDER, None)
    await desk.retries.retry_if_failed("a", ORDER, None)
    assert desk.rounds() == {"a": 2, "c": 2}


async def test_a_time_limit_is_the_run_s_and_not_its_children_s(desk: Desk) -> None:
    await desk.failed("a")
    await desk.failed("b", parent="a")

    await desk.retries.retry("a", None, ORDER, children=True, time_limit=9)
    assert desk.rounds() == {"a": 2, "b": 2}
    assert [desk.store.runs[name].time_limit for name in "ab"] == [9, None]


async def test_earlier_restarts_are_read_of_runs_in_a_later_round(desk: Desk) -> None:
    """The success of ship in the first round is history: it was begun again and did not end."""
    await desk.failed("a")
    await desk.retries.retry("a", ["load"], ORDER, children=True)
    assert await desk.claimed() == ["a"]
    epoch = desk.store.runs["a"].epoch
    await record(desk.store, ends=[run_end("a", epoch=epoch, status="Failed")])

    plan = await desk.retries.plan("a", None)

    assert [(choice.task, choice.reason) for choice in plan.run] == [
        ("load", "never started"),
        ("ship", "never started"),
        ("bill", "never started"),
    ]


# -- what an ended round has left ---------------------------------------------------------------


async def cancelled_parent(w: World) -> tuple[Program, str]:
    """A run that was cancelled this moment, before it began, and has a child and a grandchild of a
    workflow that no program has.
    """
    w.define(_nothing)
    program = await w.start()
    await program.engine.steering.pause_workflow(FLOW, Order("pause", "ann", None), None)
    run_id = await program.submit()
    await submit(
        w.store,
        new_run("child", owner=None, parent=run_id, workflow=ELSEWHERE),
        new_run("grandchild", owner=None, parent="child", workflow=ELSEWHERE),
    )
    await program.engine.steering.cancel([run_id], CANCEL, 0, children=True)
    assert w.run("child").status == "Pending"
    return program, run_id


def _nothing(_: Context) -> None:
    pass


async def test_children_of_the_ended_round_are_cancelled_before_the_next_one_begins() -> None:
    async with world() as w:
        program, run_id = await cancelled_parent(w)

        await program.engine.steering.retries.retry(run_id, None, ORDER, children=False)
        assert (w.run(run_id).round, w.run("child").status) == (2, "Cancelled")
        await program.engine.steering.resume_workflow(FLOW, Order("resume", "ann", None))
        await program.wait(run_id)

        assert w.run("grandchild").status == "Cancelled"
        assert w.run(run_id).status == "Completed"


async def test_a_child_that_comes_at_the_last_moment_is_cancelled_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with world() as w:
        program, run_id = await cancelled_parent(w)
        store, retry = program.store, program.store.retry
        late = [new_run(name, owner=None, parent=run_id, workflow=ELSEWHERE) for name in "xy"]

        async def retried(*arguments: Any, **options: Any) -> dict[str, Acted]:
            if late:  # a body of the ended round was given up and goes on
                store.marks[run_id].children_at = w.run(run_id).ended_at
                await w.store.insert_when_free(late.pop())
            return await retry(*arguments, **options)

        monkeypatch.setattr(store, "retry", retried)
        await program.engine.steering.retries.retry(run_id, None, ORDER, children=False)

        assert [w.run(name).status for name in "xy"] == ["Cancelled"] * 2
        assert [(row.kind, row.changed) for row in await store.acts(run_id, 9)] == [
            ("retry", 1),
            ("retry", 0),
            ("retry", 0),
            ("cancel", 1),
        ]


async def test_a_retry_that_another_caller_has_made_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with world() as w:
        program, run_id = await cancelled_parent(w)
        retries = program.engine.steering.retries
        store, retry = program.store, program.store.retry

        async def beaten(*arguments: Any, **options: Any) -> dict[str, Acted]:
            monkeypatch.undo()
            await retries.retry(run_id, None, ORDER, children=False)
            return await retry(*arguments, **options)

        monkeypatch.setattr(store, "retry", beaten)

        assert await retries.retry(run_id, None, ORDER, children=False) == run_id
        assert w.run(run_id).round == 2


async def test_the_next_round_has_the_version_by_which_it_was_planned(desk: Desk) -> None:
    await desk.failed("r")
    before = desk.store.runs["r"].version

    await desk.retries.retry("r", None, ORDER, children=True)

    assert before != desk.store.runs["r"].version == desk.version
    assert await desk.store.get_definition(desk.workflow, desk.version) is not None
