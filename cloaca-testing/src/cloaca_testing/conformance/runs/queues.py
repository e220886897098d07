"""Contract of queues: who claims from them, and how a run moves to another one."""

from __future__ import annotations

from cloaca_core.assembly.store import Store
from cloaca_core.features.queues.records import IN_QUEUES, Backlog, InQueue, Overdue, QueueLoad
from cloaca_core.features.steering.records import Reopening
from cloaca_core.run.rows import Park
from cloaca_core.store.batch import Batch, Committed
from cloaca_core.values.definition_rows import DefinitionRow
from cloaca_core.values.queue_names import DEFAULT_QUEUE, PlannedQueue
from cloaca_core.values.states import RunStatus
from cloaca_testing.conformance.commits import back_fill, fire, fire_events, record, stored, submit
from cloaca_testing.conformance.rows import (
    LATER,
    NOW,
    WORKFLOW,
    act,
    attempt,
    new_event,
    new_fork,
    new_run,
    new_tick,
    run_end,
    runner,
    schedule,
    trigger_row,
)

GPU = "gpu"


class QueueConformance:
    """Part of ``StoreConformance``."""

    # -- queues ------------------------------------------------------------------------------

    async def test_a_claim_takes_runs_of_its_queues_in_the_order_of_all(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(
            store,
            new_run("a", owner=None, created_at=NOW + 3),
            new_run("b", owner=None, queue=GPU, created_at=NOW + 2),
            new_run("c", owner=None, queue="tape", priority=9),
            new_run("d", owner=None, queue=GPU, created_at=NOW + 4),
        )

        assert not await store.has_claimable("r1", [WORKFLOW], ["none"])
        assert await store.has_claimable("r1", [WORKFLOW], ["none", GPU])
        assert await store.claim("r1", [WORKFLOW], 9, LATER, 0, ["none"]) == []
        two = await store.claim("r1", [WORKFLOW], 2, LATER, 0, [GPU, DEFAULT_QUEUE])
        assert [(run.id, run.queue) for run in two] == [("a", DEFAULT_QUEUE), ("b", GPU)]
        rest = await store.claim("r1", [WORKFLOW], 9, LATER, 1, [GPU, DEFAULT_QUEUE])
        assert [run.id for run in rest] == ["d"]
        assert not await store.has_claimable("r1", [WORKFLOW])

    async def test_a_run_keeps_the_queue_that_was_asked_for(self, store: Store) -> None:
        await store.register(runner("r1"))
        new = new_run("a", queue="cpu", asked_queue=GPU)
        await submit(store, new, new_run("b"))
        await store.insert_when_free(new_run("c", key="k", queue=GPU, asked_queue=GPU))
        await store.fork(new_fork("f", "a"), act())

        rows = [await stored(store, run_id) for run_id in ("a", "b", "c", "f")]
        assert [(row.queue, row.asked_queue) for row in rows] == [
            ("cpu", GPU),
            (DEFAULT_QUEUE, None),
            (GPU, GPU),
            (GPU, GPU),  # as a run that is submitted so, not where its source is
        ]
        assert rows[0].owner == "r1"

    async def test_a_run_that_is_begun_again_and_a_fork_are_where_runs_of_theirs_begin(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        row = DefinitionRow(WORKFLOW, "1", "orders", "{}", NOW, None, "cpu", ("cpu", GPU))
        await store.record_definitions([row])
        await submit(store, new_run("a", queue=GPU), new_run("b", queue=GPU, workflow="unknown"))
        await record(store, ends=[run_end(each, status=RunStatus.FAILED) for each in "ab"])

        await store.fork(new_fork("f", "a"), act("fork"))
        await store.retry([Reopening("a", 1, {}), Reopening("b", 1, {})], act("again"))

        assert [(await stored(store, each)).queue for each in "abf"] == ["cpu", GPU, "cpu"]

    async def test_a_run_that_is_begun_again_and_a_fork_are_where_they_were_planned(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await store.note_queue(WORKFLOW, GPU)
        runs = [new_run(each) for each in "ab"]
        await submit(store, *runs, new_run("c", asked_queue="night"), new_run("d"))
        for each in "ad":
            rows = IN_QUEUES.rows([InQueue(each, GPU, LATER)])
            await store.commit(Batch("r1", [], [], [], {each: 1}, rows=rows))
        await record(store, ends=[run_end(each, status=RunStatus.FAILED) for each in "abc"])
        own, usual = PlannedQueue(GPU, "big"), PlannedQueue(None, "big")

        await store.retry(
            [
                Reopening(each, 1, {}, queue=queue)
                for each, queue in zip("abcd", (own, usual, usual, own), strict=True)
            ],
            act("again"),
        )
        for each, source, queue in (("f", "b", own), ("g", "b", usual), ("h", "c", usual)):
            fork = new_fork(each, source)._replace(queue=queue, round=2)
            await store.fork(fork, act(each))

        assert {each: (await stored(store, each)).queue for each in "abcdfgh"} == {
            "a": GPU,
            "b": "big",
            "c": "night",
            "d": GPU,
            "f": GPU,
            "g": "big",
            "h": "night",
        }
        assert await store.first_overdue([WORKFLOW], [DEFAULT_QUEUE], 9) == []

    async def test_a_run_moves_in_the_commit_that_records_what_led_to_it(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await store.register(runner("r2"))
        await submit(store, new_run("a"), new_run("b"))

        await _move(store, "a", begun=1)
        await _move(store, "b", begun=0)

        rows = [await stored(store, run_id) for run_id in ("a", "b")]
        assert [(row.queue, row.owner, row.epoch, row.due_at) for row in rows] == [
            (GPU, None, 2, None),
            (GPU, None, 2, None),
        ]
        assert [(row.status, row.started_at) for row in rows] == [
            (RunStatus.RUNNING, NOW),
            (RunStatus.PENDING, None),
        ]
        assert [row.task_id for row in await store.load_attempts(["a"])] == ["load"]
        assert not await store.has_claimable("r2", [WORKFLOW])
        claimed = await store.claim("r2", [WORKFLOW], 9, LATER, 0, [GPU])
        since = {run.id: (run.owner, run.epoch, run.claimable_at) for run in claimed}
        assert since == {"a": ("r2", 3, LATER), "b": ("r2", 3, NOW)}

    async def test_a_run_that_stays_with_its_owner_is_put_into_another_queue(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"), new_run("b"))
        rows = IN_QUEUES.rows([InQueue("a", "cpu"), InQueue("a", GPU, LATER), InQueue("b", GPU)])

        await store.commit(Batch("r1", [], [], [], {"a": 1, "b": 2}, rows=rows))

        a, b = [await stored(store, run_id) for run_id in ("a", "b")]
        assert [(row.queue, row.owner, row.epoch) for row in (a, b)] == [
            (GPU, "r1", 1),
            (DEFAULT_QUEUE, "r1", 1),  # it is not this owner's any more
        ]
        await store.note_queue(WORKFLOW, GPU)
        await store.release("r1", [])
        assert await store.first_overdue([WORKFLOW], [DEFAULT_QUEUE], 9) == [Overdue(LATER, "a")]

    async def test_a_batch_with_a_move_that_is_sent_again_changes_nothing(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await store.register(runner("r2"))
        await submit(store, new_run("a"))
        await _move(store, "a")
        await store.claim("r2", [WORKFLOW], 9, LATER, 0, [GPU])
        before = await stored(store, "a")

        again = await _move(store, "a")

        assert again.current == frozenset()
        assert await stored(store, "a") == before

    async def test_a_run_that_is_to_be_cancelled_stays_and_a_paused_one_moves(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"), new_run("b"))
        await store.cancel(["a"], act("x"), NOW + 9, children=True)
        await store.pause(["b"], act("y"), None, children=True)

        committed = await _move(store, "a")
        await _move(store, "b")

        a, b = [await stored(store, run_id) for run_id in ("a", "b")]
        assert committed.stop_requests == {"a": RunStatus.CANCELLED}
        assert (a.owner, a.queue, a.epoch) == ("r1", DEFAULT_QUEUE, 1)
        assert (b.owner, b.queue, b.status) == (None, GPU, RunStatus.PAUSED)

    async def test_a_dead_runner_leaves_its_runs_in_their_queues(self, store: Store) -> None:
        await store.register(runner("r1"))
        await store.register(runner("r2"))
        await submit(store, new_run("a", queue=GPU))
        await store.fence("r1", 0)
        await store.take_over("r1", 9)

        assert await store.claim("r2", [WORKFLOW], 9, LATER) == []
        assert [run.id for run in await store.claim("r2", [WORKFLOW], 9, LATER, 0, [GPU])] == ["a"]

    async def test_runs_that_are_made_in_the_table_begin_in_the_queue_of_their_workflow(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        row = DefinitionRow(WORKFLOW, "1", "orders", "{}", NOW, None, GPU, ("cpu", GPU))
        await store.record_definitions([row])
        await store.put_schedule(schedule())
        await store.add_trigger(trigger_row())

        await fire(store, new_tick("s", "a"))
        await fire_events(store, new_event("b"))

        assert [(await stored(store, run_id)).queue for run_id in ("a", "b")] == [GPU, GPU]
        (newest,) = await store.newest_definitions([WORKFLOW])
        assert newest.queue == GPU
        await store.record_definitions([row._replace(queue=DEFAULT_QUEUE)])
        assert (await store.newest_definitions([WORKFLOW]))[0].queue == DEFAULT_QUEUE

    async def test_the_run_of_a_tick_begins_in_the_queue_of_its_schedule(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        row = DefinitionRow(WORKFLOW, "1", "orders", "{}", NOW, None, "cpu", ("cpu",))
        await store.record_definitions([row])
        await store.put_schedule(schedule()._replace(queue=GPU))

        await fire(store, new_tick("s", "a")._replace(queue=GPU, asked_queue=GPU))
        filled = new_tick("s", "b", tick=NOW - 1)._replace(queue="big", asked_queue=GPU)
        await back_fill(store, filled)

        rows = [await stored(store, run_id) for run_id in ("a", "b")]
        assert [(row.queue, row.asked_queue) for row in rows] == [(GPU, GPU), ("big", GPU)]
        # The schedule has noted its queue: a claim of all queues looks there.
        assert [run.id for run in await store.claim("r1", [WORKFLOW], 9, LATER)] == ["a"]

    async def test_a_claim_of_all_queues_finds_those_that_were_noted_for_its_workflows(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await store.note_queue(WORKFLOW, "tape")
        await store.note_queue(WORKFLOW, "tape")
        await store.keep_definition(DefinitionRow("w", "1", "w", "{}", NOW, queues=(GPU,)))
        await submit(
            store,
            new_run("a", owner=None, queue="tape", created_at=NOW + 2),
            new_run("b", owner=None, created_at=NOW + 1),
            new_run("c", owner=None, queue=GPU, workflow="w", created_at=NOW + 3),
            new_run("d", owner=None, queue="cpu", priority=9),
        )

        assert await store.has_claimable("r1", ["w"])
        first = await store.claim("r1", [WORKFLOW, "w"], 1, LATER)
        rest = await store.claim("r1", [WORKFLOW, "w"], 9, LATER, 1)
        assert [run.id for run in (*first, *rest)] == ["b", "a", "c"]
        assert not await store.has_claimable("r1", [WORKFLOW, "w"])

    async def test_runs_whose_limits_pass_in_other_queues_are_found_and_taken(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        for name in (GPU, "tape"):
            await store.note_queue(WORKFLOW, name)
        await submit(store, *[new_run(each) for each in "abcdef"], new_run("g", workflow="w"))
        await _park(store, "a", overdue_at=NOW + 3)
        await _park(store, "b", overdue_at=NOW + 1, queue="tape")
        await _park(store, "c", overdue_at=NOW + 2, queue=DEFAULT_QUEUE)
        await _park(store, "d", overdue_at=NOW + 1, due_at=LATER)
        await _park(store, "e")
        await _park(store, "f", overdue_at=NOW + 9)
        await _park(store, "g", overdue_at=NOW + 1, queue=DEFAULT_QUEUE)

        both = await store.first_overdue([WORKFLOW], [DEFAULT_QUEUE], 9)
        assert both == [Overdue(NOW + 1, "b"), Overdue(NOW + 3, "a"), Overdue(NOW + 9, "f")]
        assert await store.first_overdue([WORKFLOW], [DEFAULT_QUEUE], 1) == both[:1]
        assert await store.first_overdue([WORKFLOW], [GPU, "tape"], 9) == [Overdue(NOW + 2, "c")]
        assert await store.first_overdue(["w"], [DEFAULT_QUEUE], 9) == []

        await store.claim("r1", [WORKFLOW], 1, LATER, 0, ["tape"])
        await store.bring_overdue(["a", "b", "d", "f"], DEFAULT_QUEUE, NOW + 3)
        assert {run_id: (await stored(store, run_id)).queue for run_id in "abdf"} == {
            "a": DEFAULT_QUEUE,
            "b": "tape",
            "d": GPU,
            "f": GPU,
        }
        assert await store.first_overdue([WORKFLOW], [], 9) == [
            Overdue(NOW + 2, "c"),
            Overdue(NOW + 9, "f"),
        ]
        claimed = await store.claim("r1", [WORKFLOW], 9, LATER, 0, [DEFAULT_QUEUE])
        assert {run.id: run.claimable_at for run in claimed}["a"] == NOW + 3

    async def test_no_run_of_a_paused_workflow_is_taken_for_its_limit(self, store: Store) -> None:
        await store.register(runner("r1"))
        await store.note_queue(WORKFLOW, GPU)
        await submit(store, new_run("a"))
        await _park(store, "a", overdue_at=NOW)
        await store.pause_workflow(WORKFLOW, act(), None)

        assert await store.first_overdue([WORKFLOW], [DEFAULT_QUEUE], 9) == []
        await store.bring_overdue(["a"], DEFAULT_QUEUE, NOW)
        assert (await stored(store, "a")).queue == GPU

    async def test_loads_count_what_waits_and_what_runs_in_each_queue(self, store: Store) -> None:
        assert await store.queue_loads(9) == []
        await store.register(runner("r1"))
        await submit(
            store,
            new_run("a", owner=None, created_at=NOW + 2),
            new_run("b", owner=None, queue=GPU, created_at=NOW + 3),
            new_run("c", owner=None, queue=GPU, workflow="w", created_at=NOW + 1),
            new_run("d", owner=None, queue=GPU, workflow="w", created_at=NOW + 4),
            new_run("e", queue=GPU),
            new_run("f", owner=None, due_at=LATER),
            new_run("g", owner=None, workflow="paused"),
        )
        await store.pause_workflow("paused", act(), None)

        assert await store.queue_loads(9) == [
            QueueLoad(DEFAULT_QUEUE, 1, 0, NOW + 2),
            QueueLoad(GPU, 3, 1, NOW + 1),
        ]
        assert [load.waiting for load in await store.queue_loads(1)] == [1, 2]
        assert await store.backlogs(9) == [
            Backlog(WORKFLOW, DEFAULT_QUEUE, 1, NOW + 2),
            Backlog(WORKFLOW, GPU, 1, NOW + 3),
            Backlog("w", GPU, 2, NOW + 1),
        ]
        assert [each.waiting for each in await store.backlogs(1)] == [1, 1, 1]
        assert (await store.gauges()).queues == {DEFAULT_QUEUE: 1, GPU: 3}

    async def test_a_runner_tells_which_queues_it_serves(self, store: Store) -> None:
        await store.register(runner("r1"))
        await store.register(runner("r2", started_at=LATER, queues='["gpu"]'))

        assert [row.queues for row in await store.runners()] == [None, '["gpu"]']


async def _move(store: Store, run_id: str, *, begun: int = 1) -> Committed:
    """Commit an attempt of a run of the first runner, and that it moves to the queue."""
    park = Park(run_id, None, LATER, begun=begun, queue=GPU)
    rows = [attempt(run_id)] if begun else []
    return await store.commit(Batch("r1", [], rows, [], {run_id: 1}, parks=[park]))


async def _park(
    store: Store,
    run_id: str,
    *,
    overdue_at: int | None = None,
    queue: str = GPU,
    due_at: int | None = None,
) -> None:
    """Commit that a run of the first runner waits in a queue, and when its time limit passes."""
    park = Park(run_id, due_at, NOW, queue=queue, overdue_at=overdue_at)
    await store.commit(Batch("r1", [], [], [], {run_id: 1}, parks=[park]))
