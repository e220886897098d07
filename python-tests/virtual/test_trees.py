"""Whole trees of runs over two programs: a map, a map of children, a loop, children of a body, and
a task in another queue.

A cancel comes right before the n-th commit, a loss right after it, for each n: each step of each
run ends with a commit. The storms of ``process/test_storms.py`` have the same trees on databases.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import pytest
from model.virtual_engine import Program, World, world

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.context import Context
from cloaca_core.definition.handles.async_handle import AsyncTaskHandle
from cloaca_core.definition.nodes.child import child, loop
from cloaca_core.definition.task import task
from cloaca_core.definition.written_rules import context_value
from cloaca_core.engine.order import Order
from cloaca_core.store.batch import Batch, Committed
from cloaca_core.store.runs import OnCommit
from cloaca_core.values.child_kinds import place_of
from cloaca_core.values.states import RunStatus, TaskStatus

pytestmark = pytest.mark.virtual_time

ITEMS = 3
UNITS = 3
TURNS = 2
NAP = 1.0
"""Seconds of a body, at least: each one takes a little longer than the one before."""
LEASE = 30.0
"""Seconds: longer than a tree takes."""
AFTER = 120.0
"""Seconds in which a tree ends, also if its runner is lost."""
CANCEL = Order("cancel", "ann", None)
RUNS = Counter({"tree": 1, "branch": UNITS, "leaf": UNITS + TURNS + 2})
"""How many runs of each workflow a tree has."""
NODES = 2 * UNITS + 3
"""How many nodes, items of nodes and maps succeed in a tree beside its bodies."""
FEWEST_COMMITS = 25
"""Of a tree: fewer show that the tests have lost their steps."""


class Begun(NamedTuple):
    """A body that has begun."""

    at: int
    run_id: str
    task: str
    item: int
    epoch: int


class Tree:
    """``begun`` has all bodies of the tree ``root`` that have begun."""

    def __init__(self, w: World) -> None:
        self.begun: list[Begun] = []
        self.root = ""
        self._w = w
        with WorkflowBuilder("leaf", registry=w.registry):
            task(id="l")(self._leaf)
        with WorkflowBuilder("branch", registry=w.registry):
            child("leaf", "leaf", context={})
        with WorkflowBuilder("tree", registry=w.registry):
            task(id="items", map=list(range(ITEMS)), max_parallel=2)(self._item)
            numbers: list[object] = list(range(UNITS))
            child("units", "branch", map=numbers, context={}, max_parallel=2)
            enough = context_value("seen", "==", TURNS)
            loop("turns", "leaf", until=enough, max_iterations=TURNS, context={})
            task(id="calls")(self._calls)
            needs = ["items", "units", "turns", "calls"]
            task(id="far", dependencies=needs, queue="gpu")(self._nap)

    async def submit(self, program: Program) -> None:
        self.root = await program.submit("tree")

    def names(self) -> Counter[str]:
        """How many runs there are of each workflow."""
        return Counter(run.workflow.rpartition("::")[2] for run in self._w.runs())

    async def _nap(self, _: Context, handle: AsyncTaskHandle, item: int = -1) -> None:
        begun = (self._w.clock.wall(), handle.run_id, handle.task_id, item, handle.epoch)
        self.begun.append(Begun(*begun))
        await asyncio.sleep(NAP + len(self.begun) / 100)

    async def _leaf(self, context: Context, handle: AsyncTaskHandle) -> None:
        await self._nap(context, handle)
        context["seen"] = context.get("seen", 0) + 1

    async def _item(self, context: Context, item: int, handle: AsyncTaskHandle) -> int:
        await self._nap(context, handle, item)
        return item

    async def _calls(self, context: Context, handle: AsyncTaskHandle) -> None:
        begun = await handle.start_workflow("leaf")
        await self._nap(context, handle)
        await handle.run_workflow("leaf", key="second")
        await begun.result()


async def two_programs(w: World, **settings: Any) -> tuple[Program, Program]:
    """The second one alone serves the queue of the last task."""
    return (
        await w.start(lease_seconds=LEASE, queues=["default"], **settings),
        await w.start(lease_seconds=LEASE, queues=["default", "gpu"], **settings),
    )


class Met:
    """Calls ``meet`` right ``before`` the n-th commit of all programs of a world, or right after it
    and before its answer.
    """

    def __init__(
        self, w: World, nth: int, meet: Callable[[Program], Awaitable[None]], *, before: bool
    ) -> None:
        self._before = before
        self.was_met = False
        self._left = nth
        self._meet = meet
        for program in w.programs:
            self._watch(program)

    def _watch(self, program: Program) -> None:
        commit = program.store.commit

        async def counted(batch: Batch, on_commit: OnCommit | None = None) -> Committed:
            self._left -= 1
            is_met = self._left == 0
            self.was_met |= is_met
            if is_met and self._before:
                await self._meet(program)
            committed = await commit(batch, on_commit)
            if is_met and not self._before:
                await self._meet(program)
            return committed

        program.store.commit = counted  # type: ignore[method-assign]


async def at_each_commit(act: Callable[[int], Awaitable[bool]]) -> None:
    """Act at the n-th commit of a tree, for each n, until there is none."""
    nth = 1
    while await act(nth):
        nth += 1
    assert nth > FEWEST_COMMITS


async def test_no_child_escapes_a_cancel_at_any_commit_of_its_tree() -> None:
    """The other program cancels as the owner has formed its batch. At that instant all runs that
    are under way are cancelled, and nothing begins later.
    """
    few = {"max_active_runs": 2, "evict_after_seconds": 0}

    async def act(nth: int) -> bool:
        async with world() as w:
            tree = Tree(w)
            programs = await two_programs(w, **few)
            at = 0

            async def cancel(program: Program) -> None:
                nonlocal at
                other = programs[program is programs[0]]
                (root,) = [run.id for run in w.runs() if run.parent_id is None]
                await other.engine.steering.cancel([root], CANCEL, AFTER, children=True)
                at = w.clock.wall()

            met = Met(w, nth + 1, cancel, before=True)  # the first one adds the tree
            await tree.submit(programs[0])
            await programs[0].wait(tree.root)
            await asyncio.sleep(AFTER)
            if not met.was_met:
                assert tree.names() == RUNS
                return False
            for run in w.runs():
                assert run.ended_at is not None
                if run.status is not RunStatus.CANCELLED:
                    assert (run.status, run.ended_at <= at) == (RunStatus.COMPLETED, True)
            assert [each for each in tree.begun if each.at > at] == []
            assert w.store.open_waits == {}
            return True

    await at_each_commit(act)


async def test_a_tree_whose_runner_is_lost_after_any_commit_is_whole_in_the_end() -> None:
    """Nothing that the program asks of the database is answered, until long after the other one has
    ended the tree. Each child is there once, each body has one recorded success, and none was begun
    twice under one epoch. The program that has lost the tree begins nothing after its next beat.
    """

    async def act(nth: int) -> bool:
        async with world() as w:
            tree = Tree(w)
            programs = await two_programs(w)

            async def lose(program: Program) -> None:
                program.store.answers.clear()
                await program.store.answers.wait()

            met = Met(w, nth, lose, before=False)
            submitting = asyncio.create_task(tree.submit(programs[0]))
            await asyncio.sleep(AFTER)
            answered_at = w.clock.wall()
            for program in programs:
                program.store.answers.set()
            await submitting
            await asyncio.sleep(AFTER)
            assert tree.names() == RUNS
            assert {run.status for run in w.runs()} == {RunStatus.COMPLETED}
            children = await w.store.children([run.id for run in w.runs()])
            keys = [(each.parent_id, each.idempotency_key) for each in children]
            places = {(parent_id, place_of(parent_id, key)) for parent_id, key in keys}
            assert len(places) == len(children) == len(w.runs()) - 1
            rows = w.store.attempts.values()
            done = [(*row[:2], row.item) for row in rows if row.status == TaskStatus.COMPLETED]
            assert len(set(done)) == len(done) == len({each[1:4] for each in tree.begun}) + NODES
            assert len({each[1:] for each in tree.begun}) == len(tree.begun)
            assert [each for each in tree.begun if each.at > answered_at] == []
            return met.was_met

    await at_each_commit(act)
