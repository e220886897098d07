"""Child runs in virtual time: at the instant of an end, the other side goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from model.quiet import quiet
from model.virtual_engine import Program, World, world
from model.virtual_time import the_loop
from tables import each_row

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.context import Context
from cloaca_core.definition.handles.async_handle import AsyncTaskHandle
from cloaca_core.definition.nodes.child import child, loop
from cloaca_core.definition.nodes.sleep import sleep
from cloaca_core.definition.nodes.wait_for import wait_for
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task
from cloaca_core.definition.written_rules import context_value
from cloaca_core.engine.order import Order
from cloaca_core.errors import RunFailedError, StoreUnavailableError
from cloaca_core.features.child_runs import made_children
from cloaca_core.features.child_runs.records import NODE_CHILDREN, OPENED_NODES
from cloaca_core.features.steering.records import ChildRow
from cloaca_core.store.batch import Batch, Committed
from cloaca_core.store.messages import NewMessage
from cloaca_core.store.runs import OnCommit
from cloaca_core.values.waits import EVENT
from cloaca_testing.conformance.rows import act, new_run

pytestmark = pytest.mark.virtual_time

HOUR = 3600
RETRY: dict[str, Any] = {"retry_attempts": 2, "retry_delay_ms": 1000, "retry_jitter": False}
RETRIED = Order("retry", "ann", None)
EVICTED_AFTER = 10
"""Seconds, of ``evict_after_seconds``."""


class Held:
    """Commits of a program that park a run, or that tell of the end of a child, wait for a word."""

    def __init__(self, program: Program, *, parks: bool) -> None:
        self.is_held = False
        self.released = asyncio.Event()
        self._commit = program.store.commit
        self._parks = parks

    async def __call__(self, batch: Batch, on_commit: OnCommit | None = None) -> Committed:
        if batch.parks if self._parks else batch.ends:
            self.is_held = True
            await self.released.wait()
        return await self._commit(batch, on_commit)


def ends(registry: Registry, seconds: float, name: str = "below") -> None:
    """A workflow whose runs end after so long."""
    with WorkflowBuilder(name, registry=registry):

        async def nap(_: Context) -> dict[str, Any]:
            await asyncio.sleep(seconds)
            return {"from": "below"}

        task(id="nap")(nap)


def node(w: World) -> None:
    with WorkflowBuilder("flow", registry=w.registry):
        child("c", "below")


def body(w: World) -> None:
    async def flow(_: Context, handle: AsyncTaskHandle) -> dict[str, Any]:
        return {"c": dict(await handle.run_workflow("below"))}

    w.define(flow)


@each_row("parent", [node, body])
async def test_a_parent_in_memory_goes_on_at_the_instant_of_the_end(parent: Any) -> None:
    async with world() as w:
        parent(w)
        ends(w.registry, 5)
        program = await w.start()
        begun = the_loop().time()

        ended = await program.execute()

        assert ended.row.final_context == '{"c":{"from":"below"}}'
        assert the_loop().time() - begun == pytest.approx(5, abs=0.5)


async def test_a_child_that_begins_beside_its_parent_costs_no_claim_and_no_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with world() as w:
        node(w)
        ends(w.registry, 5)
        program = await w.start()
        asked: list[str] = []
        for name in ("claim", "number_messages", "messages", "get_run"):
            monkeypatch.setattr(program.store, name, noted(getattr(program.store, name), asked))

        ended = await program.execute()

        (below,) = [run for run in w.runs() if run.parent_id == ended.row.id]
        assert (ended.row.status, below.epoch, asked) == ("Completed", 1, [])


async def test_a_run_of_high_priority_begins_before_the_children_of_runs_that_are_under_way() -> (
    None
):
    """Each child frees its place at another instant, and a next one would have it at once."""
    async with world() as w:
        most, length, first = 8, 6, 5.0
        naps = count()
        begun: list[float] = []

        async def nap(_: Context) -> None:
            await asyncio.sleep(first + (next(naps) % most) * 0.25)

        async def note(_: Context) -> None:
            begun.append(the_loop().time() - started)

        with WorkflowBuilder("below", registry=w.registry):
            task(id="nap")(nap)
        with WorkflowBuilder("urgent", registry=w.registry):
            task(id="note")(note)
        with WorkflowBuilder("chain", registry=w.registry):
            for n in range(length):
                child(f"c{n}", "below", dependencies=[f"c{n - 1}"] if n else [])
        program = await w.start(max_active_runs=most)
        started = the_loop().time()
        for _ in range(most):
            await program.submit("chain")
        await asyncio.sleep(first - 1)

        request = program.request("urgent")
        urgent = replace(request, start=replace(request.start, priority=100))
        (run_id,) = await program.engine.submit(urgent)
        await program.wait(run_id)

        assert begun[0] < 2 * first


async def test_the_children_of_one_run_spread_over_programs() -> None:
    """The parent stays in memory all the time."""
    async with world() as w:
        slots, children = 2, 24
        ends(w.registry, 5)
        with WorkflowBuilder("flow", registry=w.registry):
            for n in range(children):
                child(f"c{n}", "below")
        beside: dict[str, Any] = {
            "max_concurrent_async_tasks": slots,
            "evict_after_seconds": HOUR,
        }
        program = await w.start(max_concurrent_tasks=slots, lease_seconds=15, **beside)
        await w.start(max_concurrent_tasks=slots, lease_seconds=15, **beside)
        begun = the_loop().time()

        await program.execute()

        assert the_loop().time() - begun == pytest.approx(5 * children / slots / 2, abs=1)


async def test_a_child_that_was_claimed_while_its_insert_had_no_answer_begins_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its workflow was paused as it was inserted, so it had no owner then."""
    async with world() as w:
        begun: list[str] = []
        node(w)

        async def nap(_: Context) -> None:
            begun.append("nap")
            await asyncio.sleep(5)

        with WorkflowBuilder("below", registry=w.registry) as builder:
            task(id="nap")(nap)
        below = builder.workflow.namespace
        program = await w.start()
        steering, commit = program.engine.steering, program.store.commit
        await steering.pause_workflow(below, Order("pause", "ann", "a look"), None)

        async def lose_answer(batch: Batch, on_commit: OnCommit | None = None) -> Committed:
            committed = await commit(batch)
            if batch.of(NODE_CHILDREN):
                monkeypatch.setattr(program.store, "commit", commit)
                await asyncio.sleep(1)
                await steering.resume_workflow(below, Order("resume", "ann", None))
                await asyncio.sleep(1)
                raise StoreUnavailableError("the answer was lost")
            return committed

        monkeypatch.setattr(program.store, "commit", lose_answer)
        ended = await program.execute()

        assert (ended.row.status, begun) == ("Completed", ["nap"])


