"""Contract of acts on schedules, triggers and runners, and of submissions that are noted."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cloaca_core.assembly.store import Store
from cloaca_core.features.schedules.records import ScheduleRow
from cloaca_core.features.steering.records import ActMark, ActSearch
from cloaca_core.store.acts import ActRow
from cloaca_testing.conformance.commits import submit
from cloaca_testing.conformance.rows import (
    LATER,
    NOW,
    WORKFLOW,
    act,
    new_run,
    noted,
    runner,
    schedule,
    trigger_row,
)


class ActConformance:
    """Part of ``StoreConformance``."""

    async def test_a_schedule_that_is_added_or_changed_is_noted(self, store: Store) -> None:
        await store.put_schedule(schedule(name="n"), noted("1", "add_schedule", at=NOW))
        again = schedule("t", name="n")._replace(overlap_policy="skip")
        await store.put_schedule(again, noted("2", "change_schedule"))

        assert await store.acts(None, 9) == [
            noted("2", "change_schedule"),
            noted("1", "add_schedule", at=NOW),
        ]
        assert await store.acts("", 1) == [noted("2", "change_schedule")]

    async def test_a_schedule_that_is_put_as_it_is_is_not_noted(self, store: Store) -> None:
        full = schedule(name="n")._replace(start_date=1, end_date=2, time_limit=3, queue="gpu")
        await store.put_schedule(full)
        await store.change_schedule(full._replace(enabled=False))
        moved = full._replace(id="t", created_at=LATER, updated_at=LATER, decided_until=LATER)

        assert await store.put_schedule(moved, noted()) == "s"

        assert await store.acts(None, 9) == []

    @pytest.mark.parametrize(
        "change",
        [
            {"workflow": "public::embedded::other"},
            {"cron_expression": "@daily"},
            {"timezone": "Asia/Tokyo"},
            {"catchup_policy": "run_all"},
            {"overlap_policy": "skip"},
            {"jitter_seconds": 7},
            {"params": "[]"},
            {"start_date": 1},
            {"start_date": None},
            {"end_date": 9},
            {"time_limit": None},
            {"time_limit": -1},
            {"queue": "gpu"},
        ],
        ids=str,
    )
    async def test_each_setting_counts(self, store: Store, change: dict[str, object]) -> None:
        full = schedule(name="n")._replace(start_date=2, time_limit=3)
        await store.put_schedule(full)

        await store.put_schedule(ScheduleRow(**{**full._asdict(), **change}), noted())

        assert await store.acts(None, 9) == [noted()]

    async def test_each_schedule_without_a_name_is_noted(self, store: Store) -> None:
        await store.put_schedule(schedule("s"), noted("1"))
        await store.put_schedule(schedule("t"), noted("2"))

        assert await store.acts(None, 9) == [noted("2"), noted("1")]

    async def test_of_schedules_what_became_true_is_noted(self, store: Store) -> None:
        await store.put_schedule(schedule())
        off = schedule()._replace(enabled=False)

        await store.change_schedule(off, noted("1", "disable_schedule"))
        await store.change_schedule(off, noted("2", "disable_schedule"))  # of a generation ago
        await store.note_on_schedule("s", noted("3", "backfill_schedule"))
        await store.note_on_schedule("none", noted("4", "backfill_schedule"))
        await store.delete_schedule("s", noted("5", "delete_schedule"))
        await store.delete_schedule("s", noted("6", "delete_schedule"))

        assert await store.acts(None, 9) == [
            noted("5", "delete_schedule"),
            noted("3", "backfill_schedule"),
            noted("1", "disable_schedule"),
        ]

    async def test_of_concurrent_changes_of_a_schedule_one_is_noted(self, store: Store) -> None:
        await store.put_schedule(schedule())
        acts = [noted(str(number), "change_schedule") for number in range(4)]

        changed = await asyncio.gather(
            *[store.change_schedule(schedule()._replace(timezone=act.id), act) for act in acts]
        )

        assert changed.count(True) == 1
        assert await store.acts(None, 9) == [acts[changed.index(True)]]

    async def test_an_act_that_is_sent_again_is_noted_once(self, store: Store) -> None:
        await store.put_schedule(schedule())

        await store.note_on_schedule("s", noted())
        await store.note_on_schedule("s", noted())

        assert await store.acts(None, 9) == [noted()]

    async def test_of_triggers_what_became_true_is_noted(self, store: Store) -> None:
        await store.add_trigger(trigger_row("t"))
        off = trigger_row("t")._replace(enabled=False)

        assert await store.change_trigger(off, noted("1", "disable_trigger"))
        assert not await store.change_trigger(off, noted("2", "disable_trigger"))
        assert not await store.change_trigger(trigger_row("none"), noted("3", "enable_trigger"))

        assert await store.acts(None, 9) == [noted("1", "disable_trigger")]

    async def test_of_concurrent_changes_of_a_trigger_one_is_noted(self, store: Store) -> None:
        await store.add_trigger(trigger_row("t"))
        acts = [noted(str(number), "enable_trigger") for number in range(4)]

        changed = await asyncio.gather(
            *[store.change_trigger(trigger_row("t"), act) for act in acts]
        )

        assert changed.count(True) == 1
        assert await store.acts(None, 9) == [acts[changed.index(True)]]

    @pytest.mark.parametrize("owner", ["r1", None])
    async def test_a_submission_is_noted_if_it_says_who_asks(
        self, store: Store, owner: str | None
    ) -> None:
        await store.register(runner("r1"))
        asked = new_run("a", key="k", owner=owner)._replace(asked_by="ann")
        again = new_run("b", key="k", owner=owner)._replace(asked_by="bob")

        for _ in range(2):  # sent again it is noted once
            await submit(store, asked, new_run("c", owner=owner))
        await submit(store, again)

        assert await store.acts(None, 9) == [submission("a", "ann")]
        assert await store.acts("a", 9) == [submission("a", "ann")]

    async def test_submissions_do_not_crowd_out_what_was_asked_afterwards(
        self, store: Store
    ) -> None:
        await store.put_schedule(schedule(), noted())
        after = LATER + 9
        runs = [new_run(name, owner=None) for name in "abc"]
        await submit(store, *[run._replace(asked_by="ann", created_at=after) for run in runs])
        await store.pause(["a"], act(now=LATER + 1), None, children=True)

        paused = ActRow("x", "a", WORKFLOW, 1, "pause", "ann", "a reason", 1, LATER + 1)
        assert await store.search_acts(ActSearch(submissions=False), 2) == [paused, noted()]
        assert len(await store.acts(None, 9)) == 5

    async def test_acts_are_looked_for_by_person_and_kind(self, store: Store) -> None:
        acts = [
            noted("1", "add_schedule")._replace(created_at=NOW + 1),
            noted("2", "prune")._replace(created_at=NOW + 2, asked_by="bob"),
            noted("3", "pause")._replace(created_at=NOW + 3),
            noted("4", "pause")._replace(created_at=NOW + 4, asked_by="bob"),
            noted("5", "prune")._replace(created_at=NOW + 5),
        ]
        for each in acts:
            await store.note(each)
        await submit(store, new_run("a", owner=None)._replace(asked_by="ann"))

        async def found(limit: int = 9, **search: Any) -> list[str]:
            return [row.id for row in await store.search_acts(ActSearch(**search), limit)]

        assert await found() == ["5", "4", "3", "2", "1", "a"]
        assert await found(by="ann") == ["5", "3", "1", "a"]
        assert await found(by="ann", submissions=False) == ["5", "3", "1"]
        assert await found(by="ann", kinds=["submit", "pause"], submissions=False) == ["3", "a"]
        assert await found(by="an") == []
        assert await found(kinds=["pause"]) == ["4", "3"]
        assert await found(kinds=["prune", "pause", "prune"], limit=3) == ["5", "4", "3"]
        assert await found(kinds=["prune", "pause", "add_schedule"]) == ["5", "4", "3", "2", "1"]
        assert await found(kinds=["submit"], submissions=False) == ["a"]
        assert await found(kinds=[]) == []
        assert await found(by="bob", kinds=["pause"]) == ["4"]
        assert await found(by="bob", kinds=[]) == []

    async def test_acts_are_looked_for_by_run(self, store: Store) -> None:
        await submit(store, *[new_run(name, owner=None) for name in "ab"])
        await submit(store, new_run("c", owner=None)._replace(asked_by="ann"))
        await store.pause(["a", "b", "c"], act("x", now=LATER), None, children=True)
        await store.cancel(["c"], act("y", now=LATER + 1), LATER, children=False)

        async def found(limit: int = 9, **search: Any) -> list[str]:
            return [row.id for row in await store.search_acts(ActSearch(**search), limit)]

        assert await found(run_id="a") == ["x"]
        assert await found(run_id="c") == ["y", "x", "c"]
        assert await found(run_id="c", limit=1) == ["y"]
        assert await found(run_id="c", submissions=False) == ["y", "x"]
        assert await found(run_id="c", kinds=["cancel", "no such"]) == ["y"]
        assert await found(run_id="c", by="ann", kinds=["submit"]) == ["c"]
        assert await found(run_id="c", by="bob") == []
        assert await found(run_id="c", before=ActMark(LATER, "x", "c")) == ["c"]
        assert await found(run_id="z") == []

    @pytest.mark.parametrize(
        "search",
        [
            ActSearch(),
            ActSearch(submissions=False),
            ActSearch(by="ann"),
            ActSearch(kinds=["cancel", "prune"]),
            ActSearch(by="ann", kinds=["cancel", "prune"]),
        ],
    )
    async def test_acts_go_on_after_a_mark_also_in_the_midst_of_one_call(
        self, store: Store, search: ActSearch
    ) -> None:
        """Runs that one call cancels share the id and the instant of their acts."""
        await submit(store, *[new_run(name, owner=None) for name in "abc"])
        await store.cancel(["a", "b", "c"], act("x", now=LATER), LATER, children=False)
        await store.note(noted("w", "prune")._replace(created_at=LATER))
        await store.note(noted("y", "prune")._replace(created_at=LATER))
        await store.note(noted("z", "prune")._replace(created_at=LATER - 1))

        pages, before = [], None
        for _ in range(7):
            page = await store.search_acts(search._replace(before=before), 1)
            pages += [(row.id, row.run_id) for row in page]
            before = next((ActMark(row.created_at, row.id, row.run_id) for row in page), before)

        assert pages == [("y", ""), ("x", "c"), ("x", "b"), ("x", "a"), ("w", ""), ("z", "")]

    async def test_a_submission_that_waited_for_its_key_is_noted(self, store: Store) -> None:
        asked = new_run("a", key="k", owner=None)._replace(asked_by="ann")

        for _ in range(2):
            assert await store.insert_when_free(asked) == "a"
        other = new_run("b", key="k", owner=None)._replace(asked_by="bob")
        assert await store.insert_when_free(other) == "a"

        assert await store.acts(None, 9) == [submission("a", "ann")]

    async def test_an_act_on_nothing_that_is_there_is_noted_once(self, store: Store) -> None:
        for _ in range(2):
            await store.note(noted("1", "prune", workflow=""))

        assert await store.acts(None, 9) == [noted("1", "prune", workflow="")]

    async def test_who_asked_a_runner_to_leave_first_is_noted(self, store: Store) -> None:
        await store.register(runner("r1"))
        await store.register(runner("dead"))
        await store.fence("dead", 0)

        since = await store.drain("r1", noted("1", "drain_runner", workflow=""))
        assert await store.drain("r1", noted("2", "drain_runner", workflow="")) == since
        assert await store.drain("dead", noted("3", "drain_runner", workflow="")) is None
        assert await store.drain("none", noted("4", "drain_runner", workflow="")) is None

        assert await store.acts(None, 9) == [noted("1", "drain_runner", workflow="")]


def submission(run_id: str, by: str) -> ActRow:
    """The act of a submission, as it is noted."""
    return ActRow(run_id, run_id, WORKFLOW, 1, "submit", by, None, 1, NOW)
