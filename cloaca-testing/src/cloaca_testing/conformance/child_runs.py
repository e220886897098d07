"""Contract of child runs: each end is one message to the parent, whose failure cancels them."""

from __future__ import annotations

import pytest

from cloaca_core.assembly.store import Store
from cloaca_core.features.child_runs.records import (
    FAILED_PARENTS,
    NODE_CHILDREN,
    OPENED_NODES,
    TOLD_ENDS,
    FailedParent,
    NodeChild,
    OpenedNode,
    ToldEnd,
)
from cloaca_core.features.steering.records import Parent, Reopening, StoppedWithParent
from cloaca_core.run.rows import NewRun, Park, RunEnd, RunFilter
from cloaca_core.store.batch import Batch, Committed
from cloaca_core.store.messages import MessageRow
from cloaca_core.values.child_kinds import RUN_WORKFLOW
from cloaca_core.values.states import RunStatus
from cloaca_core.values.waits import NEVER, RUN
from cloaca_testing.conformance.commits import (
    batch_with,
    claimed,
    note,
    record,
    stored,
    submit,
)
from cloaca_testing.conformance.rows import (
    LATER,
    NOW,
    WORKFLOW,
    act,
    closed,
    message,
    new_fork,
    new_run,
    overdue,
    run_end,
    runner,
    wait,
)

DEADLINE = LATER + 30


def child(run_id: str, *, owner: str | None = "r1", parent: str = "p") -> NewRun:
    """A run that a body of its parent waits for."""
    return new_run(run_id, owner=owner, parent=parent)._replace(child_kind=RUN_WORKFLOW)


