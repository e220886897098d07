"""Submitted runs are durable first; then those begin here for which there was a place."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, cast

import pytest
from model.by_hand import HandMarks
from model.hand_clock import LoopClock
from model.memory_store import MemoryStore
from model.orchestration import Places
from model.quiet import quiet
from model.runs import active_run, attempt_of, graph_of, nothing
from tables import each_row

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task
from cloaca_core.definition.workflow import Workflow
from cloaca_core.engine.execute.attempt import Attempt
from cloaca_core.engine.orchestrate.active_runs import ActiveRuns
from cloaca_core.engine.orchestrate.served import Served
from cloaca_core.engine.record.journal import Journal
from cloaca_core.engine.recover.lease import Lease
from cloaca_core.engine.recover.process_identity import this_process
from cloaca_core.engine.recover.runner_id import RunnerId
from cloaca_core.engine.subjects import Subjects
from cloaca_core.engine.submit.request import Request, RunRows, Singleton
from cloaca_core.engine.submit.start import Start
from cloaca_core.engine.submit.submitter import Accepted, Submitter
from cloaca_core.errors import (
    BodyCancelled,
    RunNotFoundError,
    StoreError,
    StoreFullError,
    StoreUnavailableError,
)
from cloaca_core.run.rows import NewRun, RunRow
from cloaca_core.store.batch import Batch, Committed, Rows
from cloaca_core.store.messages import NewMessage
from cloaca_core.store.runs import OnCommit
from cloaca_core.values.ids import RunIds
from cloaca_core.values.waits import EVENT
from cloaca_testing.conformance.commits import submit
from cloaca_testing.conformance.rows import LATER, act, new_run

pytestmark = pytest.mark.virtual_time

MESSAGE = NewMessage("m", "", EVENT, "paid", "7", None, "ann", 1)
FAR = 2**52
"""An instant that is still to come."""


class Store(MemoryStore):
    """The model; transactions of others write the keys ``held``. ``failures`` are those of the next
    commits, ``beat_failures`` those of the next beats; ``then`` is called after each commit.
    """

    def __init__(self) -> None:
        super().__init__()
        self.held: set[str | None] = set()
        self.then: Callable[[], None] = lambda: None
        self.failures: list[StoreError] = []
        self.beat_failures: list[StoreError] = []

    async def commit(self, batch: Batch, on_commit: OnCommit | None = None) -> Committed:
        if self.failures:
            raise self.failures.pop(0)
        held = {run.id for run in batch.new_runs if run.idempotency_key in self.held}
        rest = [run for run in batch.new_runs if run.id not in held]
        committed = await super().commit(batch._replace(new_runs=rest), on_commit)
        self.then()
        return committed._replace(held=frozenset(held))

    async def beat(
        self,
        runner_id: str,
        lease_until: int,
        idle_since: int | None = None,
        sharing: str | None = None,
    ) -> bool:
        if self.beat_failures:
            raise self.beat_failures.pop(0)
        return await super().beat(runner_id, lease_until, idle_since, sharing)


class Desk:
    """The submitter of the runner ``me``, which has two places. ``begun`` has the runs that began
    here, ``messages`` how many each had then; the others count what it told.
    """

    def __init__(
        self, *, is_client: bool = False, queues: dict[str, int | None] | None = None
    ) -> None:
        clock = LoopClock()
        self.store = Store()
        self.runner_id = RunnerId("me")
        self.runs = ActiveRuns()
        self.capacity = Places(2, self.runs)
        self.journal = Journal(self.store, self.runner_id, HandMarks())
        self.served = Served(queues)
        subjects = Subjects()
        subjects.claimable_here.subscribe(self._wake)
        subjects.steered.subscribe(self._time)
        self.lease = Lease(
            self.store, self.runner_id, this_process(), 15.0, lambda: True, clock, subjects
        )
        self.begun: list[str] = []
        self.messages: list[int] = []
        self.heeded = self.woken = self.timed = 0
        self.heed_failure: Exception | None = None
        self.again: list[tuple[str, str, str]] = []
        self.begins_again = True
        self.joined: list[tuple[str, str | None, Singleton]] = []
        self.holder: str | None = None
        self.submitter = Submitter(
            self.store,
            self.journal,
            None if is_client else self.lease,
            self.capacity,
            self.served,
            RunRows(self.runs, RunIds(clock), clock),
            cast(Any, self),  # its adoption
            self._heed,
            self._child_keys,
            self._begin_again,
            self._join,
            subjects,
        )
        with WorkflowBuilder("w", registry=Registry()) as builder:
            task(id="t")(nothing)
        assert builder.workflow is not None
        self.workflow = builder.workflow

    def request(self, count: int = 1, **fields: Any) -> Request:
        return Request(self.workflow, ["{}"] * count, [{}] * count, "{}", **fields)

    async def send(self, request: Request) -> asyncio.Task[Accepted]:
        """A caller that waits; its runs are on their way to the database."""
        call = asyncio.create_task(self.submitter.accept(request))
        await quiet()
        return call

    async def accept(self, request: Request) -> Accepted:
        """Submit it, writing as often as there is something to write."""
        call = await self.send(request)
        while not call.done():
            await self.journal.turn()
            await quiet()
        return await call

    async def parent(self) -> Attempt:
        """A body of a run ``r`` of ours."""
        run = active_run(graph_of(t={}))
        await submit(self.store, new_run("r", owner="me"), runner_id="me")
        self.runs.add(run)
        return attempt_of(run)

    async def _begin_again(self, parent: RunRow, run_id: str, text: str) -> bool:
        self.again.append((parent.id, run_id, text))
        return self.begins_again

    async def _join(self, row: NewRun, singleton: Singleton, _: Rows) -> tuple[str, bool]:
        self.joined.append((row.id, row.owner, singleton))
        return self.holder or row.id, self.holder is None

    async def _child_keys(self, parent_id: str) -> set[str | None]:
        return {child.idempotency_key for child in await self.store.children([parent_id])}

    def owners(self) -> list[str | None]:
        return [run.owner for _, run in sorted(self.store.runs.items())]

    # -- what it tells -----------------------------------------------------------------------

    def begin(self, workflow: Workflow, new: Sequence[tuple[RunRow, object]], depth: int) -> None:
        assert (workflow, depth) == (self.workflow, 0)
        for row, _ in new:
            self.messages.append(row.messages)
            assert self.store.runs[row.id].owner == row.owner == "me"  # it is durable
            self.begun.append(row.id)

    async def _heed(self) -> None:
        self.heeded += 1
        if self.heed_failure is not None:
            raise self.heed_failure

    def _wake(self) -> None:
        self.woken += 1

    def _time(self) -> None:
        self.timed += 1


@pytest.fixture
async def desk() -> Desk:
    desk = Desk()
    await desk.lease.register()
    return desk


# -- which begin ---------------------------------------------------------------------------------


async def test_as_many_begin_as_there_are_places_once_they_are_durable(desk: Desk) -> None:
    call = await desk.send(desk.request(3))
    assert (desk.begun, desk.capacity.free()) == ([], 0)  # kept while they are on their way

    await desk.journal.turn()

    run_ids, known = await call
    assert (run_ids, known) == (sorted(desk.store.runs), False)
    assert (desk.begun, desk.owners()) == (run_ids[:2], ["me", "me", None])
    assert desk.woken == 1
    assert desk.capacity.free() == 2  # of the places that were kept for them


@each_row(
    ("queues", "by_right", "expected"),
    [
        ({"gpu": None}, False, [None, None]),
        ({"gpu": None}, True, [None, None]),
        ({"default": 1}, False, ["me", None]),
        ({"default": 1}, True, ["me", "me"]),
        ({"default": None, "gpu": 1}, False, ["me", "me"]),
    ],
)
async def test_as_many_begin_as_have_room_in_their_queue(
    queues: dict[str, int | None], by_right: bool, expected: list[str | None]
) -> None:
    desk = Desk(queues=queues)
    await desk.lease.register()
    await desk.accept(desk.request(2, by_right=by_right))
    assert desk.owners() == expected


async def test_a_caller_that_gives_up_keeps_no_run_from_beginning(desk: Desk) -> None:
    call = await desk.send(desk.request())
    call.cancel()
    await quiet()
    await desk.journal.turn()

    assert call.cancelled()
    assert desk.begun == list(desk.store.runs)


@pytest.mark.parametrize(("by_right", "expected"), [(False, [None]), (True, ["me"])])
async def test_a_paused_runner_begins_only_what_a_body_of_its_own_waits_for(
    desk: Desk, by_right: bool, expected: list[str | None]
) -> None:
    desk.capacity.paused = True

    await desk.accept(desk.request(by_right=by_right))

    assert desk.owners() == expected


async def test_a_client_begins_nothing() -> None:
    desk = Desk(is_client=True)

    run_ids, _ = await desk.accept(desk.request(2))

    assert (len(run_ids), desk.owners(), desk.begun) == (2, [None, None], [])
    assert desk.woken == 2


@pytest.mark.parametrize(
    ("start", "woken", "timed"),
    [
        (Start(run_at=FAR), 0, 1),  # it is claimable then
        (Start(start_by=1), 1, 1),  # its time is over; another clock may say otherwise
        (Start(run_at=FAR, start_by=FAR + 1), 0, 1),
    ],
)
async def test_a_run_that_waits_for_an_instant_is_told_of_to_who_counts_those(
    desk: Desk, start: Start, woken: int, timed: int
) -> None:
    await desk.accept(desk.request(start=start))

    assert (desk.begun, desk.owners()) == ([], [None])
    assert (desk.woken, desk.timed) == (woken, timed)


async def test_a_run_that_was_accepted_under_an_id_that_is_dead_by_now_is_not_begun(
    desk: Desk,
) -> None:
    desk.store.then = lambda: setattr(desk.runner_id, "current", "reborn")

    run_ids, _ = await desk.accept(desk.request())

    assert (run_ids, desk.begun) == (list(desk.store.runs), [])


# -- the lease -----------------------------------------------------------------------------------


async def test_a_busy_database_is_asked_until_the_lease_is_fresh(desk: Desk) -> None:
    await asyncio.sleep(3600)
    desk.store.beat_failures = [StoreUnavailableError("busy")] * 3
    call = await desk.send(desk.request())
    assert (desk.store.runs, call.done()) == ({}, False)

    await desk.journal.turn()

    assert (await call)[0] == desk.begun
    assert desk.store.registered["me"].beat == 1


async def test_a_full_database_is_told_at_once(desk: Desk) -> None:
    await asyncio.sleep(3600)
    desk.store.beat_failures = [StoreFullError("no space")]

    with pytest.raises(StoreFullError):
        await desk.submitter.accept(desk.request())


async def test_a_refusal_frees_the_places_and_is_told(desk: Desk) -> None:
    desk.store.failures = [StoreFullError("no space")]

    with pytest.raises(StoreFullError):
        await desk.accept(desk.request(2))

    assert (desk.capacity.free(), desk.capacity.told) == (2, [0])  # and who waits for one is woken


# -- keys ----------------------------------------------------------------------------------------


async def test_the_run_that_has_the_key_stands_for_the_next_ones(desk: Desk) -> None:
    first = await desk.accept(desk.request(idempotency_key="k"))
    again = await desk.accept(desk.request(idempotency_key="k"))

    assert (first[1], again) == (False, (first[0], True))
    assert (desk.begun, desk.woken) == (first[0], 0)
    assert list(desk.store.runs) == first[0]


async def test_a_run_whose_key_others_write_is_inserted_later_and_has_no_owner(desk: Desk) -> None:
    desk.store.held = {"k"}

    run_ids, known = await desk.accept(desk.request(idempotency_key="k"))

    assert (run_ids, known) == (list(desk.store.runs), False)
    assert (desk.begun, desk.owners(), desk.woken) == ([], [None], 1)
    assert desk.capacity.free() == 2


async def test_a_run_with_a_singleton_key_has_no_owner_and_is_told_of(desk: Desk) -> None:
    singleton = Singleton("customer 7", "queue")

    (run_id,), known = await desk.accept(desk.request(singleton=singleton))

    assert (desk.joined, known) == ([(run_id, None, singleton)], False)
    assert (desk.begun, desk.woken) == ([], 1)


async def test_the_run_that_has_the_singleton_key_is_given(desk: Desk) -> None:
    desk.holder = "other"

    accepted = await desk.accept(desk.request(singleton=Singleton("customer 7", "existing")))

    assert accepted == (["other"], True)
    assert desk.woken == 0


@pytest.mark.parametrize(
    ("status", "key"),
    [
        ("Failed", "r::t::1::2"),
        ("Cancelled", "r::t::1::2"),
        ("Completed", "r::t::1"),
        ("Running", "r::t::1"),  # it is waited for
    ],
)
async def test_a_body_that_is_tried_again_has_the_first_run_that_has_not_failed(
    desk: Desk, status: str, key: str
) -> None:
    child = desk.request(idempotency_key="r::t::1", parent=await desk.parent())
    (first,), _ = await desk.accept(child)
    ended_at = None if status == "Running" else LATER
    desk.store.runs[first] = desk.store.runs[first]._replace(status=status, ended_at=ended_at)

    found = await desk.accept(replace(child, further_keys=["r::t::1::2"]))

    holder = desk.store.keys[desk.workflow.namespace, key]
    assert found == ([holder], holder == first)


async def test_a_body_whose_children_were_begun_again_has_the_latest_of_them(desk: Desk) -> None:
    parent = await desk.parent()
    keys = ["r::t::1", "r::t::1::2", "r::t::1::3"]
    for key in keys[:2]:
        (latest,), _ = await desk.accept(desk.request(idempotency_key=key, parent=parent))
        row = desk.store.runs[latest]
        desk.store.runs[latest] = row._replace(status="Failed", ended_at=LATER)
    parent.children_restarted = True

    found = await desk.accept(
        desk.request(idempotency_key=keys[0], further_keys=keys[1:], parent=parent)
    )

    assert (found, desk.again) == (([latest], True), [])


@pytest.mark.parametrize("has_the_input", [True, False])
async def test_a_body_that_begins_its_children_itself_has_the_latest_with_its_input(
    desk: Desk, has_the_input: bool
) -> None:
    parent = await desk.parent()
    child = desk.request(idempotency_key="r::t::1", parent=parent)
    (first,), _ = await desk.accept(child)
    row = desk.store.runs[first]
    desk.store.runs[first] = row._replace(status="Failed", ended_at=LATER)
    parent.children_restarted = parent.restarts_children = True
    desk.begins_again = has_the_input

    (found,), known = await desk.accept(replace(child, further_keys=["r::t::1::2"]))

    assert desk.again == [(parent.run_id, first, "{}")]
    assert (found == first, known) == (has_the_input, has_the_input)


# -- the first message ---------------------------------------------------------------------------


async def test_a_run_and_its_first_message_are_one_commit(desk: Desk) -> None:
    (run_id,), _ = await desk.accept(desk.request(message=MESSAGE))

    (message,) = await desk.store.messages([run_id])
    assert (message.run_id, message.number, message.payload) == (run_id, 1, "7")
    assert desk.store.runs[run_id].messages == 1
    assert desk.messages == [1]  # its owner knows of it


async def test_a_run_that_waits_for_its_key_gets_it_when_it_is_inserted(desk: Desk) -> None:
    desk.store.held = {"k"}

    (run_id,), _ = await desk.accept(desk.request(idempotency_key="k", message=MESSAGE))

    assert [each.payload for each in await desk.store.messages([run_id])] == ["7"]


async def test_a_run_that_has_the_key_is_left_to_the_caller(desk: Desk) -> None:
    (run_id,), _ = await desk.accept(desk.request(idempotency_key="k"))
    assert await desk.accept(desk.request(idempotency_key="k", message=MESSAGE)) == ([run_id], True)
    assert await desk.store.messages([run_id]) == []


# -- the parent ----------------------------------------------------------------------------------


@pytest.mark.parametrize("heed_failure", [None, StoreUnavailableError("away")])
async def test_a_body_of_a_cancelled_run_is_cut_off_and_submits_nothing(
    desk: Desk, heed_failure: Exception | None
) -> None:
    parent, desk.heed_failure = await desk.parent(), heed_failure
    await desk.store.cancel(["r"], act(), LATER, children=True)

    with pytest.raises(BodyCancelled, match="run r is being cancelled"):
        await desk.accept(desk.request(parent=parent))

    assert (desk.heeded, desk.begun, list(desk.store.runs)) == (1, [], ["r"])
    assert desk.woken == 0


async def test_a_body_whose_run_was_pruned_is_told_so(desk: Desk) -> None:
    parent = await desk.parent()
    del desk.store.runs["r"]

    with pytest.raises(RunNotFoundError, match="pruned: r"):
        await desk.accept(desk.request(parent=parent))

    assert (desk.begun, desk.store.runs, desk.woken) == ([], {}, 0)
