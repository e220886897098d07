"""How many runs are taken on, and when: on an engine over the model store."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any

import pytest
from model.hand_clock import HandClock, LoopClock
from model.memory_store import MemoryStore
from model.quiet import quiet
from model.virtual_engine import VirtualExecutor
from model.virtual_time import the_loop
from tables import each_row

import cloaca_core.definition.task
from cloaca_core.assembly.engine import Engine
from cloaca_core.config import DefaultRunnerConfig
from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.registry import Registry
from cloaca_core.engine.claim.claimer import STILL_COMING
from cloaca_core.engine.orchestrate.adoption import Adoption
from cloaca_core.engine.record import journal
from cloaca_core.engine.subjects import Subjects
from cloaca_core.engine.submit.request import Request
from cloaca_core.errors import StoreFullError, StoreUnavailableError
from cloaca_core.features.definitions.recorder import DefinitionRecorder
from cloaca_core.features.steering.records import Reopening
from cloaca_core.run.rows import NewRun, RunRow
from cloaca_core.store.batch import NO_ROWS, Batch, Committed, Rows
from cloaca_core.store.runner_rows import RunnerName, RunnerRow
from cloaca_core.store.runs import OnCommit
from cloaca_core.values.states import TaskStatus
from cloaca_testing.conformance.commits import record, submit
from cloaca_testing.conformance.rows import LATER, act, attempt, new_run, runner

pytestmark = pytest.mark.virtual_time


class Store(MemoryStore):
    """The model, which says when a claim found something, can be busy or full, writes and registers
    when it may, loses the answer to a claim, lets claims pass over what another runner is looking
    at, and has transactions of others that write the keys ``held`` until they are ``free``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.claimed = asyncio.Event()
        self.busy_beats = 0
        self.refused_beats = 0
        self.passed_over = 0
        self.claims = 0
        self.is_full = False
        self.loses_an_answer = False
        self.lost_one = asyncio.Event()
        self.registers = asyncio.Event()
        self.registers.set()
        self.writes = asyncio.Event()
        self.writes.set()
        self.asked = asyncio.Event()
        self.held: set[str | None] = set()
        self.free = asyncio.Event()

    async def commit(self, batch: Batch, on_commit: OnCommit | None = None) -> Committed:
        self.asked.set()
        await self.writes.wait()
        if self.is_full:
            raise StoreFullError("no space")
        held = {run.id for run in batch.new_runs if run.idempotency_key in self.held}
        rest = [run for run in batch.new_runs if run.id not in held]
        committed = await super().commit(batch._replace(new_runs=rest), on_commit)
        return committed._replace(held=frozenset(held))

    async def insert_when_free(self, run: NewRun, rows: Rows = NO_ROWS) -> str:
        await self.free.wait()
        return await super().insert_when_free(run, rows)

    async def beat(
        self,
        runner_id: str,
        lease_until: int,
        idle_since: int | None = None,
        sharing: str | None = None,
    ) -> bool:
        if self.busy_beats:
            self.busy_beats -= 1
            raise StoreUnavailableError("database is locked")
        beaten = await super().beat(runner_id, lease_until, idle_since, sharing)
        self.refused_beats += not beaten
        return beaten

    async def register(self, row: RunnerRow, name: RunnerName | None = None) -> None:
        await self.registers.wait()
        await super().register(row, name)

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
        if self.passed_over:
            self.passed_over -= 1
            return []
        rows = await super().claim(runner_id, workflows, limit, now, aged, queues)
        if rows:
            self.claimed.set()
        if self.loses_an_answer:
            self.loses_an_answer = False
            self.lost_one.set()
            raise StoreUnavailableError("the connection was lost")
        return rows


class Gate:
    """A workflow whose runs stay until they are let go."""

    def __init__(self, registry: Registry) -> None:
        self.open = asyncio.Event()
        self._loop = asyncio.get_running_loop()

        async def wait(context: object) -> None:
            future = asyncio.run_coroutine_threadsafe(self.open.wait(), self._loop)
            await asyncio.wrap_future(future)

        with WorkflowBuilder("gate", registry=registry):
            cloaca_core.definition.task.task(id="only")(wait)