class ChildRunConformance:
    """Part of ``StoreConformance``."""

    # -- ends --------------------------------------------------------------------------------

    async def test_the_end_of_a_child_is_a_message_without_a_number_to_its_parent(
        self, store: Store
    ) -> None:
        await _begin(store, child("c"))

        await _end(store, "c")

        assert await store.sent("p", 9) == [_end_of("c", NOW + 9)]
        assert (await stored(store, "p")).messages == 0
        assert (await store.news("r1", [], 9)).unnumbered == ["p"]

    async def test_a_batch_that_is_sent_again_tells_of_an_end_once(self, store: Store) -> None:
        await _begin(store, child("c"))

        await _end(store, "c")
        await store.number_messages(["p"], LATER)
        await _end(store, "c")

        assert await store.sent("p", 9) == [_end_of("c", NOW + 9, number=1)]

    async def test_nothing_is_told_of_an_end_that_does_not_count(self, store: Store) -> None:
        await _begin(store, child("c"))
        await store.register(runner("r2"))

        await _end(store, "c", runner_id="r2")

        assert await store.sent("p", 9) == []

    async def test_the_end_that_the_table_has_is_told(self, store: Store) -> None:
        await _begin(store, child("c"))
        await store.cancel(["c"], act(), DEADLINE, children=True)

        await _end(store, "c")

        assert await store.sent("p", 9) == [_end_of("c", NOW + 9, status="Cancelled")]

    @pytest.mark.parametrize("how", ["cancel", "expire", "release", "unregister", "take over"])
    async def test_an_end_without_its_owner_is_told(self, store: Store, how: str) -> None:
        owned = how in ("release", "unregister", "take over")
        late = child("c", owner="r2" if owned else None)
        if how == "expire":
            late = overdue("c")._replace(parent_id="p", child_kind=RUN_WORKFLOW)
        await _begin(store)
        await store.register(runner("r2"))
        await submit(store, late, runner_id="r2" if owned else "r1")

        if how != "expire":
            await store.cancel(["c"], act(), DEADLINE, children=True)
        if how == "expire":
            await store.expire(["c"], act())
        elif how == "release":
            await store.release("r2", ())
        elif how == "unregister":
            await store.unregister("r2")
        elif how == "take over":
            await store.fence("r2", 0)
            await store.take_over("r2", 9)

        ended_at = (await stored(store, "c")).ended_at
        assert ended_at is not None
        assert await store.sent("p", 9) == [_end_of("c", ended_at, status="Cancelled")]

    async def test_nothing_is_told_of_a_run_that_a_body_has_submitted(self, store: Store) -> None:
        await _begin(store, new_run("c", parent="p"), new_run("d", parent="p", owner=None))

        await _end(store, "c")
        await store.cancel(["d"], act(), DEADLINE, children=True)

        assert await store.sent("p", 9) == []

    async def test_each_round_of_a_child_ends_by_a_name_of_its_own(self, store: Store) -> None:
        await _begin(store, child("c"))
        await _end(store, "c", status=RunStatus.FAILED)
        await store.retry([Reopening("c", 1, {}, "0123456789abcdef")], act("again"))
        assert await claimed(store) == ["c"]

        await _end(store, "c", epoch=3)

        first = _end_of("c", NOW + 9, status="Failed")
        second = _end_of("c", NOW + 9)._replace(
            id="c:2", name="c:2", payload='{"round":2,"status":"Completed"}'
        )
        assert await store.sent("p", 9) == [first, second]

    async def test_the_number_of_an_end_wakes_a_parent_that_waits_for_it(
        self, store: Store
    ) -> None:
        await _begin(store, child("c"))
        waiting = wait("p", "c", kind=RUN, task_id="load", number=1)
        parks = [Park("p", NEVER, NOW, 0, 0, 0, 1)]
        await store.commit(batch_with("r1", [], [], [], {"p": 1}, parks=parks, waits=[waiting]))

        await _end(store, "c")
        assert await claimed(store) == []
        await store.number_messages(["p"], LATER)

        assert await claimed(store) == ["p"]

    async def test_the_owner_of_the_parent_takes_an_end_without_a_number(
        self, store: Store
    ) -> None:
        await _begin(store, child("c"), child("d"))
        waiting = wait("p", "c", kind=RUN, task_id="load")
        await note(store, waiting)
        await _end(store, "c")

        await note(store, closed=[closed(waiting, "c:1")], epoch=2)
        assert (await store.news("r1", [], 9)).unnumbered == ["p"]
        for _ in range(2):
            await note(store, closed=[closed(waiting, "c:1")])

        taken = _end_of("c", NOW + 9, number=1)._replace(taken_by="load")
        assert await store.sent("p", 9) == [taken]
        assert (await store.news("r1", [], 9)).unnumbered == []
        assert await store.messages(["p"]) == []
        await _end(store, "d")
        await store.number_messages(["p"], LATER)
        assert await store.messages(["p"]) == [_end_of("d", NOW + 9, number=1)]

    async def test_a_fork_has_no_ends_of_children(self, store: Store) -> None:
        await _begin(store, child("c"))
        await store.send(message("m", "p"), 9)
        await _end(store, "c")
        await store.number_messages(["p"], LATER)

        await store.fork(new_fork("f", "p"), act())

        assert [each.id for each in await store.sent("f", 9)] == ["m"]

    async def test_ends_of_children_fill_no_mailbox(self, store: Store) -> None:
        await _begin(store, child("c"), child("d"))
        await _end(store, "c")
        await _end(store, "d")

        sent = await store.send(message("m", "p"), 1)

        assert sent is not None
        assert (sent.number, sent.refusal) == (3, "")

    # -- children of nodes -------------------------------------------------------------------

    async def test_a_node_starts_a_child_that_any_runner_may_claim(self, store: Store) -> None:
        await _begin(store)
        row = _node_child("c", tags='{"of":"node"}', priority=3, time_limit=-1, deadline_at=LATER)

        await _start(store, row._replace(trace="00-1-2-01"))

        found = await stored(store, "c")
        assert (found.status, found.owner, found.parent_id) == ("Pending", None, "p")
        assert (found.input, found.tags, found.priority) == (row.input, row.tags, 3)
        assert (found.time_limit, found.deadline_at, found.child_kind) == (-1, LATER, "node")
        assert [each.id for each in await store.list_runs(RunFilter(tags=(("of", "node"),)))] == [
            "c"
        ]
        assert [each.idempotency_key for each in await store.children(["p"])] == ["p::sub::c"]
        (claim,) = await store.claim("r1", [WORKFLOW], 9, LATER, 0)
        assert (claim.id, claim.trace) == ("c", "00-1-2-01")

    async def test_the_child_of_a_node_is_in_its_queue_and_keeps_the_one_that_was_asked_for(
        self, store: Store
    ) -> None:
        await _begin(store)

        await _start(store, _node_child("c")._replace(queue="cpu", asked_queue="gpu"))
        await _start(store, _node_child("d")._replace(queue="gpu", asked_queue="gpu"))

        row = await stored(store, "c")
        assert (row.queue, row.asked_queue) == ("cpu", "gpu")
        # The queue that was asked for is noted; that of a task is noted with its workflow.
        assert [run.id for run in await store.claim("r1", [WORKFLOW], 9, LATER)] == ["d"]

    async def test_a_child_of_a_node_belongs_to_the_runner_that_has_a_place(
        self, store: Store
    ) -> None:
        await _begin(store)
        row = _node_child("c")._replace(owner="r1")

        for _ in range(2):
            committed = await _start(store, row)
            assert committed.of(NODE_CHILDREN) == {row}

        found = await stored(store, "c")
        assert (found.status, found.owner, found.epoch) == ("Running", "r1", 1)
        assert (found.started_at, found.child_kind) == (NOW, "node")
        assert await claimed(store) == []

    @pytest.mark.parametrize("why", ["parent", "workflow", "other"])
    async def test_a_child_of_a_node_has_no_owner_if_it_is_not_to_begin(
        self, store: Store, why: str
    ) -> None:
        await _begin(store)
        row = _node_child("c")._replace(owner="r2" if why == "other" else "r1")
        if why == "parent":
            await store.pause(["p"], act(), None, children=False)
        elif why == "workflow":
            await store.pause_workflow(WORKFLOW, act(), None)

        committed = await _start(store, row)

        found = await stored(store, "c")
        assert committed.of(NODE_CHILDREN) == frozenset()
        assert (found.status, found.owner, found.epoch) == ("Pending", None, 0)

    async def test_a_child_of_a_node_is_inserted_once(self, store: Store) -> None:
        await _begin(store)

        await _start(store, _node_child("c"))
        await _start(store, _node_child("c"))
        await _start(store, _node_child("d")._replace(idempotency_key="p::sub::c"))

        assert [each.id for each in await store.children(["p"])] == ["c"]

    async def test_a_runner_that_has_lost_the_run_starts_no_child_of_it(self, store: Store) -> None:
        await _begin(store)
        await store.register(runner("r2"))

        await _start(store, _node_child("a"), runner_id="r2")
        await _start(store, _node_child("b"), epoch=2)
        await store.fence("r1", 0)
        await _start(store, _node_child("c"))

        assert await store.children(["p"]) == []

    async def test_a_run_that_is_being_cancelled_starts_no_child_of_a_node(
        self, store: Store
    ) -> None:
        await _begin(store)
        await store.cancel(["p"], act(), DEADLINE, children=True)

        await _start(store, _node_child("c"))

        assert await store.children(["p"]) == []

    async def test_a_run_that_has_ended_starts_no_child_of_a_node(self, store: Store) -> None:
        await _begin(store)
        await record(store, ends=[run_end("p", status=RunStatus.FAILED)])

        await _start(store, _node_child("c"))

        assert await store.children(["p"]) == []

    # -- nodes that open with the end of the task before them ----------------------------------

    async def test_a_node_opens_with_its_child(self, store: Store) -> None:
        await _begin(store)
        row = _node_child("c")._replace(owner="r1")

        for _ in range(2):
            committed = await _open(store, row)
            assert committed.of(NODE_CHILDREN) == {row._replace(replacements=0)}
            assert committed.of(OPENED_NODES) == {_opened("c")}

        assert (await stored(store, "c")).status == "Running"
        (mark,) = await store.load_attempts(["p"])
        assert (mark.task_id, mark.attempt, mark.status) == ("sub", 1, "Waiting")
        assert (mark.started_at, mark.ended_at, mark.epoch) == (NOW, None, 1)
        opened = wait("p", "c", kind=RUN, task_id="sub")._replace(opened_at=NOW, detail='{"n":1}')
        assert await store.waits(["p"]) == [opened]

    @pytest.mark.parametrize(
        "why", ["paused", "cancelled", "replaced", "fenced", "of another", "over"]
    )
    async def test_a_node_opens_with_its_child_or_not_at_all(self, store: Store, why: str) -> None:
        await _begin(store)
        await store.register(runner("r2"))
        if why == "paused":
            await store.pause(["p"], act(), None, children=False)
        elif why == "cancelled":
            await store.cancel(["p"], act(), DEADLINE, children=True)
        elif why == "replaced":
            await store.pause(["p"], act("stop"), None, children=False)
            await store.resume(["p"], act("go"), '{"n":2}')
        elif why == "fenced":
            await store.fence("r1", 0)
        elif why == "over":
            await record(store, ends=[run_end("p", status=RunStatus.FAILED)])

        committed = await _open(
            store, _node_child("c"), runner_id="r2" if why == "of another" else "r1"
        )

        assert committed.of(OPENED_NODES) == frozenset()
        assert await store.get_run("c") is None
        assert await store.load_attempts(["p"]) == []
        assert await store.waits(["p"]) == []

    async def test_a_child_that_was_claimed_does_not_begin_again_as_its_node_is_sent_once_more(
        self, store: Store
    ) -> None:
        """The answer of the first commit was lost, and the child was claimed at its instant."""
        await _begin(store)
        row = _node_child("c")._replace(created_at=LATER)
        await _open(store, row)
        assert await claimed(store) == ["c"]

        again = await _open(store, row)

        assert again.of(OPENED_NODES) == {_opened("c")}
        assert again.of(NODE_CHILDREN) == frozenset()

    async def test_a_child_of_a_paused_workflow_that_was_claimed_does_not_begin_again(
        self, store: Store
    ) -> None:
        """It was to begin here, and was inserted without an owner; the answer was lost."""
        await _begin(store)
        row = _node_child("c")._replace(owner="r1")
        await store.pause_workflow(WORKFLOW, act(), None)
        await _start(store, row)
        await store.resume_workflow(WORKFLOW, act("go"))
        assert await claimed(store) == ["c"]

        again = await _start(store, row)

        assert again.of(NODE_CHILDREN) == frozenset()

    async def test_a_node_of_a_run_that_ends_in_the_same_commit_does_not_wait(
        self, store: Store
    ) -> None:
        """Its child is there, and is cancelled as the other children of a run that fails."""
        await _begin(store)
        end = run_end("p", status=RunStatus.FAILED)

        committed = await _open(store, _node_child("c"), end=end)

        assert committed.of(OPENED_NODES) == {_opened("c")}
        assert (await stored(store, "p")).status == "Failed"
        assert await store.load_attempts(["p"]) == []
        assert await store.waits(["p"]) == []
        assert (await stored(store, "c")).status == "Pending"
        assert (await store.news("r1", [], 9)).parents == [Parent("p", "", end.ended_at, 1)]
        assert await store.children_under_way(["p"], 9) == [("p", "c")]

    # -- parents that fail -------------------------------------------------------------------

    async def test_a_run_that_fails_cancels_the_children_for_which_it_waited(
        self, store: Store
    ) -> None:
        await _begin(store, child("c"), new_run("d", parent="p"), child("b", owner=None))

        await _end_parent(store, RunStatus.FAILED)

        parent = Parent("p", "", NOW + 9, 1)
        assert (await store.news("r1", [], 9)).parents == [parent]
        assert await store.ended_parents(["p"]) == [parent]
        assert await store.children_under_way(["p"], 9) == [("p", "b"), ("p", "c")]
        assert await store.descendants_under_way(["p"], 9) == []
        assert await store.stopped_with_parents(["b", "c", "d"]) == [
            StoppedWithParent("b", "p", "", 1),
            StoppedWithParent("c", "p", "", 1),
        ]

        await store.cancel(["b", "c"], act("x"), DEADLINE, children=True, parent_id="p")
        await store.forget_children(["p"])

        assert (await stored(store, "b")).status == RunStatus.CANCELLED
        assert (await stored(store, "c")).status == RunStatus.CANCELLING
        assert (await stored(store, "d")).status == RunStatus.RUNNING
        assert (await store.news("r1", [], 9)).parents == []

    @pytest.mark.parametrize("status", [RunStatus.COMPLETED, RunStatus.FAILED])
    async def test_a_run_cancels_no_child_that_it_did_not_wait_for(
        self, store: Store, status: RunStatus
    ) -> None:
        awaited = [child("c")] if status == RunStatus.COMPLETED else []
        await _begin(store, new_run("d", parent="p"), *awaited)

        await _end_parent(store, status)

        assert (await store.news("r1", [], 9)).parents == []

    async def test_a_parent_that_is_cancelled_or_fails_elsewhere_is_not_marked_as_failed(
        self, store: Store
    ) -> None:
        await _begin(store, child("c"))
        await store.register(runner("r2"))

        await _end_parent(store, RunStatus.FAILED, runner_id="r2")
        assert (await store.news("r1", [], 9)).parents == []
        await store.cancel(["p"], act(because="told to"), DEADLINE, children=True)
        await _end_parent(store, RunStatus.FAILED)

        assert await store.ended_parents(["p"]) == [Parent("p", "told to", DEADLINE)]

    async def test_a_run_that_has_ended_gets_no_child_to_wait_for(self, store: Store) -> None:
        await _begin(store)
        await _end_parent(store, RunStatus.FAILED)

        committed = await submit(store, child("c")._replace(idempotency_key="p::load::1"))

        assert committed.refused == {"c"}
        assert await store.get_run("c") is None

    async def test_a_next_round_of_the_parent_cancels_nothing(self, store: Store) -> None:
        await _begin(store, child("c"))
        await _end_parent(store, RunStatus.FAILED)
        await store.cancel(["c"], act("x"), DEADLINE, children=True, parent_id="p")
        await store.forget_children(["p"])

        acted = await store.retry([Reopening("p", 1, {}, "0123456789abcdef")], act("again"))

        assert acted["p"].changed
        assert await store.stopped_with_parents(["c"]) == []

    # -- depth -------------------------------------------------------------------------------

    async def test_the_runs_above_a_run_are_counted(self, store: Store) -> None:
        await _begin(store, child("c"), child("d", parent="c"), child("e", parent="d"))

        found = [await store.runs_above(each, 2) for each in ("p", "c", "d", "e", "x")]

        assert found == [0, 1, 2, 2, 0]


