"""Contract for schedules: each tick is decided once, by any runner."""

from __future__ import annotations

import asyncio

import pytest

from cloaca_core.assembly.store import Store
from cloaca_core.features.schedules.records import ScheduleRow, TickRow
from cloaca_core.values.states import RunStatus, TickOutcome
from cloaca_testing.conformance.commits import back_fill, batch_with, fire, record, stored, submit
from cloaca_testing.conformance.rows import (
    LATER,
    NOW,
    WORKFLOW,
    any_run,
    firing,
    new_run,
    new_tick,
    run_end,
    runner,
    schedule,
)


class ScheduleConformance:
    """Part of ``StoreConformance``."""

    # -- fire --------------------------------------------------------------------------------

    async def test_a_tick_makes_a_run_that_nobody_owns(self, store: Store) -> None:
        await store.put_schedule(schedule())

        await fire(store, new_tick("s", "a")._replace(time_limit=7))

        run = await stored(store, "a")
        assert (run.time_limit, run.deadline_at) == (7, None)
        assert (run.workflow, run.status, run.owner, run.epoch) == (
            WORKFLOW,
            RunStatus.PENDING,
            None,
            0,
        )
        assert (run.input, run.schedule_id) == ('{"amount":1}', "s")
        assert await store.list_ticks("s", limit=9, offset=0) == [
            TickRow("s", NOW, "a", TickOutcome.FIRED, NOW)
        ]

    async def test_a_schedule_goes_on_with_its_ticks(self, store: Store) -> None:
        await store.put_schedule(schedule())

        await fire(store, new_tick("s", "a"))

        row = await store.get_schedule("s")
        assert row == schedule()._replace(
            decided_until=NOW, next_tick=LATER, due_at=LATER, last_tick=NOW, generation=1
        )

    async def test_a_batch_that_is_sent_again_fires_nothing_twice(self, store: Store) -> None:
        await store.put_schedule(schedule())
        for _ in range(2):
            await fire(store, new_tick("s", "a"))

        assert len(await store.list_runs(any_run())) == 1
        row = await store.get_schedule("s")
        assert row is not None
        assert row.generation == 1

    async def test_of_two_who_decide_the_same_tick_one_makes_its_run(self, store: Store) -> None:
        await store.put_schedule(schedule())

        await asyncio.gather(
            fire(store, new_tick("s", "a")), fire(store, new_tick("s", "b"), runner_id="r2")
        )

        (run,) = await store.list_runs(any_run())
        (tick,) = await store.list_ticks("s", limit=9, offset=0)
        assert tick.run_id == run.id

    async def test_a_tick_that_was_fired_is_never_fired_again(self, store: Store) -> None:
        await store.put_schedule(schedule())
        await fire(store, new_tick("s", "a"))

        await fire(store, new_tick("s", "b", generation=1))  # as after a clock that was put back

        assert await store.get_run("b") is None

    async def test_ticks_of_one_batch_are_all_fired(self, store: Store) -> None:
        await store.put_schedule(schedule())

        await fire(store, new_tick("s", "a"), new_tick("s", "b", tick=NOW + 1))

        assert [run.id for run in await store.list_runs(any_run())] == ["b", "a"]

    @pytest.mark.parametrize("changed", ["disabled", "retimed", "put", "deleted"])
    async def test_a_decision_about_what_has_changed_counts_for_nothing(
        self, store: Store, changed: str
    ) -> None:
        row = schedule(name="n")
        await store.put_schedule(row)
        if changed == "deleted":
            await store.delete_schedule("s")
        elif changed == "put":
            await store.put_schedule(row._replace(params="[]"))
        else:
            await store.change_schedule(row._replace(enabled=changed == "retimed"))
        before = await store.get_schedule("s")

        await fire(store, new_tick("s", "a"), lost=3)

        assert await store.get_run("a") is None
        assert await store.list_ticks("s", limit=9, offset=0) == []
        assert await store.count_ticks(0) == (0, 0)
        assert await store.get_schedule("s") == before

    async def test_a_disabled_schedule_is_not_decided(self, store: Store) -> None:
        await store.put_schedule(schedule()._replace(enabled=False))

        await fire(store, new_tick("s", "a"))

        assert await store.get_run("a") is None

    async def test_lost_ticks_are_counted_from_their_decision_on(self, store: Store) -> None:
        await store.put_schedule(schedule())

        await fire(store, new_tick("s", "a"), lost=3)

        assert await store.count_ticks(NOW) == (1, 3)
        assert await store.count_ticks(NOW + 1) == (0, 0)

    async def test_a_decision_without_ticks_moves_its_schedule_on(self, store: Store) -> None:
        await store.put_schedule(schedule())
        decided = firing("s", lost=2)._replace(last_tick=None, next_tick=None, due_at=None)

        await store.commit(batch_with("r1", [], [], [], {}, [decided]))

        row = await store.get_schedule("s")
        assert row is not None
        assert (row.decided_until, row.due_at, row.last_tick) == (NOW, None, None)
        assert await store.next_due([WORKFLOW]) is None

    # -- back-fill ---------------------------------------------------------------------------

    @pytest.mark.parametrize("changed", ["fired", "disabled"])
    async def test_a_tick_is_back_filled_whatever_its_schedule_has_come_to(
        self, store: Store, changed: str
    ) -> None:
        await store.put_schedule(schedule()._replace(enabled=changed == "fired"))
        if changed == "fired":
            await fire(store, new_tick("s", "a"))
        before = await store.get_schedule("s")

        await back_fill(store, new_tick("s", "b", tick=NOW - 50))

        assert (await stored(store, "b")).status == RunStatus.PENDING
        assert await store.get_schedule("s") == before

    async def test_a_tick_that_has_run_is_not_back_filled(self, store: Store) -> None:
        await store.put_schedule(schedule())
        await fire(store, new_tick("s", "a"))
        for run_id in "bc":
            await back_fill(
                store, new_tick("s", run_id), new_tick("s", f"{run_id}2", tick=NOW - 50)
            )

        assert [run.id for run in await store.list_runs(any_run())] == ["b2", "a"]

    async def test_what_was_back_filled_is_not_fired(self, store: Store) -> None:
        await store.put_schedule(schedule())
        await back_fill(store, new_tick("s", "a"))

        await fire(store, new_tick("s", "b", generation=1))

        assert await store.get_run("b") is None
        row = await store.get_schedule("s")
        assert row is not None
        assert (row.generation, row.decided_until) == (2, NOW)

    async def test_what_was_decided_before_a_back_fill_is_decided_anew(self, store: Store) -> None:
        for schedule_id in "st":
            await store.put_schedule(schedule(schedule_id))
        first, second = new_tick("s", "a", tick=NOW - 50), new_tick("s", "b")
        await back_fill(store, first, second, first)

        later = new_tick("s", "d", tick=NOW + 1)._replace(behind="c")
        await fire(store, new_tick("s", "c"), later)
        await fire(store, new_tick("t", "e"))

        assert [run.id for run in await store.list_runs(any_run())] == ["e", "b", "a"]
        row = await store.get_schedule("s")
        assert row is not None
        assert (row.generation, row.decided_until) == (1, NOW - 100)

    async def test_of_two_who_back_fill_the_same_tick_one_makes_its_run(self, store: Store) -> None:
        await store.put_schedule(schedule())

        await asyncio.gather(
            back_fill(store, new_tick("s", "a")), back_fill(store, new_tick("s", "b"))
        )

        (run,) = await store.list_runs(any_run())
        assert [tick.run_id for tick in await store.find_ticks("s", [NOW])] == [run.id]

    async def test_a_deleted_schedule_is_not_back_filled(self, store: Store) -> None:
        await back_fill(store, new_tick("s", "a"))

        assert await store.get_run("a") is None
        assert await store.find_ticks("s", [NOW]) == []

    async def test_a_tick_that_made_no_run_is_back_filled(self, store: Store) -> None:
        await store.put_schedule(schedule())
        dropped = new_tick("s", "a")._replace(run_id=None)
        await fire(store, dropped)

        for run_id in "bc":
            await back_fill(store, new_tick("s", run_id))

        assert [run.id for run in await store.list_runs(any_run())] == ["b"]
        assert await store.find_ticks("s", [NOW]) == [
            TickRow("s", NOW, "b", TickOutcome.BACKFILLED, NOW)
        ]

    async def test_ticks_are_found_by_what_they_are(self, store: Store) -> None:
        for name in "st":
            await store.put_schedule(schedule(name))
            await fire(
                store,
                *[new_tick(name, f"{name}{place}", tick=NOW + place) for place in (3, 1, 2)],
            )

        found = await store.find_ticks("s", [NOW + 3, NOW + 2, NOW + 4])

        assert [(row.tick, row.run_id) for row in found] == [(NOW + 2, "s2"), (NOW + 3, "s3")]
        assert await store.find_ticks("s", []) == []

    # -- under way ---------------------------------------------------------------------------

    async def test_runs_under_way_are_found_by_schedule_in_the_order_of_their_ticks(
        self, store: Store
    ) -> None:
        for schedule_id in ("s", "t", "u"):
            await store.put_schedule(schedule(schedule_id))
        second = new_tick("s", "a", tick=NOW + 1)._replace(created_at=NOW + 1)
        await fire(store, new_tick("s", "b"), second)  # another runner's clock gave the first id
        await fire(store, new_tick("t", "c"))
        await fire(store, new_tick("u", "d"))
        await store.register(runner())
        await submit(store, new_run("e"))
        await back_fill(store, new_tick("s", "f", tick=NOW - 50))

        assert await store.list_under_way(["s", "t", "none"]) == {"s": ["b", "a"], "t": ["c"]}
        assert await store.list_under_way([]) == {}

    async def test_a_run_that_has_ended_is_not_under_way(self, store: Store) -> None:
        await store.put_schedule(schedule())
        await fire(store, new_tick("s", "a"))
        await store.register(runner())

        (claimed,) = await store.claim("r1", [WORKFLOW], 9, NOW)
        assert claimed.schedule_id == "s"
        assert await store.list_under_way(["s"]) == {"s": ["a"]}
        await record(store, ends=[run_end("a")._replace(schedule_id="s")])

        assert await store.list_under_way(["s"]) == {}

    # -- due ---------------------------------------------------------------------------------

    async def test_what_is_due_is_found_by_workflow_longest_due_first(self, store: Store) -> None:
        await store.put_schedule(schedule("late", due_at=NOW))
        await store.put_schedule(schedule("later", due_at=NOW + 5))
        await store.put_schedule(schedule("future", due_at=NOW + 6))
        await store.put_schedule(schedule("other", workflow="public::embedded::x", due_at=1))
        await store.put_schedule(schedule("off", due_at=1)._replace(enabled=False))
        await store.put_schedule(schedule("over", due_at=None))

        due = await store.due_schedules([WORKFLOW], NOW + 5, 9)

        assert [row.id for row in due] == ["late", "later"]
        assert [row.id for row in await store.due_schedules([WORKFLOW], NOW + 5, 1)] == ["late"]
        assert await store.due_schedules([WORKFLOW], NOW - 1, 9) == []

    async def test_the_next_that_is_due_is_known(self, store: Store) -> None:
        assert await store.next_due([WORKFLOW]) is None
        await store.put_schedule(schedule("b", due_at=NOW + 5))
        await store.put_schedule(schedule("a", workflow="public::embedded::x", due_at=NOW))
        await store.put_schedule(schedule("off", due_at=1)._replace(enabled=False))

        assert await store.next_due([WORKFLOW]) == NOW + 5
        assert await store.next_due([WORKFLOW, "public::embedded::x"]) == NOW
        assert await store.next_due([]) is None

    async def test_what_a_clock_that_was_ahead_has_decided_is_found(self, store: Store) -> None:
        for name, due_at in (("b", None), ("a", NOW)):  # that clock may have ended it as well
            ahead = schedule(name, due_at=due_at)._replace(decided_until=NOW + 100)
            await store.put_schedule(ahead)
        await store.put_schedule(schedule("explained")._replace(decided_until=NOW + 50))
        off = schedule("off")._replace(decided_until=NOW + 100, enabled=False)
        await store.put_schedule(off)
        other = schedule("other", workflow="public::embedded::x")
        await store.put_schedule(other._replace(decided_until=NOW + 100))
        for tick in (NOW - 20, NOW - 10, NOW, NOW + 100):
            await back_fill(store, new_tick("a", f"r{tick}", tick=tick))

        found = await store.schedules_ahead([WORKFLOW], NOW, NOW + 50, 9)

        assert [(row.id, row.decided_until, newest) for row, newest in found] == [
            ("a", NOW + 100, NOW),
            ("b", NOW + 100, None),
        ]
        assert found[0][0] == await store.get_schedule("a")
        assert len(await store.schedules_ahead([WORKFLOW], NOW, NOW + 50, 1)) == 1
        assert await store.schedules_ahead([], NOW, NOW + 50, 9) == []

    # -- change ------------------------------------------------------------------------------

    async def test_what_is_put_is_found(self, store: Store) -> None:
        row = schedule(name="nightly")._replace(
            start_date=1, end_date=2, jitter_seconds=3, time_limit=4, queue="gpu"
        )

        assert await store.put_schedule(row) == "s"

        assert await store.get_schedule("s") == row
        assert await store.get_schedule_named("nightly") == row
        assert await store.get_schedule("t") is None
        assert await store.get_schedule_named("daily") is None

    async def test_schedules_without_a_name_do_not_meet(self, store: Store) -> None:
        assert await store.put_schedule(schedule("a")) == "a"
        assert await store.put_schedule(schedule("b")) == "b"

        assert [row.id for row in await _listed(store)] == ["a", "b"]

    @pytest.mark.parametrize(
        ("jitter_seconds", "due_at", "expected"),
        [
            (0, LATER, LATER),
            (5, LATER, NOW + 1),  # with another jitter the next tick may be due sooner
            (5, NOW, NOW),
            (5, None, None),
        ],
    )
    async def test_with_another_jitter_it_is_due_at_once(
        self, store: Store, jitter_seconds: int, due_at: int | None, expected: int | None
    ) -> None:
        await store.put_schedule(schedule(name="n", due_at=due_at))
        again = schedule(name="n", due_at=LATER + 1, created_at=NOW + 1)

        await store.put_schedule(again._replace(jitter_seconds=jitter_seconds))

        (row,) = await _listed(store)
        assert (row.due_at, row.next_tick) == (expected, due_at)

    async def test_the_same_name_changes_what_is_there(self, store: Store) -> None:
        await store.put_schedule(schedule(name="n")._replace(enabled=False))
        changed = schedule("t", name="n", created_at=LATER)._replace(
            params="[]",
            time_limit=-1,
            queue="gpu",
            decided_until=LATER,
            next_tick=None,
            due_at=None,
        )

        assert await store.put_schedule(changed) == "s"

        assert await _listed(store) == [
            schedule(name="n")._replace(
                params="[]",
                time_limit=-1,
                queue="gpu",
                enabled=False,
                generation=1,
                updated_at=LATER,
            )
        ]

    @pytest.mark.parametrize(
        "change",
        [
            {"cron_expression": "@daily"},
            {"timezone": "Asia/Tokyo"},
            {"start_date": 1},
            {"end_date": 1},
        ],
        ids=str,
    )
    async def test_other_ticks_begin_with_the_change(
        self, store: Store, change: dict[str, object]
    ) -> None:
        await store.put_schedule(schedule(name="n"))
        later = schedule("t", name="n")._replace(
            decided_until=LATER, next_tick=LATER + 2, due_at=LATER + 3
        )
        changed = ScheduleRow(**{**later._asdict(), **change})

        await store.put_schedule(changed)

        assert await _listed(store) == [changed._replace(id="s", generation=1)]

    async def test_a_schedule_that_has_gone_on_is_not_changed(self, store: Store) -> None:
        await store.put_schedule(schedule())
        wanted = schedule()._replace(
            workflow="other",
            cron_expression="5 * * * *",
            timezone="Asia/Tokyo",
            enabled=False,
            catchup_policy="skip",
            overlap_policy="queue",
            jitter_seconds=7,
            start_date=1,
            end_date=LATER,
            params='{"a":1}',
            time_limit=9,
            queue="slow",
            updated_at=LATER,
        )

        assert await store.change_schedule(wanted)
        assert not await store.change_schedule(wanted)

        assert await store.get_schedule("s") == wanted._replace(generation=1)
        assert not await store.change_schedule(wanted._replace(id="t"))

    async def test_a_deleted_schedule_leaves_its_history(self, store: Store) -> None:
        await store.put_schedule(schedule())
        await fire(store, new_tick("s", "a"))

        await store.delete_schedule("s")
        await store.delete_schedule("s")

        assert await store.get_schedule("s") is None
        assert len(await store.list_ticks("s", limit=9, offset=0)) == 1

    # -- list --------------------------------------------------------------------------------

    async def test_schedules_are_listed_by_workflow_in_pages(self, store: Store) -> None:
        await store.put_schedule(schedule("a", workflow="public::embedded::z"))
        await store.put_schedule(schedule("c", workflow="public::embedded::y"))
        off = schedule("b", workflow="public::embedded::y")._replace(enabled=False)
        await store.put_schedule(off)

        assert [row.id for row in await _listed(store)] == ["b", "c", "a"]
        enabled = await store.list_schedules(enabled_only=True, limit=9, offset=0)
        assert [row.id for row in enabled] == ["c", "a"]
        page = await store.list_schedules(enabled_only=False, limit=1, offset=1)
        assert [row.id for row in page] == ["c"]

    async def test_ticks_are_listed_newest_first_in_pages(self, store: Store) -> None:
        await store.put_schedule(schedule())
        ticks = [new_tick("s", name, tick=NOW + place) for place, name in enumerate("abc")]
        await fire(store, *ticks)

        page = await store.list_ticks("s", limit=1, offset=1)

        assert [row.run_id for row in page] == ["b"]

    async def test_its_clock_is_that_of_people(self, store: Store) -> None:
        assert await store.now() > NOW  # which is in 2023


async def _listed(store: Store) -> list[ScheduleRow]:
    return await store.list_schedules(enabled_only=False, limit=99, offset=0)