def noted(ask: Callable[..., Awaitable[Any]], asked: list[str]) -> Callable[..., Awaitable[Any]]:
    """An operation of the store, noted as it is asked for."""

    async def noting(*arguments: Any) -> Any:
        asked.append(ask.__name__)
        return await ask(*arguments)

    return noting


@pytest.mark.parametrize("parent", [node, body])
async def test_a_child_that_ends_elsewhere_while_its_parent_is_being_parked_is_heard(
    parent: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the other program has its workflow."""
    async with world() as w:
        parent(w)
        elsewhere = Registry()
        ends(elsewhere, EVICTED_AFTER + 5)
        await w.start(registry=elsewhere)
        program = await w.start()
        held = Held(program, parks=True)
        monkeypatch.setattr(program.store, "commit", held)
        run_id = await program.submit()

        await asyncio.sleep(EVICTED_AFTER + 6)
        (below,) = [run for run in w.runs() if run.parent_id == run_id]
        assert (held.is_held, below.status) == (True, "Completed")
        held.released.set()
        await quiet()

        assert w.run(run_id).status == "Completed"


@pytest.mark.parametrize("parent", [node, body])
async def test_a_parent_that_is_parked_right_after_the_end_of_its_child_hears_of_it(
    parent: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its park is in the journal behind the child's end, of which the parent has not heard yet."""
    async with world() as w:
        parent(w)
        ends(w.registry, EVICTED_AFTER - 1)
        program = await w.start()
        held = Held(program, parks=False)
        monkeypatch.setattr(program.store, "commit", held)
        run_id = await program.submit()

        await asyncio.sleep(EVICTED_AFTER + 1)
        assert held.is_held
        held.released.set()
        await quiet()

        assert w.run(run_id).status == "Completed"


async def test_a_body_asks_for_a_child_that_has_ended_while_it_waited_for_another() -> None:
    """No wait is open for the first end as it comes: it is numbered, and read later."""
    async with world() as w:
        ends(w.registry, 5)
        ends(w.registry, 8, "later")

        async def flow(_: Context, handle: AsyncTaskHandle) -> dict[str, Any]:
            below = await handle.start_workflow("below")
            await handle.run_workflow("later")
            return {"c": dict(await below.result())}

        w.define(flow)
        program = await w.start()
        begun = the_loop().time()

        ended = await program.execute()

        assert ended.row.final_context == '{"c":{"from":"below"}}'
        assert the_loop().time() - begun == pytest.approx(8, abs=0.5)


async def test_a_body_that_runs_again_reads_its_children_once_and_commits_nothing_for_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first has ended and the others have not as it asks for them, one of them by a key."""
    async with world() as w:
        ends(w.registry, HOUR)
        ends(w.registry, 2 * HOUR, "later")
        again: list[str] = []
        asked: list[str] = []

        async def flow(_: Context, handle: AsyncTaskHandle) -> dict[str, Any]:
            first = await handle.start_workflow("below")
            others = [
                await handle.start_workflow("later", {"n": n}, key=key)
                for n, key in enumerate([None, None, "mine"])
            ]
            again.append(first.run_id)
            return {"n": len([await each.result() for each in [first, *others]])}

        w.define(flow)
        program = await w.start()
        run_id = await program.submit()
        await asyncio.sleep(HOUR / 2)
        commit = program.store.commit

        async def note_new(batch: Batch, on_commit: OnCommit | None = None) -> Committed:
            asked.extend(["new run" for _ in batch.new_runs])
            return await commit(batch, on_commit)

        monkeypatch.setattr(program.store, "commit", note_new)
        for name in ("children", "get_run"):
            monkeypatch.setattr(program.store, name, noted(getattr(program.store, name), asked))
        await asyncio.sleep(HOUR)
        assert asked == ["children", "get_run"]

        ended = await program.wait(run_id)
        assert (ended.row.final_context, len(w.runs())) == ('{"n":4}', 5)
        assert len(set(again)) == 1
        assert len(again) > 2


async def test_a_parent_that_fails_cancels_the_one_run_that_there_is_beside_it() -> None:
    async with world() as w:
        with WorkflowBuilder("below", registry=w.registry):
            sleep("nap", seconds=HOUR)

        async def flow(_: Context, handle: AsyncTaskHandle) -> None:
            await handle.start_workflow("below")
            await asyncio.sleep(60)
            raise ValueError("no more")

        w.define(flow, retry_attempts=1)
        program = await w.start()
        begun = the_loop().time()

        ended = await program.execute()
        await quiet()

        (below,) = [run for run in w.runs() if run.parent_id == ended.row.id]
        assert (ended.row.status, below.status) == ("Failed", "Cancelled")
        assert the_loop().time() - begun == pytest.approx(60, abs=1)


# -- what an attempt gets ------------------------------------------------------------------------


async def test_a_time_out_counts_for_its_own_attempt() -> None:
    async with world() as w:
        ends(w.registry, 7)

        async def flow(_: Context, handle: AsyncTaskHandle) -> dict[str, Any]:
            below = await handle.start_workflow("below")
            return {"c": dict(await below.result(timeout=5))}

        w.define(flow, **RETRY)
        program = await w.start()

        ended = await program.execute()

        assert ended.row.final_context == '{"c":{"from":"below"}}'
        assert [each.error_type for each in w.attempts(ended.row.id)] == [
            "PipelineTimeoutError",
            None,
        ]
        assert len(w.runs()) == 2


async def test_a_body_that_runs_again_hears_of_the_round_for_which_it_waits() -> None:
    """Its process has died, and a person has begun the next round meanwhile."""
    async with world() as w:
        elsewhere = Registry()
        begun: list[float] = []

        async def fails_once(_: Context) -> None:
            begun.append(the_loop().time())
            await asyncio.sleep(60 if len(begun) == 1 else HOUR)
            if len(begun) == 1:
                raise ValueError("no")

        with WorkflowBuilder("below", registry=elsewhere):
            task(id="t", retry_attempts=1)(fails_once)

        async def flow(_: Context, handle: AsyncTaskHandle) -> dict[str, Any]:
            try:
                await handle.run_workflow("below")
            except RunFailedError:
                return {"c": "failed"}
            return {"c": "completed"}

        w.define(flow)
        other = await w.start(registry=elsewhere)
        dying = await w.start(evict_after_seconds=HOUR, lease_seconds=30)
        run_id = await dying.submit()
        await quiet()
        assert len(w.store.open_waits) == 1
        dying.store.answers.clear()
        await asyncio.sleep(61)
        (below,) = [run for run in w.runs() if run.parent_id == run_id]
        assert below.status == "Failed"
        retries = other.engine.steering.retries
        await retries.retry(below.id, None, RETRIED, children=True)
        await quiet()
        assert len(begun) == 2

        ended = await (await w.start(evict_after_seconds=2 * HOUR)).wait(run_id)

        assert ended.row.final_context == '{"c":"failed"}'


# -- nodes ---------------------------------------------------------------------------------------


async def test_nodes_that_begin_together_share_one_read_of_earlier_children(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with world() as w:
        ends(w.registry, 5)
        with WorkflowBuilder("fan", registry=w.registry):
            for name in "abc":
                child(name, "below")
        with WorkflowBuilder("flow", registry=w.registry):
            child("top", "fan")
        program = await w.start()
        children, asked = program.store.children, list[list[str]]()

        async def counted(parent_ids: Collection[str]) -> list[ChildRow]:
            asked.append(list(parent_ids))
            return await children(parent_ids)

        monkeypatch.setattr(program.store, "children", counted)
        ended = await program.execute()

        (fan,) = [run.id for run in w.runs() if run.parent_id == ended.row.id]
        assert ended.row.status == "Completed"
        assert asked == [[fan]]


def fan(w: World) -> None:
    """The workflow ``flow`` has a child whose node looks for earlier children of its run."""
    ends(w.registry, 5)
    with WorkflowBuilder("fan", registry=w.registry):
        child("c", "below")
    with WorkflowBuilder("flow", registry=w.registry):
        child("top", "fan")


async def test_a_run_whose_children_cannot_be_read_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    async with world() as w:
        fan(w)
        program = await w.start()

        async def broken(_: Collection[str]) -> list[ChildRow]:
            raise RuntimeError("a fault of the engine")

        monkeypatch.setattr(program.store, "children", broken)
        run_id = await program.submit()
        await quiet()

        (below,) = [run for run in w.runs() if run.parent_id == run_id]
        assert (w.run(run_id).status, below.status) == ("Failed", "Failed")
        assert "a fault of the engine" in str(below.error_message)


async def test_a_run_that_is_over_does_not_read_its_children(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with world() as w:
        fan(w)
        program = await w.start()
        reads: list[str] = []

        async def never(_: Collection[str]) -> list[ChildRow]:
            reads.append("begun")
            try:
                await asyncio.sleep(HOUR)
            finally:
                reads.append("ended")
            return []

        monkeypatch.setattr(program.store, "children", never)
        run_id = await program.submit()
        await quiet()
        (below,) = [run for run in w.runs() if run.parent_id == run_id]
        run = program.engine.runs.get(below.id)
        assert run is not None
        program.engine._parts.orchestration.orchestrator.control.drop(run)
        await quiet()

        assert reads == ["begun", "ended"]


async def test_a_loop_whose_workflow_is_no_longer_to_be_told_fails_as_it_goes_on() -> None:
    """The one whose condition is satisfied does not look for it any more."""
    async with world() as w:
        ends(w.registry, 5)
        with WorkflowBuilder("flow", registry=w.registry):
            for name, value in (("goes on", "above"), ("ends", "below")):
                loop(name, "below", until=context_value("from", "==", value), max_iterations=3)
        program = await w.start()
        run_id = await program.submit()
        await quiet()
        with WorkflowBuilder("below", package="other", registry=w.registry):
            sleep("nap", seconds=1)

        ended = await program.wait(run_id)

        found = {each.task_id: (each.status, each.error_type) for each in w.attempts(run_id)}
        assert ended.row.status == "Failed"
        assert found == {
            "goes on": ("Failed", "AmbiguousWorkflowError"),
            "ends": ("Completed", None),
        }


# -- maps ----------------------------------------------------------------------------------------


async def test_a_map_of_children_begins_as_many_as_it_may_at_once() -> None:
    """There are more of them than slots for bodies of their parent."""
    async with world() as w:
        ends(w.registry, 5)
        with WorkflowBuilder("flow", registry=w.registry):
            child("c", "below", map=list(range(20)), outputs=[])
        program = await w.start(max_concurrent_tasks=1)
        begun = the_loop().time()

        ended = await program.execute()

        assert ended.row.status == "Completed"
        assert the_loop().time() - begun == pytest.approx(5, abs=0.5)


def fails_first(registry: Registry, failures: int = 1, seconds: float = 0) -> None:
    """The workflow ``below``, whose bodies fail so often, and complete after that."""
    failed: list[bool] = []

    async def body(_: Context) -> None:
        await asyncio.sleep(seconds)
        if len(failed) < failures:
            failed.append(True)
            raise ValueError("no")

    with WorkflowBuilder("below", registry=registry):
        task(id="t", retry_attempts=1)(body)


async def test_the_items_of_a_later_round_share_one_read_of_earlier_children(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was read is kept while their map is open, and no longer."""
    async with world() as w:
        fails_first(w.registry, failures=3)
        kept: list[int] = []
        with WorkflowBuilder("flow", registry=w.registry):
            child("c", "below", map=list(range(3)), max_parallel=1, outputs=[])

            @task(dependencies=["c"])
            async def after(_: Context) -> None:
                nodes: Any = program.engine._parts.bodies.waits.ends.child_nodes
                kept.append(len(nodes._known._of_maps))

        program = await w.start()
        run_id = (await program.execute()).row.id
        await program.engine.steering.retries.retry(run_id, ["c"], RETRIED, children=True)
        children, asked = program.store.children, list[list[str]]()

        async def counted(parent_ids: Collection[str]) -> list[ChildRow]:
            asked.append(list(parent_ids))
            return await children(parent_ids)

        monkeypatch.setattr(program.store, "children", counted)
        ended = await program.wait(run_id)

        assert ended.row.status == "Completed"
        assert asked.count([run_id]) == 1
        assert kept == [0]


async def test_a_node_that_was_held_as_it_looked_for_its_child_finds_it_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The run is paused meanwhile, and another body of it keeps it in memory."""
    async with world() as w:
        fails_first(w.registry, seconds=1)
        times: list[float] = []

        async def beside(_: Context) -> None:
            times.append(the_loop().time())
            await asyncio.sleep(60)
            if len(times) == 1:
                raise ValueError("no")

        with WorkflowBuilder("flow", registry=w.registry):
            child("c", "below")
            task(id="beside", retry_attempts=1)(beside)
        program = await w.start()
        run_id = (await program.execute()).row.id
        children, looking, found = program.store.children, asyncio.Event(), asyncio.Event()
        await program.engine.steering.retries.retry(run_id, None, RETRIED, children=True)

        async def slow(parent_ids: Collection[str]) -> list[ChildRow]:
            looking.set()
            await found.wait()
            return await children(parent_ids)

        monkeypatch.setattr(program.store, "children", slow)
        await looking.wait()
        steering = program.engine.steering
        await steering.pause([run_id], Order("pause", "ann", None), None, children=False)
        await quiet()
        found.set()
        await quiet()
        await steering.resume([run_id], Order("resume", "ann", None))
        ended = await program.wait(run_id)

        assert ended.row.status == "Completed"
        assert [each.attempt for each in w.attempts(run_id) if each.task_id == "c"] == [1, 2]
        assert len([run for run in w.runs() if run.parent_id == run_id]) == 1


class Before:
    """Before the commit in which a node opens with the end of the node before it, requests a stop
    of the run in the table, of which the program does not know then.
    """

    def __init__(self, program: Program, stop: Callable[[str], Awaitable[object]]) -> None:
        self._commit = program.store.commit
        self._stop = stop
        self.stopped: list[str] = []

    async def __call__(self, batch: Batch, on_commit: OnCommit | None = None) -> Committed:
        for opened in batch.of(OPENED_NODES):
            if opened.run_id not in self.stopped:
                self.stopped.append(opened.run_id)
                await self._stop(opened.run_id)
        return await self._commit(batch, on_commit)


def three_nodes(w: World) -> None:
    with WorkflowBuilder("flow", registry=w.registry):
        for n in range(3):
            child(f"c{n}", "below", dependencies=[f"c{n - 1}"] if n else [])
    ends(w.registry, 5)


async def begun_nodes(w: World, run_id: str) -> list[str]:
    """The nodes of a run whose children are in the table, as often as these are."""
    keys = [each.idempotency_key or "" for each in await w.store.children([run_id])]
    return sorted(key.split("::")[1] for key in keys)


async def test_a_paused_run_starts_no_child_with_the_end_of_the_node_before() -> None:
    async with world() as w:
        three_nodes(w)
        program = await w.start()
        paused = Before(
            program, lambda run_id: w.store.pause([run_id], act("p"), None, children=False)
        )
        program.store.commit = paused  # type: ignore[method-assign]
        run_id = await program.submit()
        await asyncio.sleep(HOUR)

        assert (paused.stopped, await begun_nodes(w, run_id)) == ([run_id], ["c0"])
        assert [row.task_id for row in w.attempts(run_id)] == ["c0"]
        assert w.run(run_id).status == "Paused"
        assert w.store.open_waits == {}
        await program.engine.steering.resume([run_id], Order("resume", "ann", None))

        assert (await program.wait(run_id)).row.status == "Completed"
        assert await begun_nodes(w, run_id) == ["c0", "c1", "c2"]


async def test_a_run_that_is_resumed_in_memory_starts_the_child_that_its_pause_has_kept_back() -> (
    None
):
    """A body of it runs on meanwhile, so its owner keeps it; the same if keys were replaced."""
    async with world() as w:
        with WorkflowBuilder("flow", registry=w.registry):
            child("c0", "below")
            child("c1", "below", dependencies=["c0"])

            async def long(_: Context) -> None:
                await asyncio.sleep(100)

            task(id="long")(long)
        ends(w.registry, 5)
        program = await w.start()

        async def replace_keys(run_id: str) -> None:
            await w.store.pause([run_id], act("p"), None, children=False)
            await w.store.resume([run_id], act("r"), '{"key":"new"}')

        async def pause(run_id: str) -> None:
            await w.store.pause([run_id], act("p"), None, children=False)

        for stop, is_new in ((pause, False), (replace_keys, True)):
            program.store.commit = stopped = Before(program, stop)  # type: ignore[method-assign]
            run_id = await program.submit()
            await asyncio.sleep(20)
            if stop is pause:
                assert await begun_nodes(w, run_id) == ["c0"]
                await program.engine.steering.resume([run_id], Order("resume", "ann", None))
            await asyncio.sleep(20)

            assert (stopped.stopped, await begun_nodes(w, run_id)) == ([run_id], ["c0", "c1"])
            inputs = [run.input for run in w.runs() if run.parent_id == run_id]
            assert ["new" in each for each in inputs] == [False, is_new]
            assert ((await program.wait(run_id)).row.status, w.run(run_id).epoch) == (
                "Completed",
                1,
            )


async def test_a_run_that_is_being_cancelled_starts_no_child_with_the_end_of_the_node_before() -> (
    None
):
    async with world() as w:
        three_nodes(w)
        program = await w.start()
        deadline = w.clock.wall() + HOUR * 1_000_000
        cancelled = Before(
            program, lambda run_id: w.store.cancel([run_id], act("x"), deadline, children=True)
        )
        program.store.commit = cancelled  # type: ignore[method-assign]
        run_id = await program.submit()

        assert (await program.wait(run_id)).row.status == "Cancelled"
        assert await begun_nodes(w, run_id) == ["c0"]
        assert w.store.open_waits == {}


async def test_a_child_after_a_rest_of_its_parent_has_the_limit_that_the_rest_has_put_off() -> None:
    async with world() as w:
        with WorkflowBuilder("flow", registry=w.registry) as builder:
            builder.time_limit(timedelta(seconds=5))
            wait_for("news", event="e")
            child("c", "below", dependencies=["news"])
        ends(w.registry, 4)
        program = await w.start()
        run_id = await program.submit()
        await asyncio.sleep(6)
        await w.store.send(NewMessage("m", run_id, EVENT, "e", "{}", None, None, w.clock.wall()), 9)
        await program.engine.steering.loop.act_if_ours([run_id])

        assert (await program.wait(run_id)).row.status == "Completed"


async def test_a_run_that_waits_for_a_place_gets_that_of_a_child_that_was_not_to_begin() -> None:
    """A body of the parent runs on meanwhile, so nothing else frees a place."""
    async with world() as w:
        with WorkflowBuilder("flow", registry=w.registry):
            child("c0", "below")
            child("c1", "below", dependencies=["c0"])

            async def long(_: Context) -> None:
                await asyncio.sleep(HOUR)

            task(id="long")(long)
        ends(w.registry, 5)
        ends(w.registry, 5, "other")
        program = await w.start(max_active_runs=2)
        other = w.registry.find("other")
        waiting = new_run("o", owner=None, workflow=other.namespace)._replace(version=other.version)

        async def pause(run_id: str) -> None:
            await w.store.pause([run_id], act("p"), None, children=False)
            await w.store.commit(Batch("r", [waiting], [], [], {}))
            await quiet()

        program.store.commit = Before(program, pause)  # type: ignore[method-assign]
        await program.submit()
        await asyncio.sleep(20)

        assert w.run("o").status == "Completed"


async def test_the_end_of_a_task_is_recorded_although_the_node_after_it_breaks_down(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def breaks(*_: object) -> dict[str, Any]:
        raise ZeroDivisionError

    monkeypatch.setattr(made_children, "child_input", breaks)
    async with world() as w:
        with WorkflowBuilder("flow", registry=w.registry):
            task(id="t")(lambda _: None)
            child("c", "below", dependencies=["t"])
        ends(w.registry, 5)
        program = await w.start()

        ended = await program.execute()

        assert ended.row.status == "Failed"
        assert [(row.task_id, row.status) for row in w.attempts(ended.row.id)] == [
            ("t", "Completed")
        ]