async def _begin(store: Store, *children: NewRun) -> None:
    """A parent of a runner, and its children."""
    await store.register(runner("r1"))
    await submit(store, new_run("p"))
    for each in children:
        await submit(store, each)


def _node_child(
    run_id: str,
    *,
    tags: str = "{}",
    priority: int = 0,
    time_limit: int | None = None,
    deadline_at: int | None = None,
) -> NodeChild:
    """The child of a node of the parent."""
    return NodeChild(
        run_id="p",
        id=run_id,
        workflow=WORKFLOW,
        version="0123456789abcdef",
        input='{"n":1}',
        tags=tags,
        idempotency_key=f"p::sub::{run_id}",
        created_at=NOW,
        priority=priority,
        time_limit=time_limit,
        deadline_at=deadline_at,
    )


async def _start(
    store: Store, child: NodeChild, *, epoch: int = 1, runner_id: str = "r1"
) -> Committed:
    """Commit the child of a node."""
    rows = NODE_CHILDREN.rows([child])
    return await store.commit(Batch(runner_id, [], [], [], {"p": epoch}, rows=rows))


def _opened(run_id: str) -> OpenedNode:
    """The node of the parent that opens with this child."""
    return OpenedNode("p", "sub", 1, NOW, run_id, '{"n":1}', 0)


