"""Contract for triggers: one runner gets each poll, and an event makes one run."""

from __future__ import annotations

import asyncio

import pytest

from cloaca_core.assembly.store import Store
from cloaca_core.features.triggers.records import EventRow, TriggerRow
from cloaca_core.values.states import RunStatus
from cloaca_testing.conformance.commits import fire_events, record, stored
from cloaca_testing.conformance.rows import (
    LATER,
    NOW,
    WORKFLOW,
    any_run,
    new_event,
    run_end,
    runner,
    trigger_row,
)


class TriggerConformance:
    """Part of ``StoreConformance``."""

    # -- rows --------------------------------------------------------------------------------

    async def test_what_is_added_is_found_by_name(self, store: Store) -> None:
        polled = trigger_row("a", name="z")._replace(allow_concurrent=True)
        ticking = trigger_row("b", name="y")._replace(
            poll_interval_ms=None, cron_expression="@daily", timezone="UTC"
        )
        declared = trigger_row("c", name="x", next_poll_at=None)._replace(workflow=None)
        for row in (polled, ticking, declared):
            assert await store.add_trigger(row)

        assert await store.triggers_named(["z"]) == [polled]
        assert sorted(await store.triggers_named(["x", "y", "none"])) == [ticking, declared]
        assert await store.triggers_named([]) == []

    async def test_a_name_is_added_once(self, store: Store) -> None:
        added = await asyncio.gather(
            store.add_trigger(trigger_row("a", name="n")),
            store.add_trigger(trigger_row("b", name="n")),
        )

        assert sorted(added) == [False, True]
        assert len(await store.triggers_named(["n"])) == 1

    async def test_a_change_replaces_what_a_trigger_is_and_when_it_is_polled(
        self, store: Store
    ) -> None:
        await store.add_trigger(trigger_row())
        await store.take_polls([trigger_row()._replace(last_poll_at=NOW, next_poll_at=LATER)])
        changed = trigger_row()._replace(
            workflow="public::embedded::other",
            poll_interval_ms=None,
            cron_expression="@daily",
            timezone="Asia/Tokyo",
            allow_concurrent=True,
            enabled=False,
            last_poll_at=3,  # a change does not set it
            next_poll_at=LATER + 1,
            generation=1,
            created_at=4,
            updated_at=LATER,
        )

        assert await store.change_trigger(changed)

        kept = changed._replace(last_poll_at=NOW, created_at=NOW, generation=2)
        assert await store.triggers_named(["t"]) == [kept]

    async def test_what_has_changed_meanwhile_is_not_changed(self, store: Store) -> None:
        await store.add_trigger(trigger_row())
        off = trigger_row()._replace(enabled=False)

        assert await store.change_trigger(off)
        assert not await store.change_trigger(off._replace(enabled=True))
        assert not await store.change_trigger(trigger_row("none"))

        assert await store.triggers_named(["t"]) == [off._replace(generation=1)]

    async def test_triggers_are_listed_by_name_in_pages(self, store: Store) -> None:
        await store.add_trigger(trigger_row("1", name="b"))
        await store.add_trigger(trigger_row("2", name="a")._replace(enabled=False))
        await store.add_trigger(trigger_row("3", name="c"))

        assert [row.name for row in await _listed(store)] == ["a", "b", "c"]
        enabled = await store.list_triggers(enabled_only=True, limit=9, offset=0)
        assert [row.name for row in enabled] == ["b", "c"]
        page = await store.list_triggers(enabled_only=False, limit=1, offset=1)
        assert [row.name for row in page] == ["b"]

    # -- polls -------------------------------------------------------------------------------

    async def test_of_those_who_want_a_poll_one_gets_it(self, store: Store) -> None:
        await store.add_trigger(trigger_row())
        poll = trigger_row()._replace(last_poll_at=NOW, next_poll_at=LATER)

        taken = await asyncio.gather(*(store.take_polls([poll]) for _ in range(4)))

        assert sorted(taken, key=len) == [set(), set(), set(), {"t"}]
        assert await store.triggers_named(["t"]) == [poll._replace(generation=1)]

    async def test_each_of_several_polls_is_taken_for_itself(self, store: Store) -> None:
        for name in ("a", "b", "c"):
            await store.add_trigger(trigger_row(name))
        await store.change_trigger(trigger_row("b"))

        taken = await store.take_polls([trigger_row("a"), trigger_row("b"), trigger_row("c")])

        assert taken == {"a", "c"}

    async def test_a_disabled_trigger_is_not_polled(self, store: Store) -> None:
        await store.add_trigger(trigger_row()._replace(enabled=False))

        assert await store.take_polls([trigger_row()]) == set()

    async def test_the_error_of_the_last_poll_stays_until_a_good_one(self, store: Store) -> None:
        await store.add_trigger(trigger_row())
        await store.take_polls([trigger_row()])
        row = trigger_row()._replace(generation=1)
        await store.note_poll("t", 1, None, NOW)
        assert await store.triggers_named(["t"]) == [row]

        await store.note_poll("t", 1, "E: a", NOW)
        failed = row._replace(last_error="E: a", failing_since=NOW, failed_polls=1, error_at=NOW)
        assert await store.triggers_named(["t"]) == [failed]
        assert await store.take_polls([row]) == {"t"}
        await store.note_poll("t", 2, "E: b", LATER)
        row = failed._replace(generation=2, last_error="E: b", failed_polls=2, error_at=LATER)
        assert await store.triggers_named(["t"]) == [row]

        assert await store.change_trigger(trigger_row()._replace(generation=2, updated_at=LATER))
        row = row._replace(generation=3, updated_at=LATER)
        assert await store.triggers_named(["t"]) == [row]
        await store.note_poll("t", 3, None, LATER)
        good = trigger_row()._replace(generation=3, updated_at=LATER)
        assert await store.triggers_named(["t"]) == [good]
        await store.note_poll("none", 0, "E", NOW)

    async def test_a_poll_that_ends_after_a_later_one_was_taken_is_not_noted(
        self, store: Store
    ) -> None:
        await store.add_trigger(trigger_row())
        await store.take_polls([trigger_row()])
        await store.take_polls([trigger_row()._replace(generation=1)])

        await store.note_poll("t", 1, "E: late", NOW)
        assert await store.triggers_named(["t"]) == [trigger_row()._replace(generation=2)]
        await store.note_poll("t", 2, "E", NOW)
        await store.note_poll("t", 1, None, LATER)
        (row,) = await store.triggers_named(["t"])
        assert (row.last_error, row.failed_polls) == ("E", 1)

    async def test_enabled_triggers_that_fail_are_listed_since_when(self, store: Store) -> None:
        for name in ("a", "b", "c", "good"):
            await store.add_trigger(trigger_row(name))
        for name, now in (("a", LATER), ("b", NOW), ("c", NOW)):
            await store.note_poll(name, 0, "E", now)
        await store.change_trigger(trigger_row("c")._replace(enabled=False))

        assert [row.name for row in await store.failing_triggers(9)] == ["b", "a"]
        assert [row.name for row in await store.failing_triggers(1)] == ["b"]

    # -- events ------------------------------------------------------------------------------

    async def test_an_event_makes_a_run_that_nobody_owns(self, store: Store) -> None:
        await store.add_trigger(trigger_row())

        await fire_events(store, new_event("a"))

        run = await stored(store, "a")
        assert (run.workflow, run.status, run.owner, run.epoch) == (
            WORKFLOW,
            RunStatus.PENDING,
            None,
            0,
        )
        assert (run.input, run.version) == ('{"amount":1}', "0123456789abcdef")
        assert await _events(store) == [EventRow("e-a", "t", "h", "a", NOW, None)]

    async def test_events_that_are_sent_again_make_no_second_run(self, store: Store) -> None:
        await store.add_trigger(trigger_row())
        for _ in range(2):
            await fire_events(store, new_event("a"), new_event("b", context_hash="i"))

        assert len(await store.list_runs(any_run())) == 2
        assert len(await _events(store)) == 2

    async def test_events_that_are_sent_again_after_their_runs_have_ended_neither(
        self, store: Store
    ) -> None:
        await store.add_trigger(trigger_row())
        await fire_events(store, new_event("a"))
        await _end(store, "a")

        await fire_events(store, new_event("a"))

        assert len(await _events(store)) == 1
        assert (await stored(store, "a")).status == RunStatus.COMPLETED

    async def test_a_context_has_one_active_run(self, store: Store) -> None:
        await store.add_trigger(trigger_row())
        await fire_events(store, new_event("a"))

        await fire_events(store, new_event("b"), new_event("c", context_hash="i"))

        assert await _run_ids(store) == ["a", "c"]
        await _end(store, "a")
        await fire_events(store, new_event("d"))
        assert await _run_ids(store) == ["a", "c", "d"]
        assert [event.ended_at is None for event in await _events(store)] == [True, True, False]

    async def test_of_two_events_of_one_context_in_a_batch_the_first_makes_its_run(
        self, store: Store
    ) -> None:
        await store.add_trigger(trigger_row())

        await fire_events(store, new_event("a"), new_event("b"))

        assert await _run_ids(store) == ["a"]

    async def test_of_two_runners_that_fire_one_context_one_makes_its_run(
        self, store: Store
    ) -> None:
        await store.add_trigger(trigger_row())

        await asyncio.gather(
            *(fire_events(store, new_event(name), runner_id=name) for name in "abcd")
        )

        assert len(await _run_ids(store)) == 1

    async def test_another_triggers_run_of_the_same_context_is_no_hindrance(
        self, store: Store
    ) -> None:
        await store.add_trigger(trigger_row())
        await store.add_trigger(trigger_row("u"))

        await fire_events(store, new_event("a"), new_event("b", trigger_id="u"))

        assert await _run_ids(store) == ["a", "b"]

    async def test_runs_may_be_concurrent_where_that_is_allowed(self, store: Store) -> None:
        await store.add_trigger(trigger_row())

        for name in "ab":
            await fire_events(store, new_event(name, allow_concurrent=True))

        assert await _run_ids(store) == ["a", "b"]

    async def test_runs_of_the_workflow_that_a_trigger_had_before_stop_nothing(
        self, store: Store
    ) -> None:
        await store.add_trigger(trigger_row())
        await fire_events(store, new_event("a"))

        for name in "bc":
            other = new_event(name)._replace(workflow="public::embedded::other")
            await fire_events(store, other)

        assert await _run_ids(store) == ["a", "b"]

    async def test_a_key_makes_one_run_ever(self, store: Store) -> None:
        await store.add_trigger(trigger_row())
        await fire_events(store, new_event("a", key="k", allow_concurrent=True))
        await _end(store, "a")

        again = new_event("b", key="k", context_hash="i", allow_concurrent=True)
        await fire_events(store, again, new_event("c", key="l", allow_concurrent=True))

        assert await _run_ids(store) == ["a", "c"]
        assert await store.known_events("t", ["k", "m"]) == {"k"}
        assert await store.known_events("u", ["k"]) == set()
        assert await store.known_events("t", []) == set()

    async def test_a_key_whose_context_is_active_is_not_taken(self, store: Store) -> None:
        await store.add_trigger(trigger_row())
        await fire_events(store, new_event("a", key="k"))

        await fire_events(store, new_event("b", key="l"))

        assert await store.known_events("t", ["k", "l"]) == {"k"}
        await _end(store, "a")
        await fire_events(store, new_event("c", key="l"))
        assert await _run_ids(store) == ["a", "c"]

    @pytest.mark.parametrize("generation", [None, 1])
    async def test_a_disabled_trigger_fires_nothing(
        self, store: Store, generation: int | None
    ) -> None:
        await store.add_trigger(trigger_row())
        await store.change_trigger(trigger_row()._replace(enabled=False))

        await fire_events(store, new_event("a", generation=generation))

        assert await _run_ids(store) == []
        assert await _events(store) == []

    async def test_an_event_of_no_trigger_makes_no_run(self, store: Store) -> None:
        await fire_events(store, new_event("a"))

        assert await _run_ids(store) == []

    async def test_what_was_found_counts_whatever_polls_came_after(self, store: Store) -> None:
        await store.add_trigger(trigger_row())
        await store.take_polls([trigger_row()])

        await fire_events(store, new_event("a"))

        assert await _run_ids(store) == ["a"]

    async def test_a_tick_is_fired_with_its_turn_by_one_runner(self, store: Store) -> None:
        await store.add_trigger(trigger_row())
        turn = trigger_row()._replace(last_poll_at=NOW, next_poll_at=LATER)

        for name in "ab":
            event = new_event(name, generation=0, allow_concurrent=True)
            await fire_events(store, event, turns=[turn], runner_id=name)

        assert await _run_ids(store) == ["a"]
        assert await store.triggers_named(["t"]) == [turn._replace(generation=1)]

    async def test_a_turn_needs_no_event(self, store: Store) -> None:
        await store.add_trigger(trigger_row())

        await fire_events(store, turns=[trigger_row()._replace(next_poll_at=LATER)])

        (row,) = await store.triggers_named(["t"])
        assert (row.next_poll_at, row.generation) == (LATER, 1)

    async def test_events_are_listed_newest_first_in_pages(self, store: Store) -> None:
        await store.add_trigger(trigger_row())
        for place, name in enumerate("abc"):
            event = new_event(name, allow_concurrent=True, created_at=NOW + place)
            await fire_events(store, event)

        assert [event.run_id for event in await _events(store)] == ["c", "b", "a"]
        page = await store.list_events("t", limit=1, offset=1)
        assert [event.run_id for event in page] == ["b"]
        assert await store.list_events("u", limit=9, offset=0) == []


async def _listed(store: Store) -> list[TriggerRow]:
    return await store.list_triggers(enabled_only=False, limit=99, offset=0)


async def _events(store: Store) -> list[EventRow]:
    return await store.list_events("t", limit=99, offset=0)


async def _run_ids(store: Store) -> list[str]:
    return sorted([run.id for run in await store.list_runs(any_run())])


async def _end(store: Store, run_id: str) -> None:
    """Claim everything, and end this run."""
    if not await store.runners():
        await store.register(runner())
    await store.claim("r1", [WORKFLOW], 99, NOW)
    await record(store, ends=[run_end(run_id)])