@asynccontextmanager
async def engine_with(**settings: Any) -> AsyncIterator[tuple[Engine, Store, Registry, Gate]]:
    """An engine that has a gate to hold its places with."""
    store, registry = Store(), Registry()
    gate = Gate(registry)
    config = DefaultRunnerConfig(**{"shutdown_grace_seconds": 0, **settings})
    engine = Engine(store, config, registry, LoopClock(), VirtualExecutor)
    await engine.start()
    await engine.begin()
    yield engine, store, registry, gate
    gate.open.set()
    await engine.shutdown()


def request(registry: Registry, count: int = 1, **fields: Any) -> Request:
    workflow = registry.find("gate")
    return Request(workflow, ["{}"] * count, [{}] * count, "{}", **fields)


async def test_what_is_over_the_limit_waits_in_the_table() -> None:
    async with engine_with(max_active_runs=3) as (engine, store, registry, _):
        await engine.submit(request(registry, count=10))

        assert sum(run.owner is not None for run in store.runs.values()) == 3


async def test_one_free_place_is_enough_to_claim() -> None:
    """A claim prefers to fetch many, but does not wait for the runs here to end."""
    async with engine_with(max_active_runs=8) as (engine, store, registry, _):
        await engine.submit(request(registry, count=7))
        await store.register(runner("other"))
        await submit(store, new_run("waiting", owner=None, workflow="public::embedded::gate"))
        await engine.resume()

        async with asyncio.timeout(10):
            await store.claimed.wait()
        assert store.runs["waiting"].owner is not None


async def test_claimed_runs_begin_by_priority_in_any_order_of_their_rows() -> None:
    """The first one takes the only slot at once; those after it wait in the right order."""
    begun: list[str] = []
    async with engine_with(max_concurrent_tasks=1) as (engine, store, registry, _):
        with WorkflowBuilder("note", registry=registry):
            task = cloaca_core.definition.task.task(id="only")
            task(lambda context, handle: begun.append(handle.run_id))
        await engine.pause()
        await store.register(runner("other"))
        workflow = registry.find("note").namespace
        for name, priority in {"a": 0, "b": 9, "c": 3}.items():
            run = new_run(name, owner=None, workflow=workflow, priority=priority)
            await submit(store, run)
        await engine.resume()
        for name in "abc":
            await engine.wait(name, None)

    assert begun == ["b", "c", "a"]


async def test_an_error_among_claimed_runs_begins_none_twice_and_loses_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun: list[str] = []
    resume, calls = Adoption.resume, itertools.count()

    def resumed(*arguments: Any) -> None:
        if next(calls) == 1:
            raise MemoryError
        resume(*arguments)

    async with engine_with() as (engine, store, registry, _):
        with WorkflowBuilder("note", registry=registry):
            task = cloaca_core.definition.task.task(id="only")
            task(lambda context, handle: begun.append(handle.run_id))
        await engine.pause()
        await store.register(runner("other"))
        workflow = registry.find("note").namespace
        for name in "abc":
            await submit(store, new_run(name, owner=None, workflow=workflow))
        monkeypatch.setattr(Adoption, "resume", resumed)
        await engine.resume()
        for name in "abc":
            assert (await engine.wait(name, None)).row.status == "Completed"

    assert sorted(begun) == ["a", "b", "c"]


async def test_what_another_runner_only_looked_at_is_claimed_when_it_is_let_go() -> None:
    async with engine_with() as (engine, store, _, _):
        await store.register(runner("other"))
        await submit(store, new_run("waiting", owner=None, workflow="public::embedded::gate"))
        store.passed_over = 2
        await engine.resume()

        async with asyncio.timeout(10):
            await store.claimed.wait()
        assert store.runs["waiting"].owner is not None


async def test_a_run_that_a_body_of_ours_waits_for_is_taken_on_by_right() -> None:
    async with engine_with(max_active_runs=1) as (engine, store, registry, _):
        await engine.submit(request(registry))
        (child,) = await engine.submit(request(registry, by_right=True))

        assert store.runs[child].owner is not None


async def test_what_a_body_only_submits_has_no_right() -> None:
    async with engine_with(max_active_runs=1) as (engine, store, registry, _):
        await engine.submit(request(registry, count=3))

        assert sum(run.owner is not None for run in store.runs.values()) == 1


