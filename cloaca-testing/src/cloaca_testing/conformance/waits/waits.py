"""Contract of waits: what tasks of a run wait for, until it comes or their time is over."""

from __future__ import annotations

import pytest

from cloaca_core.assembly.store import Store
from cloaca_core.errors import StoreDataError
from cloaca_core.features.steering.records import Reopening
from cloaca_core.features.upkeep.records import Shift
from cloaca_core.features.waits.records import TIMEOUTS
from cloaca_core.run.rows import Park
from cloaca_core.store.batch import Committed
from cloaca_core.values.states import RunStatus, TaskStatus
from cloaca_core.values.waits import NEVER, SLEEP
from cloaca_testing.conformance.commits import (
    batch_with,
    claimed,
    note,
    park,
    record,
    stored,
    submit,
)
from cloaca_testing.conformance.rows import (
    LATER,
    NOW,
    WORKFLOW,
    act,
    approval,
    attempt,
    closed,
    memo,
    message,
    new_run,
    run_end,
    runner,
    timeout,
    wait,
)

MOST = 10_000


class WaitConformance:
    """Part of ``StoreConformance``."""

    async def test_open_waits_of_runs_are_read_by_their_keys(self, store: Store) -> None:
        await _owned(store, "a", "b", "c")
        in_order = [
            wait("a", "Z", task_id="body", number=2, due_at=LATER),
            wait("a", "Z", task_id="body", number=10)._replace(input_hash="h", attempt=3),
            wait("a", "é", task_id="body", number=1),
            approval("a")._replace(detail='{"prompt":"Pay?"}'),
            wait("b", "", kind=SLEEP, task_id="nap", due_at=LATER),
        ]

        await note(store, *reversed(in_order), wait("c"))

        assert await store.waits(["b", "a", "x"]) == in_order

    async def test_a_wait_replaces_one_with_its_key(self, store: Store) -> None:
        await _owned(store, "a")
        await note(store, wait("a", due_at=LATER, timed_out=1))
        later = wait("a", attempt=2, opened_at=LATER)._replace(input_hash="h", detail='{"x":1}')

        for _ in range(2):
            await note(store, later)

        assert await store.waits(["a"]) == [later]

    async def test_a_wait_that_is_closed_is_gone(self, store: Store) -> None:
        await _owned(store, "a")
        others = [wait("a", number=2), wait("a", "other")]
        await note(store, wait("a"), *others)

        for _ in range(2):
            committed = await note(store, closed=[closed(wait("a"))])

        assert committed.current == {"a"}
        assert await store.waits(["a"]) == [wait("a", "other"), wait("a", number=2)]

    async def test_a_wait_ends_before_the_next_one_of_its_key_begins(self, store: Store) -> None:
        await _owned(store, "a")
        await note(store, wait("a"))

        await note(store, wait("a", opened_at=LATER), closed=[closed(wait("a"))])

        assert await store.waits(["a"]) == [wait("a", opened_at=LATER)]

    async def test_only_the_owner_writes_waits(self, store: Store) -> None:
        await _owned(store, "a")
        await store.register(runner("r2"))
        await note(store, wait("a"))
        await store.send(message("m"), MOST)

        async def try_all(runner_id: str = "r1", epoch: int = 1) -> Committed:
            ends, over = [closed(wait("a"), "m")], [timeout(wait("a"), 1)]
            new = wait("a", "x")
            return await note(
                store, new, closed=ends, timeouts=over, epoch=epoch, runner_id=runner_id
            )

        assert not (await try_all("r2")).current
        assert not (await try_all(epoch=2)).current
        await store.fence("r1", 0)
        fenced = await try_all()

        assert (fenced.current, fenced.of(TIMEOUTS)) == (frozenset(), frozenset())
        assert await store.waits(["a"]) == [wait("a")._replace(answered=1)]
        assert [each.number for each in await store.messages(["a"])] == [1]

    async def test_a_wait_that_cannot_be_stored_fails_its_batch(self, store: Store) -> None:
        await _owned(store, "a")

        with pytest.raises(StoreDataError):
            await note(store, wait("a"), wait("a", "x")._replace(detail='"\ud800"'))

        assert await store.waits(["a"]) == []

    async def test_waits_come_with_attempts_memos_and_a_park(self, store: Store) -> None:
        await _owned(store, "a")
        mark, kept = attempt("a", status=TaskStatus.RUNNING), memo("a")
        parks = [Park("a", LATER, NOW)]

        await store.commit(
            batch_with("r1", [], [mark], [], {"a": 1}, memos=[kept], waits=[wait("a")], parks=parks)
        )

        assert await store.load_attempts(["a"]) == [mark]
        assert await store.memos("a", "load") == [kept]
        assert await store.waits(["a"]) == [wait("a")]
        assert (await stored(store, "a")).status == RunStatus.WAITING

    async def test_a_run_that_has_ended_waits_for_nothing(self, store: Store) -> None:
        await _owned(store, "a", "b")
        await note(store, approval("a"), approval("b"))
        await record(store, ends=[run_end("a")])
        await store.release("r1", ())
        await store.cancel(["b"], act(), LATER, children=False)

        assert await store.waits(["a", "b"]) == []
        assert await store.open_approvals(9) == []

    async def test_the_next_owner_finds_what_a_run_waits_for(self, store: Store) -> None:
        await _owned(store, "a")
        await note(store, wait("a"))
        await store.release("r1", ())

        assert await claimed(store) == ["a"]

        assert await store.waits(["a"]) == [wait("a")]

    async def test_a_run_that_is_cancelled_without_an_owner_leaves_no_waits(
        self, store: Store
    ) -> None:
        await _owned(store, "a", "b")
        await note(store, approval("a"), approval("b"))
        await park(store, "a", NEVER)

        await store.cancel(["a", "b"], act(), LATER, children=False)

        assert (await store.weigh_trees(["a"])).rows == 2  # the run and the act
        assert (await store.weigh_trees(["b"])).rows == 3
        assert await store.waits(["b"]) == [approval("b")]

    async def test_a_run_that_ends_as_its_owner_gives_it_up_leaves_no_waits(
        self, store: Store
    ) -> None:
        await _owned(store, "a")
        await note(store, approval("a"))
        await store.cancel(["a"], act(), LATER, children=False)

        await store.release("r1", ())

        assert (await store.weigh_trees(["a"])).rows == 2  # the run and the act

    # -- timeouts ----------------------------------------------------------------------------

    async def test_the_time_of_a_wait_is_over_once_it_is_decided(self, store: Store) -> None:
        await _owned(store, "a")
        await note(store, wait("a", due_at=NOW), wait("a", "other"))
        over = timeout(wait("a"))

        for _ in range(2):
            assert (await note(store, timeouts=[over])).of(TIMEOUTS) == {over}

        timed_out = wait("a", due_at=NOW, timed_out=1)
        assert await store.waits(["a"]) == [wait("a", "other"), timed_out]

    async def test_a_message_that_its_owner_has_not_seen_comes_before_a_timeout(
        self, store: Store
    ) -> None:
        await _owned(store, "a")
        await note(store, wait("a", due_at=NOW))
        await store.send(message("m"), MOST)

        committed = await note(store, timeouts=[timeout(wait("a"))])

        assert (committed.of(TIMEOUTS), committed.messages) == (frozenset(), {"a": 1})
        assert await store.waits(["a"]) == [wait("a", due_at=NOW)._replace(answered=1)]
        seen = timeout(wait("a"), seen=1)
        assert (await note(store, timeouts=[seen])).of(TIMEOUTS) == {seen}

    async def test_a_message_after_a_timeout_ends_nothing(self, store: Store) -> None:
        await _owned(store, "a")
        await note(store, wait("a", due_at=NOW))
        await note(store, timeouts=[timeout(wait("a"))])

        sent = await store.send(message("m"), MOST)

        assert sent is not None
        assert sent.changed
        assert [each.taken_by for each in await store.messages(["a"])] == [None]

    async def test_the_timeout_of_a_wait_that_is_not_there_is_none(self, store: Store) -> None:
        await _owned(store, "a")

        assert not (await note(store, timeouts=[timeout(wait("a"))])).of(TIMEOUTS)
        assert await store.waits(["a"]) == []

    # -- parks -------------------------------------------------------------------------------

    async def test_a_run_with_a_message_that_its_owner_has_not_seen_does_not_wait(
        self, store: Store
    ) -> None:
        await _owned(store, "a", "b")
        for run_id in ("a", "b"):
            await note(store, wait(run_id))
            await store.send(message("m", run_id), MOST)

        await park(store, "a", NEVER)
        await park(store, "b", NEVER, seen=1)

        assert (await stored(store, "a")).status == RunStatus.RUNNING
        assert (await stored(store, "b")).status == RunStatus.WAITING
        assert await claimed(store) == ["a"]

    async def test_one_that_is_paused_stays_so(self, store: Store) -> None:
        await _owned(store, "a")
        await store.pause(["a"], act(), None, children=False)
        await store.send(message("m"), MOST)

        await park(store, "a", NEVER)

        run = await stored(store, "a")
        assert (run.status, run.due_at) == (RunStatus.PAUSED, None)
        assert await claimed(store) == []
        await store.resume(["a"], act("y"))
        assert await claimed(store) == ["a"]

    async def test_a_run_that_waits_for_a_message_alone_never_comes_due(self, store: Store) -> None:
        await _owned(store, "a", "b")
        await park(store, "a", NEVER)
        await park(store, "b", LATER)

        assert await store.next_due_run([WORKFLOW]) == LATER
        assert await store.make_due_claimable([WORKFLOW], NEVER, 9) == 1
        assert await store.next_due_run([WORKFLOW]) is None
        assert (await store.news("r1", [WORKFLOW], 9)).next_timer is None
        assert await store.make_claimable_after_set_back([WORKFLOW], NOW - 100, 9) == 0
        run = await stored(store, "a")
        assert (run.status, run.due_at) == (RunStatus.WAITING, NEVER)

    async def test_it_waits_on_after_a_pause(self, store: Store) -> None:
        await _owned(store, "a")
        await park(store, "a", NEVER)
        await store.pause(["a"], act(), None, children=False)

        await store.resume(["a"], act("y"))

        assert (await stored(store, "a")).status == RunStatus.WAITING
        assert await claimed(store) == []

    # -- rounds, deletion --------------------------------------------------------------------

    async def test_tasks_that_begin_anew_wait_for_nothing(self, store: Store) -> None:
        await _owned(store, "a", "b")
        await note(store, wait("a"), wait("b"))
        await store.send(message("m"), MOST)
        await record(store, ends=[run_end("a", status="Failed")])

        for _ in range(2):
            await store.retry([Reopening("a", 1, {"paid": 2})], act())

        assert await store.waits(["a", "b"]) == [wait("b")]
        assert [each.id for each in await store.messages(["a"])] == ["m"]

    async def test_a_retry_that_does_nothing_leaves_waits(self, store: Store) -> None:
        await _owned(store, "a")
        await note(store, wait("a"))

        await store.retry([Reopening("a", 1, {"paid": 2})], act())

        assert await store.waits(["a"]) == [wait("a")]

    async def test_waits_and_messages_are_counted_and_deleted_with_their_run(
        self, store: Store
    ) -> None:
        shift = await _ended_with_waits(store)
        assert (await store.weigh_trees(["a"])).rows == 9
        await store.hide_trees(shift, ["a"], NOW + 10, LATER)

        (doomed,) = await store.doomed_runs(9, 9)

        assert doomed.rows == 9
        assert await store.erase_runs(shift, ["a"]) == 9
        assert await store.sent("a", 9) == []
        assert len(await store.sent("b", 9)) == 1
        assert await store.waits(["b"]) == [wait("b")._replace(answered=1)]

    async def test_many_waits_and_messages_are_deleted_bit_by_bit(self, store: Store) -> None:
        shift = await _ended_with_waits(store)
        await store.hide_trees(shift, ["a"], NOW + 10, LATER)

        assert [await store.trim_run(shift, "a", 2) for _ in range(3)] == [6, 2, 0]

        assert await store.sent("a", 9) == []
        assert len(await store.sent("b", 9)) == 1
        assert await store.waits(["b"]) == [wait("b")._replace(answered=1)]


async def _owned(store: Store, *run_ids: str) -> None:
    """Runs of the runner ``r1``."""
    await store.register(runner("r1"))
    await submit(store, *map(new_run, run_ids))


async def _ended_with_waits(store: Store) -> Shift:
    """A run ``a`` that has ended with two waits, three messages and their acts, beside ``b``, which
    goes on with one of each; who may delete them.
    """
    await _owned(store, "a", "b")
    await note(store, wait("a"), wait("a", "other"), wait("b"))
    for number in range(3):
        await store.send(message(f"m{number}"), MOST)
    await store.send(message("m", "b"), MOST)
    await record(store, ends=[run_end("a")])
    shift = Shift("h", LATER)
    assert await store.take_upkeep(shift, NOW, 2**61, 2**61)
    return shift
