"""Contract of registration, heartbeat, fence and takeover."""

from __future__ import annotations

import asyncio

import pytest

from cloaca_core.assembly.store import Store
from cloaca_core.errors import StoreOpenError
from cloaca_core.store.runner_rows import LostRunner, RunnerName, RunnerRow, Sharing
from cloaca_core.values.states import SUSPECT_AFTER, ReasonCode, TaskStatus
from cloaca_testing.conformance.commits import record, stored, submit
from cloaca_testing.conformance.rows import (
    LATER,
    NOW,
    WORKFLOW,
    act,
    attempt,
    new_run,
    run_end,
    runner,
)


class LeaseConformance:
    """Part of ``StoreConformance``."""

    # -- lease -------------------------------------------------------------------------------

    async def test_the_lease_clock_does_not_go_back(self, store: Store) -> None:
        readings = [store.lease_clock() for _ in range(100)]

        assert readings == sorted(readings)

    async def test_runners_are_listed_oldest_first(self, store: Store) -> None:
        young, old = runner("a", started_at=NOW + 1), runner("b", started_at=NOW)
        await store.register(young)
        await store.register(old)

        assert await store.runners() == [old, young]

    async def test_registering_starts_with_beat_0_and_not_fenced(self, store: Store) -> None:
        await store.register(runner("r1")._replace(beat=5, fenced=True))

        assert await store.runners() == [runner("r1")]

    async def test_attempts_name_the_runner_that_recorded_them_also_when_it_is_gone(
        self, store: Store
    ) -> None:
        first, second = RunnerName(2**46, "r1", "web-1", 17), RunnerName(5, "r2", "web-2", 17)
        await store.register(runner("r1"), first)
        await store.register(runner("r1"), first)
        await store.register(runner("r2"), second)
        await submit(store, new_run("a"))
        await record(store, [attempt("a", "x"), attempt("a", "y", status=TaskStatus.RUNNING)])
        await store.unregister("r1")
        await store.claim("r2", [WORKFLOW], 1, LATER)
        again = attempt("a", "y", epoch=3, status=TaskStatus.RUNNING)
        await record(store, [again], runner_id="r2")

        rows = [*await store.load_attempts(["a"]), *await store.outcomes(["a"])]
        assert [row.runner for row in rows] == [first.number, second.number] * 2
        stands = await store.recorded_run("a", 9)
        assert stands is not None
        assert [row.runner for row in stands.attempts] == [first.number, second.number]
        assert await store.runner_names([second.number, 9, first.number]) == [second, first]
        assert await store.runner_names([]) == []
        assert [row.host for row in await store.runners()] == ["web-2"]
        assert [each.row.host for each in stands.runners] == ["web-2"]

    async def test_a_runner_without_a_name_records_attempts_without_one(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        await record(store, [attempt("a")])

        (row,) = await store.load_attempts(["a"])
        assert row.runner is None

    async def test_a_runner_that_is_refused_its_id_leaves_no_name(self, store: Store) -> None:
        await store.register(runner("r1"), RunnerName(1, "r1", "web-1", 17))
        with pytest.raises(StoreOpenError):
            await store.register(
                runner("r1", started_at=NOW + 1)._replace(pid=18), RunnerName(2, "r1", "web-1", 18)
            )

        assert [name.number for name in await store.runner_names([1, 2])] == [1]

    async def test_a_registration_sent_again_changes_nothing(self, store: Store) -> None:
        await store.register(runner("r1"))
        await store.beat("r1", 2000)

        await store.register(runner("r1")._replace(host="web-1"))  # as it was read

        assert await store.runners() == [runner("r1")._replace(beat=1, lease_until=2000)]

    async def test_a_runner_is_asked_to_leave_once(self, store: Store) -> None:
        await store.register(runner("r1"))
        await store.register(runner("r2", started_at=NOW + 1))

        since = await store.drain("r1")

        assert since is not None
        assert await store.drain("r1") == since
        assert [each.draining_since for each in await store.runners()] == [since, None]
        assert await store.beat("r1", 2000)
        await store.register(runner("r1"))  # sent again
        assert (await store.runners())[0].draining_since == since

    async def test_nobody_asks_a_runner_to_leave_that_is_dead_or_gone(self, store: Store) -> None:
        await store.register(runner("dead"))
        await store.fence("dead", 0)

        assert await store.drain("dead") is None
        assert await store.drain("unknown") is None

    @pytest.mark.parametrize(
        "other",
        [
            runner("r1")._replace(pid=18),  # of another process
            runner("r1")._replace(started_at=NOW + 1),  # a second one of the same process
        ],
    )
    async def test_another_runner_cannot_register_the_same_id(
        self, store: Store, other: RunnerRow
    ) -> None:
        await store.register(runner("r1"))

        with pytest.raises(StoreOpenError, match=r"^runner_id 'r1' is in use by another runner$"):
            await store.register(other)

    async def test_a_beat_renews_the_lease_and_is_counted(self, store: Store) -> None:
        await store.register(runner("r1"))
        await store.register(runner("r2"))

        assert await store.beat("r1", 2000) is True

        assert await store.runners() == [
            runner("r1")._replace(beat=1, lease_until=2000),
            runner("r2"),
        ]

    async def test_a_beat_says_whether_the_runner_owns_nothing(self, store: Store) -> None:
        await store.register(runner("r1"))

        told = []
        for idle_since in (NOW, NOW, None):
            await store.beat("r1", 2000, idle_since)
            told += [row.idle_since for row in await store.runners()]

        assert told == [NOW, NOW, None]

    async def test_a_beat_has_what_the_runner_tells_others(self, store: Store) -> None:
        await store.register(runner("r1"))
        texts = [Sharing(1, ("a", 'quote "'), 3).text(), None]

        told = []
        for text in texts:
            await store.beat("r1", 2000, None, text)
            told += [row.sharing for row in await store.runners()]

        assert told == texts

    async def test_a_fenced_runner_does_not_beat_and_is_fenced_for_everybody(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await store.fence("r1", 0)

        assert await store.beat("r1", 2000) is False
        assert await store.fence("r1", 0) is True

    async def test_who_is_not_registered_neither_beats_nor_is_fenced(self, store: Store) -> None:
        assert await store.beat("nobody", 2000) is False
        assert await store.fence("nobody", 0) is False

    async def test_unregistering_frees_what_is_owned_and_counts_no_crash(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await store.register(runner("r2"))
        await submit(store, new_run("a"), new_run("over"))
        await submit(store, new_run("other", owner="r2"), runner_id="r2")
        await record(store, [attempt("a", status=TaskStatus.RUNNING)], [run_end("over")])
        over, other = await store.get_run("over"), await store.get_run("other")

        await store.unregister("r1")

        run = await stored(store, "a")
        assert (run.owner, run.epoch, run.recoveries) == (None, 2, 0)
        assert [row.crashes for row in await store.load_attempts(["a"])] == [0]
        assert await store.runners() == [runner("r2")]
        assert [await store.get_run("over"), await store.get_run("other")] == [over, other]

    async def test_fencing_needs_the_beat_that_was_seen(self, store: Store) -> None:
        await store.register(runner("r1"))
        await store.beat("r1", 2000)

        assert await store.fence("r1", 0) is False
        assert await store.beat("r1", 3000) is True
        assert await store.fence("r1", 2) is True
        assert [row.fenced for row in await store.runners()] == [True]

    async def test_a_takeover_frees_runs_in_batches_and_then_removes_the_runner(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, *[new_run(name) for name in "abc"])
        await store.fence("r1", 0)

        assert await store.take_over("r1", 2) == 2
        assert [(await stored(store, name)).owner for name in "abc"] == [None, None, "r1"]
        assert await store.take_over("r1", 2) == 1
        assert await store.take_over("r1", 2) == 0

        assert await store.runners() == []
        runs = [await stored(store, name) for name in "abc"]
        assert [(r.owner, r.epoch, r.recoveries) for r in runs] == [(None, 2, 1)] * 3

    async def test_a_takeover_blames_only_what_was_running_under_the_old_epoch(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        await record(store, [attempt("a", "older", status=TaskStatus.RUNNING)])
        await store.release("r1", [])
        await store.claim("r1", [WORKFLOW], 1, LATER)
        done = attempt("a", "done", epoch=3)
        marked = attempt("a", "marked", epoch=3, status=TaskStatus.RUNNING)
        await record(store, [done, marked])
        await store.fence("r1", 0)

        await store.take_over("r1", 10)

        crashes = {row.task_id: row.crashes for row in await store.load_attempts(["a"])}
        assert crashes == {"done": 0, "marked": 1, "older": 0}

    @pytest.mark.parametrize(
        ("code", "before", "after"),
        [
            (None, 0, 1),
            (None, SUSPECT_AFTER - 1, SUSPECT_AFTER),
            (None, SUSPECT_AFTER, SUSPECT_AFTER),  # others ran beside it
            (ReasonCode.ALONE, SUSPECT_AFTER, SUSPECT_AFTER + 1),
            (ReasonCode.ELSEWHERE, 0, 0),
        ],
    )
    async def test_a_takeover_blames_a_suspect_only_if_it_ran_alone(
        self, store: Store, code: str | None, before: int, after: int
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        mark = attempt("a", status=TaskStatus.RUNNING, crashes=before, reason=code)
        await record(store, [mark])
        await store.fence("r1", 0)

        await store.take_over("r1", 10)

        assert [row.crashes for row in await store.load_attempts(["a"])] == [after]

    async def test_a_lost_runner_is_kept_with_what_became_of_its_runs(self, store: Store) -> None:
        told = Sharing(slots=16, busy=3, told_at=NOW + 5).text()
        row = runner("r1", queues='["gpu"]')
        await store.register(row, RunnerName(1, "r1", "web-1", 17))
        await store.beat("r1", 2000, None, told)
        await submit(store, *[new_run(name) for name in "abcde"])
        marks = [attempt(name, status=TaskStatus.RUNNING) for name in "ac"]
        await record(store, [*marks, attempt("a", "y", status=TaskStatus.RUNNING), attempt("b")])
        await record(store, ends=[run_end("e")])
        await store.cancel(["d"], act("x"), NOW, children=False)
        await store.fence("r1", 1)
        assert await store.lost_runners(0, 9) == []

        assert [await store.take_over("r1", 2) for _ in range(3)] == [3, 1, 0]

        (lost,) = await store.lost_runners(0, 9)
        assert lost._replace(lost_at=0) == LostRunner(
            "r1", NOW, 17, "web-1", '["gpu"]', told, 0, taken_over=3, begun_again=2, cancelled=1
        )
        assert await store.lost_runners(lost.lost_at, 9) == [lost]
        assert await store.lost_runners(lost.lost_at + 1, 9) == []

    async def test_runners_are_lost_each_by_itself_and_only_by_a_takeover(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await store.fence("r1", 0)
        await store.take_over("r1", 9)
        await store.register(runner("r1", started_at=NOW + 1))  # as the next one of this name
        await store.register(runner("r2"))
        await store.fence("r1", 0)
        for name in ("r1", "r2", "unknown"):
            await store.take_over(name, 9)
        await store.unregister("r2")

        lost = await store.lost_runners(0, 9)
        assert sorted((each.id, each.started_at) for each in lost) == [("r1", NOW), ("r1", NOW + 1)]
        assert len(await store.lost_runners(0, 1)) == 1

    async def test_a_takeover_leaves_ended_runs_and_live_runners(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"), new_run("over"))
        await record(store, ends=[run_end("over")])
        before = [await store.get_run("a"), await store.get_run("over")]

        assert await store.take_over("r1", 10) == 0
        assert [await store.get_run("a"), await store.get_run("over")] == before
        await store.fence("r1", 0)
        assert await store.take_over("r1", 10) == 1
        assert await store.get_run("over") == before[1]

    async def test_a_live_runner_that_owns_nothing_stays(self, store: Store) -> None:
        await store.register(runner("r1"))

        assert await store.take_over("r1", 10) == 0
        assert [row.id for row in await store.runners()] == ["r1"]

    async def test_concurrent_takeovers_count_a_crash_once(self, store: Store) -> None:
        await store.register(runner("r1"))
        names = [f"{n:02}" for n in range(20)]
        await submit(store, *[new_run(name) for name in names])
        await record(store, [attempt(name, status=TaskStatus.RUNNING) for name in names])
        await store.fence("r1", 0)

        freed = await asyncio.gather(*[store.take_over("r1", 6) for _ in range(8)])

        assert sum(freed) == 20
        assert {row.crashes for row in await store.load_attempts(names)} == {1}
        assert {(await stored(store, name)).recoveries for name in names} == {1}