async def test_nothing_is_taken_on_while_paused_but_what_is_waited_for() -> None:
    async with engine_with() as (engine, store, registry, _):
        await engine.pause()
        (waits,) = await engine.submit(request(registry))
        (child,) = await engine.submit(request(registry, by_right=True))

        assert store.runs[waits].owner is None
        assert store.runs[child].owner is not None


async def test_a_place_that_becomes_free_is_filled_from_the_table() -> None:
    async with engine_with(max_active_runs=1) as (engine, store, registry, gate):
        first, second = await engine.submit(request(registry, count=2))
        assert store.runs[second].owner is None
        gate.open.set()

        async with asyncio.timeout(10):
            assert (await engine.wait(second, None)).row.status == "Completed"
        assert store.runs[first].status == "Completed"


async def test_a_refused_submission_keeps_no_place() -> None:
    async with engine_with(max_active_runs=1) as (engine, store, registry, _):
        store.is_full = True
        with pytest.raises(StoreFullError):
            await engine.submit(request(registry))
        store.is_full = False

        (run,) = await engine.submit(request(registry))

        assert store.runs[run].owner is not None


async def test_what_did_not_fit_is_looked_for_later() -> None:
    async with engine_with(max_active_runs=1) as (engine, _, registry, gate):
        await quiet()  # it has looked once, and found nothing
        _, second = await engine.submit(request(registry, count=2))
        gate.open.set()

        async with asyncio.timeout(10):
            assert (await engine.wait(second, None)).row.status == "Completed"


async def test_what_is_on_its_way_needs_a_lease() -> None:
    """Else the runner would say that it owns nothing just before it does."""
    async with engine_with() as (engine, store, registry, _):
        store.writes.clear()
        submitting = asyncio.create_task(engine.submit(request(registry)))
        await store.asked.wait()
        owns = [engine._parts.base.capacity.is_in_use()]
        store.writes.set()
        await submitting

        assert owns == [True]


async def test_what_may_be_astray_while_there_is_no_place_is_looked_for_when_there_is() -> None:
    async with engine_with(max_active_runs=1) as (engine, store, registry, gate):
        await engine.submit(request(registry))
        engine._parts.claims.claimer.wake()
        await quiet()
        astray = new_run("astray", owner=(me := engine._parts.base.runner_id.current))
        await submit(store, astray._replace(workflow="public::embedded::gate"), runner_id=me)
        engine._parts.claims.claimer.suspect()
        await quiet()
        gate.open.set()

        async with asyncio.timeout(10):
            assert (await engine.wait("astray", None)).row.epoch == 3


async def test_a_claim_without_an_answer_may_be_granted_later_and_is_looked_for_again() -> None:
    async with engine_with() as (engine, store, _, gate):
        gate.open.set()
        store.loses_an_answer = True
        engine._parts.claims.claimer.wake()
        await store.lost_one.wait()
        await quiet()
        late = new_run("late", owner=(me := engine._parts.base.runner_id.current))
        await submit(store, late._replace(workflow="public::embedded::gate"), runner_id=me)

        async with asyncio.timeout(2 * STILL_COMING):
            assert (await engine.wait("late", None)).row.epoch == 3


async def test_neither_does_a_claim_that_fails() -> None:
    async with engine_with(max_active_runs=1) as (engine, store, registry, _):
        store.loses_an_answer = True
        engine._parts.claims.claimer.wake()
        await store.lost_one.wait()
        await quiet()

        (run,) = await engine.submit(request(registry))

        assert store.runs[run].owner is not None


async def test_a_submitter_waits_while_the_journal_has_no_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(journal, "MAX_INBOX_ENTRIES", 1)
    async with engine_with() as (engine, store, registry, _):
        store.writes.clear()
        submitting = [asyncio.create_task(engine.submit(request(registry)))]
        await store.asked.wait()
        for _ in range(3):
            submitting.append(asyncio.create_task(engine.submit(request(registry))))
            await quiet()
        waiting = len(engine._parts.base.journal._inbox)
        store.writes.set()
        await asyncio.gather(*submitting)

        assert waiting == 1