async def _open(
    store: Store, child: NodeChild, *, end: RunEnd | None = None, runner_id: str = "r1"
) -> Committed:
    """Commit a node that opens with its child."""
    rows = {
        **NODE_CHILDREN.rows([child._replace(replacements=0)]),
        **OPENED_NODES.rows([_opened(child.id)]),
    }
    ends = [] if end is None else [end]
    if end is not None:
        rows |= FAILED_PARENTS.rows([FailedParent("p")])
    return await store.commit(Batch(runner_id, [], [], ends, {"p": 1}, rows=rows))


async def _end(
    store: Store,
    run_id: str,
    *,
    status: RunStatus = RunStatus.COMPLETED,
    epoch: int = 1,
    runner_id: str = "r1",
) -> Committed:
    """Commit the end of a run, of which its parent is to be told."""
    end = run_end(run_id, epoch=epoch, status=status)
    rows = TOLD_ENDS.rows([ToldEnd(run_id)])
    return await store.commit(Batch(runner_id, [], [], [end], {run_id: epoch}, rows=rows))


async def _end_parent(store: Store, status: RunStatus, *, runner_id: str = "r1") -> None:
    """Commit the end of the parent, which may have waited for children."""
    rows = FAILED_PARENTS.rows([FailedParent("p")])
    end = run_end("p", status=status)
    await store.commit(Batch(runner_id, [], [], [end], {"p": 1}, rows=rows))


def _end_of(run_id: str, at: int, *, status: str = "Completed", number: int = 0) -> MessageRow:
    """The message of the first end of a child."""
    return MessageRow(
        run_id="p",
        number=number,
        id=f"{run_id}:1",
        kind=RUN,
        name=run_id,
        payload=f'{{"round":1,"status":"{status}"}}',
        dedupe_key=None,
        sent_by=None,
        sent_at=at,
        taken_by=None,
    )
