"""Contract of runs that are cancelled because they have not begun in time."""

from __future__ import annotations

from cloaca_core.assembly.store import Store
from cloaca_core.features.steering.records import Reopening
from cloaca_core.store.acts import Acted
from cloaca_core.values.states import ReasonCode, RunStatus
from cloaca_testing.conformance.commits import claimed, stored, submit
from cloaca_testing.conformance.rows import (
    LATER,
    NOW,
    act,
    new_run,
    overdue,
    runner,
)

DEADLINE = LATER + 30


class StartLimitConformance:
    """Part of ``StoreConformance``."""

    async def test_runs_that_have_not_begun_in_time_are_told_by_their_instants(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(
            store,
            new_run("a", owner=None, start_by=NOW + 5),
            new_run("b", owner=None, start_by=NOW + 3, workflow="public::embedded::x"),
            new_run("c", due_at=LATER, start_by=NOW + 4),
            new_run("begun", start_by=NOW),
            new_run("free", owner=None),
        )

        assert await store.not_begun(NOW + 2, 9) == []
        assert await store.not_begun(NOW + 5, 9) == ["b", "c", "a"]
        assert await store.not_begun(NOW + 5, 2) == ["b", "c"]
        assert (await store.news("r1", [], 9)).next_timer == NOW + 3

    async def test_a_run_that_has_not_begun_in_time_is_cancelled(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(
            store,
            new_run("due", due_at=LATER, start_by=NOW),
            overdue("paused"),
            new_run("early", owner=None, start_by=NOW + 1),
            new_run("free", owner=None),
            new_run("begun", start_by=NOW),
        )
        await store.pause(["paused"], act("x"), None, children=True)

        ids = ["due", "paused", "early", "free", "begun", "none"]
        late = act("y", because="too late", now=NOW)
        answers = [await store.expire(ids, late) for _ in range(2)]

        cancelled = Acted(RunStatus.CANCELLED, True)
        assert answers == [{"due": cancelled, "paused": cancelled}] * 2
        run = await stored(store, "due")
        assert (run.status, run.error_message, run.reason_code, run.ended_at) == (
            RunStatus.CANCELLED,
            "too late",
            ReasonCode.EXPIRED,
            NOW,
        )
        assert (run.final_context, run.started_at, run.due_at) == (run.input, None, None)
        assert await store.not_begun(NOW, 9) == []
        assert [(row.kind, row.changed) for row in await store.acts("due", 9)] == [("expire", 1)]
        assert await store.acts("free", 9) == []
        assert (await stored(store, "begun")).status == RunStatus.RUNNING

    async def test_a_run_that_has_not_begun_in_time_is_not_claimed(self, store: Store) -> None:
        """By the clock of the store."""
        await store.register(runner("r1"))
        now, hour = await store.now(), 3_600_000_000
        await submit(
            store,
            new_run("late", owner=None, start_by=now - hour),
            new_run("early", owner=None, start_by=now + hour),
        )
        await store.insert_when_free(new_run("later", key="k", start_by=now - hour))

        assert await claimed(store) == ["early"]
        assert await claimed(store) == []

    async def test_one_that_has_begun_in_time_is_claimed_again_at_any_time(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a", start_by=NOW))

        assert await store.release("r1", []) == 1
        assert await store.not_begun(NOW, 9) == []
        assert await store.expire(["a"], act("x")) == {}
        assert await claimed(store) == ["a"]

    async def test_the_next_round_of_a_run_may_begin_at_any_time(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, overdue("a"))
        await store.expire(["a"], act("x"))

        await store.retry([Reopening("a", 1, {})], act("y"))

        assert await store.not_begun(NOW, 9) == []
        assert await claimed(store) == ["a"]