async def test_a_key_that_was_used_before_is_kept_while_its_run_has_not_failed() -> None:
    """A body that is tried again finds the run that its earlier attempt has started."""
    async with engine_with() as (engine, _, registry, _):
        first = request(registry, idempotency_key="1", further_keys=["2"])

        assert await engine.submit(first) == await engine.submit(first)


async def test_what_was_begun_before_is_gone_on_from() -> None:
    """Its last owner has given it back, and has done all that there was to do."""
    async with engine_with() as (engine, store, _, _):
        await store.register(runner("old"))
        run = new_run("run", owner="old", workflow="public::embedded::gate")
        await submit(store, run, runner_id="old")
        await record(store, [attempt("run", "only")], runner_id="old")
        await store.unregister("old")
        await engine.resume()

        ended = await engine.wait("run", None)  # and not for the gate, which is closed

        assert ended.row.status == "Completed"


@each_row("claims", [0, 1])
async def test_a_child_that_came_after_its_parent_was_cancelled_never_begins(claims: int) -> None:
    """Also if another runner has claimed it, and was gone before it looked at the parent."""
    async with engine_with() as (engine, store, _, _):
        await child_of_cancelled(store, claims)
        await engine.resume()

        ended = await engine.wait("c", None)  # and not for the gate, which is closed

        assert ended.row.status == "Cancelled"
        assert not await store.load_attempts(["c"])


async def test_a_child_that_is_left_alone_begins() -> None:
    async with engine_with() as (engine, store, _, gate):
        await child_of_cancelled(store, claims=1, children=False)
        gate.open.set()
        await engine.resume()

        assert (await engine.wait("c", None)).row.status == "Completed"


async def test_so_does_one_that_was_begun_again_by_itself() -> None:
    async with engine_with() as (engine, store, _, gate):
        await child_of_cancelled(store, claims=0)
        await store.cancel(["c"], act("x"), LATER, children=True)
        await store.retry([Reopening("c", 1, {})], act("y"))
        gate.open.set()
        await engine.resume()

        assert (await engine.wait("c", None)).row.status == "Completed"


