"""Contract of runs that follow others: each end inserts its own, once, however it comes about."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

import pytest

from cloaca_core.assembly.store import Store
from cloaca_core.features.follow_ups.records import FollowUpRow, NewFollowUp
from cloaca_core.features.schedules.records import Cancellation
from cloaca_core.features.steering.records import Reopening
from cloaca_core.run.rows import RunEnd, RunRow
from cloaca_core.store.batch import Committed
from cloaca_core.values.definition_rows import DefinitionRow, WhenEndedRow
from cloaca_core.values.ids import is_run_id
from cloaca_core.values.states import RunStatus
from cloaca_testing.conformance.commits import batch_with, claimed, fire, stored, submit
from cloaca_testing.conformance.rows import (
    LATER,
    NOW,
    WORKFLOW,
    act,
    any_run,
    new_run,
    new_tick,
    overdue,
    run_end,
    runner,
    schedule,
)

ALERTS = "public::embedded::alerts"
DEADLINE = LATER + 30
ODD_TEXT = 'it said "no\\path"\n\tthen\x01 Grüße 😀 </script> %s :name'


class FollowUpConformance:
    """Part of ``StoreConformance``."""

    # -- the owner's end ---------------------------------------------------------------------

    async def test_a_run_follows_the_end_that_its_owner_writes(self, store: Store) -> None:
        await _begin(store)
        end = run_end("a", status=RunStatus.FAILED)._replace(error_message=ODD_TEXT)

        await _end(store, [end], [_follow_up("a", content='{"to":["ann"],"x":{}}')])

        follow_up = await stored(store, "f-a")
        assert json.loads(follow_up.input) == {
            "to": ["ann"],
            "x": {},
            "run_id": "a",
            "status": "Failed",
            "error": ODD_TEXT,
        }
        assert follow_up == RunRow(
            id="f-a",
            workflow=ALERTS,
            version="",
            status=RunStatus.PENDING,
            owner=None,
            epoch=0,
            recoveries=0,
            input=follow_up.input,
            tags="{}",
            parent_id=None,
            final_context=None,
            error_message=None,
            created_at=end.ended_at,
            started_at=None,
            ended_at=None,
        )
        assert [run.id for run in await store.claim("r1", [ALERTS], 9, LATER)] == ["f-a"]

    async def test_a_run_that_completed_has_no_error(self, store: Store) -> None:
        await _begin(store)

        await _end(store, [run_end("a")], [_follow_up("a", RunStatus.COMPLETED)])

        follow_up = await stored(store, "f-a")
        assert follow_up.input == '{"n":0,"run_id":"a","status":"Completed","error":null}'

    async def test_the_state_that_is_written_decides_what_follows(self, store: Store) -> None:
        await _begin(store, "a", "b")
        await store.cancel(["b"], act(because="no use"), DEADLINE, children=True)
        both = (RunStatus.COMPLETED, RunStatus.CANCELLED)
        asked = [_follow_up(r, s, place=n) for r in "ab" for n, s in enumerate(both)]

        await _end(store, [run_end("a"), run_end("b")], asked)

        assert await _followed(store, "a") == [("a", "Completed", None)]
        assert await _followed(store, "b") == [("b", "Cancelled", "no use")]

    async def test_the_same_batch_again_adds_no_second_one(self, store: Store) -> None:
        await _begin(store)
        asked = [_follow_up("a", RunStatus.COMPLETED, place=n) for n in (0, 1)]

        for _ in range(3):
            await _end(store, [run_end("a")], asked)

        assert sorted(each.id for each in await store.follow_ups(["a"])) == ["f-a", "f-a-1"]

    async def test_another_row_for_the_same_place_of_the_same_round_adds_none(
        self, store: Store
    ) -> None:
        await _begin(store)
        await _end(store, [run_end("a")], [_follow_up("a", RunStatus.COMPLETED)])

        other = _follow_up("a", RunStatus.COMPLETED)._replace(id="other", submits=WORKFLOW)
        await _end(store, [run_end("a")], [other])

        assert [each.id for each in await store.follow_ups(["a"])] == ["f-a"]

    async def test_nothing_follows_the_end_of_a_run_that_is_lost(self, store: Store) -> None:
        await _begin(store, "a", "b")
        asked = [_follow_up("a", RunStatus.COMPLETED), _follow_up("b", RunStatus.COMPLETED)]
        await _end(store, [run_end("a", epoch=7)], asked[:1])
        await store.fence("r1", 0)

        await _end(store, [run_end("b")], asked[1:])

        assert await store.follow_ups(["a", "b"]) == []

    async def test_nothing_follows_an_end_that_a_fenced_runner_sends_again(
        self, store: Store
    ) -> None:
        await _begin(store)
        await _end(store, [run_end("a")], [])
        await store.fence("r1", 0)

        await _end(store, [run_end("a")], [_follow_up("a", RunStatus.COMPLETED)])

        assert await store.follow_ups(["a"]) == []

    async def test_nothing_follows_a_run_that_has_not_ended(self, store: Store) -> None:
        await _begin(store)

        await store.commit(
            batch_with("r1", [], [], [], {"a": 1}, follow_ups=[_follow_up("a", RunStatus.RUNNING)])
        )

        assert await store.follow_ups(["a"]) == []

    async def test_each_round_is_followed(self, store: Store) -> None:
        await _begin(store)
        await _end(store, [run_end("a", status=RunStatus.FAILED)], [_follow_up("a")])
        await store.retry([Reopening("a", 1, {})], act("again"))
        assert await claimed(store) == ["a"]

        again = _follow_up("a")._replace(id="f-again")
        await _end(store, [run_end("a", epoch=3, status=RunStatus.FAILED)], [again])

        ended_at = run_end("a").ended_at
        assert await store.follow_ups(["a"]) == [
            FollowUpRow("f-a", ALERTS, "a", 1, ended_at),
            FollowUpRow("f-again", ALERTS, "a", 2, ended_at),
        ]

    async def test_its_version_is_the_newest_that_is_recorded(self, store: Store) -> None:
        await _begin(store)
        await store.record_definitions([DefinitionRow(ALERTS, "7", "alerts", "{}", NOW)])

        await _end(store, [run_end("a")], [_follow_up("a", RunStatus.COMPLETED)])

        assert (await stored(store, "f-a")).version == "7"

    async def test_it_waits_while_its_workflow_is_paused(self, store: Store) -> None:
        await _begin(store)
        await store.pause_workflow(ALERTS, act("pause"), None)

        await _end(store, [run_end("a")], [_follow_up("a", RunStatus.COMPLETED)])

        assert await store.claim("r1", [ALERTS], 9, LATER) == []
        await store.resume_workflow(ALERTS, act("resume"))
        assert [run.id for run in await store.claim("r1", [ALERTS], 9, LATER)] == ["f-a"]

    # -- other ends --------------------------------------------------------------------------

    @pytest.mark.parametrize("how", ["cancel", "expire", "release", "unregister", "take over"])
    async def test_a_recorded_version_decides_what_follows_any_other_end(
        self, store: Store, how: str
    ) -> None:
        await _record(store, ("Cancelled", ALERTS), ("Failed", WORKFLOW), ("Cancelled", WORKFLOW))
        await store.register(runner())
        await _cancel(store, how, because=ODD_TEXT)

        found = await store.follow_ups(["a"])

        assert sorted(each.workflow for each in found) == [ALERTS, WORKFLOW]
        run = await stored(store, "a")
        assert (run.status, run.error_message) == (RunStatus.CANCELLED, ODD_TEXT)
        for each in found:
            assert is_run_id(each.id)
            assert (each.follows, each.round, each.created_at) == ("a", 1, run.ended_at)
            row = await stored(store, each.id)
            assert json.loads(row.input) == {
                "place": 0 if each.workflow == ALERTS else 2,
                "run_id": "a",
                "status": "Cancelled",
                "error": ODD_TEXT,
            }
            assert (row.status, row.owner, row.parent_id) == (RunStatus.PENDING, None, None)
            assert row.priority == 0
            assert row.version == ("1" if each.workflow == WORKFLOW else "")
        await store.register(runner("r2"))
        assert len(await store.claim("r2", [ALERTS, WORKFLOW], 9, LATER)) == 2

    async def test_what_follows_a_run_that_makes_way_for_a_tick(self, store: Store) -> None:
        await _record(store, ("Cancelled", ALERTS))
        await store.register(runner())
        await store.put_schedule(schedule())
        await fire(store, new_tick("s", "a"))
        tick = new_tick("s", "b", tick=LATER, generation=1)
        way = Cancellation("a", "s", LATER, "b", "makes way", LATER, LATER)
        batch = batch_with("r1", [], [], [], {}, (), [tick], [way])

        for _ in range(2):
            await store.commit(batch)

        assert await _followed(store, "a") == [("a", "Cancelled", "makes way")]

    async def test_a_cancel_that_is_sent_again_adds_no_second_one(self, store: Store) -> None:
        await _record(store, ("Cancelled", ALERTS))
        await submit(store, new_run("a", owner=None))

        for act_id in ("x", "x", "y"):
            await store.cancel(["a"], act(act_id), DEADLINE, children=True)

        assert len(await store.follow_ups(["a"])) == 1

    async def test_nothing_follows_a_cancel_of_a_run_that_has_ended_or_has_an_owner(
        self, store: Store
    ) -> None:
        await _record(store, ("Cancelled", ALERTS), ("Completed", ALERTS))
        await _begin(store, "over", "owned")
        await _end(store, [run_end("over")], [])

        await store.cancel(["over", "owned"], act(), DEADLINE, children=True)

        assert await store.follow_ups(["over", "owned"]) == []

    async def test_only_the_newest_version_counts(self, store: Store) -> None:
        await _record(store, ("Cancelled", ALERTS))
        await _record(store, version="2")
        await submit(store, new_run("a", owner=None), new_run("b", owner=None))

        await store.cancel(["a"], act("x"), DEADLINE, children=True)
        await _record(store, version="1")
        await store.cancel(["b"], act("y"), DEADLINE, children=True)

        assert await store.follow_ups(["a"]) == []
        assert len(await store.follow_ups(["b"])) == 1

    async def test_a_version_that_is_recorded_again_keeps_what_follows_it(
        self, store: Store
    ) -> None:
        await _record(store, ("Cancelled", ALERTS))
        await _record(store, ("Cancelled", WORKFLOW))
        await submit(store, new_run("a", owner=None))

        await store.cancel(["a"], act(), DEADLINE, children=True)

        assert [each.workflow for each in await store.follow_ups(["a"])] == [ALERTS]

    async def test_nothing_follows_a_run_of_another_workflow(self, store: Store) -> None:
        await _record(store, ("Cancelled", ALERTS))
        await submit(store, new_run("a", owner=None, workflow=ALERTS))

        await store.cancel(["a"], act(), DEADLINE, children=True)

        assert await store.follow_ups(["a"]) == []

    async def test_many_at_once_have_ids_of_their_own_in_the_order_of_time(
        self, store: Store
    ) -> None:
        await _record(store, ("Cancelled", ALERTS))
        runs = [f"{n:03}" for n in range(50)]
        await submit(store, *[new_run(run, owner=None) for run in runs])
        first, then = runs[:25], runs[25:]

        await store.cancel(first, act("x", now=NOW), DEADLINE, children=True)
        await store.cancel(then, act("y", now=NOW + 1_000), DEADLINE, children=True)

        found = await store.follow_ups(runs)
        assert len({each.id for each in found}) == 50
        assert {each.follows for each in found[:25]} == set(first)
        listed = await store.list_runs(any_run(workflow=ALERTS))
        assert [run.id for run in listed] == sorted([each.id for each in found], reverse=True)

    async def test_of_callers_at_the_same_time_one_adds_what_follows(self, store: Store) -> None:
        await _record(store, ("Cancelled", ALERTS))
        await _begin(store, *map(str, range(10)))
        ids = [str(n) for n in range(10)]
        await store.cancel(ids, act("told"), DEADLINE, children=True)
        asked = [_follow_up(run, RunStatus.CANCELLED) for run in ids]

        await asyncio.gather(
            _end(store, [run_end(run) for run in ids], asked),
            store.cancel(ids, act("again"), DEADLINE, children=True),
            store.release("r1", []),
        )

        assert sorted([each.follows for each in await store.follow_ups(ids)]) == ids

    # -- looking -----------------------------------------------------------------------------

    async def test_a_run_is_found_by_the_one_it_follows_and_by_itself(self, store: Store) -> None:
        await _begin(store, "a", "b")
        asked = [_follow_up("a", RunStatus.COMPLETED), _follow_up("b", RunStatus.COMPLETED)]
        await _end(store, [run_end("a"), run_end("b")], asked)

        of_a = FollowUpRow("f-a", ALERTS, "a", 1, run_end("a").ended_at)

        assert await store.follow_ups(["a"]) == [of_a]
        assert await store.follow_ups(["f-a"]) == [of_a]
        assert await store.follow_ups(["a", "f-a"]) == [of_a]
        assert await store.follow_ups(["other"]) == await store.follow_ups([]) == []


async def _record(store: Store, *rules: tuple[str, str], version: str = "1") -> None:
    """Record a version of the usual workflow: workflows that follow ends in these states."""
    rows = [
        WhenEndedRow(WORKFLOW, version, place, status, submits, f'{{"place":{place}}}')
        for place, (status, submits) in enumerate(rules)
    ]
    definition = DefinitionRow(WORKFLOW, version, "orders", "{}", NOW)
    await store.record_definitions([definition], rows)


async def _begin(store: Store, *run_ids: str) -> None:
    """Store a runner, and runs that it owns."""
    await store.register(runner())
    await submit(store, *map(new_run, run_ids or ("a",)))


def _follow_up(
    run_id: str, status: str = RunStatus.FAILED, *, place: int = 0, content: str = '{"n":0}'
) -> NewFollowUp:
    new_id = f"f-{run_id}-{place}" if place else f"f-{run_id}"
    return NewFollowUp(new_id, run_id, place, status, ALERTS, content)


async def _end(
    store: Store, ends: Sequence[RunEnd], follow_ups: Sequence[NewFollowUp]
) -> Committed:
    """Commit ends with what is to follow them."""
    fences = {end.id: end.epoch for end in ends}
    return await store.commit(batch_with("r1", [], [], list(ends), fences, follow_ups=follow_ups))


async def _followed(store: Store, run_id: str) -> list[tuple[object, ...]]:
    """The inputs of the runs that follow a run, which tell of its end."""
    rows = [await stored(store, each.id) for each in await store.follow_ups([run_id])]
    told = [json.loads(row.input) for row in rows]
    return [(each["run_id"], each["status"], each["error"]) for each in told]


async def _cancel(store: Store, how: str, *, because: str) -> None:
    """Have a run of r1 end as Cancelled in one of the ways in which no owner ends it."""
    if how in ("cancel", "expire"):
        await submit(store, overdue("a"))
        if how == "cancel":
            await store.cancel(["a"], act(because=because), DEADLINE, children=True)
        else:
            await store.expire(["a"], act(because=because))
        return
    await submit(store, new_run("a"))
    await store.cancel(["a"], act(because=because), DEADLINE, children=True)
    assert await store.follow_ups(["a"]) == []
    if how == "release":
        await store.release("r1", [])
    elif how == "unregister":
        await store.unregister("r1")
    else:
        await store.fence("r1", 0)
        await store.take_over("r1", 9)