async def test_children_whose_runner_died_before_the_cancel_came_do_not_begin_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nor does a child of a child that is stopped so."""
    async with engine_with() as (engine, store, _, gate):
        workflow = "public::embedded::gate"
        await store.register(runner("old"))
        for run_id, parent in (("p", None), ("c", "p"), ("g", "c")):
            new = new_run(run_id, owner="old", parent=parent, workflow=workflow)
            await submit(store, new, runner_id="old")
            begun = attempt(run_id, "only", status=TaskStatus.RUNNING)
            await record(store, [begun], runner_id="old")
        await store.cancel(["p"], act(), LATER, children=True)
        await store.fence("old", 0)
        while await store.take_over("old", 9):
            continue
        under_way, comes = store.children_under_way, asyncio.Event()

        async def late(parent_ids: Collection[str], limit: int) -> list[tuple[str, str]]:
            await comes.wait()
            return await under_way(parent_ids, limit)

        monkeypatch.setattr(store, "children_under_way", late)
        gate.open.set()
        store.free.set()
        await engine.resume()
        await quiet()
        comes.set()

        ends = [await engine.wait(run_id, None) for run_id in ("c", "g")]

        assert [each.row.status for each in ends] == ["Cancelled"] * 2
        assert {each.epoch for each in await store.load_attempts(["c", "g"])} == {1}


async def child_of_cancelled(store: Store, claims: int, *, children: bool = True) -> None:
    """A run ``c`` whose parent was cancelled before it came, claimed before by a runner that is
    gone.
    """
    workflow = "public::embedded::gate"
    await store.register(runner("old"))
    await submit(store, new_run("p", owner="old", workflow=workflow), runner_id="old")
    await store.cancel(["p"], act(), LATER, children=children)
    await store.unregister("old")
    await store.forget_children(["p"])
    store.free.set()
    await store.insert_when_free(new_run("c", parent="p", key="c", owner=None, workflow=workflow))
    for _ in range(claims):
        await store.register(runner("late"))
        assert await store.claim("late", [workflow], 9, await store.now())
        await store.unregister("late")


async def test_a_busy_database_keeps_a_submitter_of_an_idle_runner_waiting_only() -> None:
    """As it does one of a busy runner, whose rows the journal tries again to write."""
    async with engine_with() as (engine, store, registry, _):
        store.busy_beats = 2
        engine._parts.claims.lease._last_beat = float("-inf")  # as after a while without runs

        (run,) = await engine.submit(request(registry))

        assert store.runs[run].owner is not None
        assert store.busy_beats == 0


async def test_the_pauses_between_its_tries_have_a_bound() -> None:
    async with engine_with() as (engine, store, registry, _):
        begun = the_loop().time()
        store.busy_beats = 40  # the last pause would be as long as the earth is old
        engine._parts.claims.lease._last_beat = float("-inf")

        await engine.submit(request(registry))

        assert the_loop().time() - begun <= 40  # at least once a second


async def test_nobody_asks_without_end_for_the_lease_of_a_runner_that_was_declared_dead() -> None:
    """While it cannot register anew, as with a full disk, each submission would."""
    async with engine_with() as (engine, store, registry, _):
        store.registers.clear()
        me = engine._parts.base.runner_id.current
        await store.fence(me, store.registered[me].beat)
        engine._parts.claims.lease._last_beat = float("-inf")
        submitting = asyncio.create_task(engine.submit(request(registry)))
        await quiet()
        assert store.refused_beats < 20  # a few, with pauses, and not as many as there is time for

        store.registers.set()
        (run,) = await submitting

        assert store.runs[run].owner == engine._parts.base.runner_id.current


async def idle_engine(engine: Engine, store: Store) -> None:
    """Let the engine beat as one that owns nothing."""
    await quiet()
    await engine._parts.claims.lease.prove()
    assert engine._parts.claims.lease.is_idle()
    store.claims = 0


async def test_an_idle_runner_looks_before_it_claims() -> None:
    async with engine_with() as (engine, store, _, _):
        await idle_engine(engine, store)
        engine._parts.claims.claimer.wake()
        await quiet()

        assert store.claims == 0
        assert engine._parts.claims.lease.is_idle()


async def test_it_has_a_lease_before_it_claims() -> None:
    async with engine_with() as (engine, store, _, _):
        await idle_engine(engine, store)
        await backlog_of(1, engine, store)

        assert not engine._parts.claims.lease.is_idle()


async def test_a_claim_for_which_no_lease_could_be_had_is_made_again() -> None:
    async with engine_with() as (engine, store, _, _):
        await idle_engine(engine, store)
        store.busy_beats = 1

        async with asyncio.timeout(10):
            await backlog_of(1, engine, store)

        assert held(store) == 1


async def test_a_claim_that_comes_to_its_turn_while_paused_takes_nothing() -> None:
    async with engine_with() as (engine, store, _, _):
        await engine.pause()
        await store.register(runner("other"))
        await submit(store, new_run("r", owner=None, workflow="public::embedded::gate"))

        await engine._parts.claims.claimer._claim_some()

        assert store.runs["r"].owner is None


async def test_a_run_that_is_held_back_keeps_no_place_and_is_claimed_when_it_is_there() -> None:
    async with engine_with(max_active_runs=1) as (engine, store, registry, _):
        store.held = {"k"}
        waiting = asyncio.create_task(engine.submit(request(registry, idempotency_key="k")))
        await quiet()
        assert (await engine.health())["held_submits"] == 1
        assert store.runs == {}

        (other,) = await engine.submit(request(registry))
        assert store.runs[other].owner is not None  # in the only place
        store.free.set()
        (run,) = await waiting

        assert (await engine.health())["held_submits"] == 0
        assert store.runs[run].owner is None  # until there is a place


async def test_each_submission_of_a_commit_is_told_of_by_itself_and_once_it_is_there(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger="cloaca.engine")
    async with engine_with() as (engine, store, registry, _):
        (known,) = await engine.submit(request(registry, idempotency_key="k"))
        store.held = {"held"}
        store.writes.clear()
        waiting = [
            asyncio.create_task(engine.submit(request(registry, idempotency_key=key)))
            for key in ("k", None, "held")
        ]
        await quiet()
        caplog.clear()
        store.writes.set()
        _, (new,) = await asyncio.gather(*waiting[:2])
        of = "of public::embedded::gate"
        assert [line for line in caplog.messages if "started" not in line] == [
            f"run {known} {of}: asked for again, by its key",
            f"run {new} {of}: submitted",
            f"submit {of} waits: a transaction writes its key",
        ]

        caplog.clear()
        store.free.set()
        (later,) = await waiting[2]
        assert f"run {later} {of}: submitted" in caplog.messages


async def test_the_run_that_was_waited_for_is_the_answer() -> None:
    async with engine_with() as (engine, store, registry, _):
        store.held = {"k"}
        waiting = asyncio.create_task(engine.submit(request(registry, idempotency_key="k")))
        await quiet()
        theirs = new_run("theirs", owner=None, workflow="public::embedded::gate", key="k")
        store.insert(theirs)
        store.free.set()

        assert await waiting == ["theirs"]


async def backlog_of(count: int, engine: Engine, store: Store) -> None:
    """Runs that another runner has left in the table; what this one makes of them is settled."""
    await store.register(runner("other"))
    runs = [new_run(f"r{n}", owner=None, workflow="public::embedded::gate") for n in range(count)]
    await submit(store, *runs)
    engine._parts.claims.claimer.wake()
    await store.claimed.wait()
    await quiet()


def held(store: Store) -> int:
    return sum(run.owner not in (None, "other") for run in store.runs.values())


async def test_alone_it_takes_what_there_is() -> None:
    async with engine_with(max_concurrent_async_tasks=1) as (engine, store, _, _):
        await backlog_of(40, engine, store)

        assert held(store) == 40


async def test_beside_others_it_leaves_them_what_would_only_wait_here() -> None:
    async with engine_with(max_concurrent_async_tasks=1) as (engine, store, _, gate):
        engine._parts.claims.takeover.is_crowded = True
        await backlog_of(40, engine, store)

        # One runs, and two wait for each of the four slots of a runner.
        assert held(store) == 9

        gate.open.set()
        for n in range(40):
            await engine.wait(f"r{n}", None)


async def test_beside_others_a_slot_without_work_asks_for_more() -> None:
    """Its runs have not ended, but no body of them waits for a slot any more."""
    async with engine_with(max_concurrent_async_tasks=8) as (engine, store, _, _):
        engine._parts.claims.takeover.is_crowded = True
        await backlog_of(40, engine, store)

        assert held(store) == 16


async def test_pausing_waits_for_a_claim_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it would take what is submitted afterwards."""
    async with engine_with() as (engine, store, _, _):
        begun, go_on = asyncio.Event(), asyncio.Event()
        claim = store.claim

        async def slow(*arguments: Any) -> list[RunRow]:
            begun.set()
            await go_on.wait()
            return await claim(*arguments)

        monkeypatch.setattr(store, "claim", slow)
        await store.register(runner("other"))
        await submit(store, new_run("r", owner=None, workflow="public::embedded::gate"))
        engine._parts.claims.claimer.wake()
        await begun.wait()

        pausing = asyncio.create_task(engine.pause())
        await quiet()
        assert not pausing.done()

        go_on.set()
        await pausing
        assert store.runs["r"].owner not in (None, "other")


async def test_a_runner_that_has_left_all_that_waits_looks_no_more() -> None:
    """Else it would claim the run again and again, or look for it every tenth of a second."""
    async with engine_with(runner_id="mine") as (engine, store, registry, _):
        elsewhere = Registry()
        with WorkflowBuilder("gate", registry=elsewhere) as builder:
            cloaca_core.definition.task.task(id="only")(lambda context: None)
            cloaca_core.definition.task.task(id="lost")(lambda context: None)
        await DefinitionRecorder(store, elsewhere, HandClock(0), Subjects()).record()
        await submit(store, new_run("r", workflow=builder.workflow.namespace, owner=None))
        store.runs["r"] = store.runs["r"]._replace(round=2, version=builder.workflow.version)

        await engine.submit(request(registry))  # wakes the claimer as well
        await asyncio.sleep(60)
        claims = store.claims
        await asyncio.sleep(60)

        assert (store.runs["r"].owner, store.runs["r"].status) == (None, "Pending")
        assert store.unserved == {("r", "mine"): '["lost"]'}
        assert store.claims == claims
        assert (await engine.health())["active_runs"] == 1
