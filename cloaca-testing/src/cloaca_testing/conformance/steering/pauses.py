"""Contract of pauses of runs, and of their ends."""

from __future__ import annotations

import pytest

from cloaca_core.assembly.store import Store
from cloaca_core.features.steering.records import StopRequest
from cloaca_core.store.acts import Acted
from cloaca_core.values.states import RunStatus
from cloaca_testing.conformance.commits import claimed, fence, park, record, stored, submit
from cloaca_testing.conformance.rows import (
    LATER,
    NOW,
    WORKFLOW,
    act,
    any_run,
    attempt,
    new_run,
    run_end,
    runner,
)

DEADLINE = LATER + 30


class PauseConformance:
    """Part of ``StoreConformance``."""

    # -- pause and resume ---------------------------------------------------------------------

    async def test_a_run_that_has_not_started_is_paused_and_resumed(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a", owner=None))

        acted = await store.pause(["a"], act("x", because="wait"), None, children=True)

        assert acted == {"a": Acted(RunStatus.PAUSED, True)}
        run = await stored(store, "a")
        assert (run.status, run.owner, run.epoch, run.steer_reason) == (
            RunStatus.PAUSED,
            None,
            0,
            "wait",
        )
        assert await claimed(store) == []
        assert not await store.has_claimable("r1", [WORKFLOW])
        assert (await store.list_waiting("me", 9)).rows == []
        assert await _listed(store, RunStatus.PAUSED) == ["a"]

        acted = await store.resume(["a"], act("y"))

        assert acted == {"a": Acted(RunStatus.PENDING, True)}
        run = await stored(store, "a")
        assert (run.status, run.steer_reason, run.stood_still) == (RunStatus.PENDING, None, 0)
        assert await claimed(store) == ["a"]

    async def test_a_run_with_an_owner_stays_with_it_while_it_is_paused(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))

        await store.pause(["a"], act("x", because="wait", now=NOW + 10), None, children=True)

        run = await stored(store, "a")
        assert (run.status, run.owner, run.epoch) == (RunStatus.PAUSED, "r1", 1)
        assert (await store.news("r1", [], 9)).stop_requests == [
            StopRequest("a", 1, RunStatus.PAUSED, "wait", None)
        ]
        committed = await record(store, [attempt("a")])
        assert dict(committed.stop_requests) == {"a": RunStatus.PAUSED}
        assert await store.load_attempts(["a"]) == [attempt("a")]

        acted = await store.resume(["a"], act("y", now=NOW + 17))

        assert acted == {"a": Acted(RunStatus.RUNNING, True)}
        run = await stored(store, "a")
        assert (run.status, run.owner, run.epoch, run.stood_still) == (
            RunStatus.RUNNING,
            "r1",
            1,
            7,
        )
        assert (await store.news("r1", [], 9)).stop_requests == []
        assert dict((await fence(store, "a")).stop_requests) == {}

    @pytest.mark.parametrize("owner", ["r1", None])
    async def test_the_end_of_a_pause_moves_the_deadline_of_the_parent_on(
        self, store: Store, owner: str | None
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a", owner=owner)._replace(deadline_at=NOW + 50))
        await submit(store, new_run("b", owner=owner))

        await store.pause(["a", "b"], act("x", now=NOW + 10), None, children=True)
        await store.resume(["a", "b"], act("y", now=NOW + 17))

        assert (await stored(store, "a")).deadline_at == NOW + 57
        assert (await stored(store, "b")).deadline_at is None

    async def test_a_run_that_waits_for_its_time_still_waits_when_it_is_resumed(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("begun"), new_run("new", due_at=LATER))
        await park(store, "begun", LATER)

        paused = await store.pause(["begun", "new"], act("x"), None, children=True)
        resumed = await store.resume(["begun", "new"], act("y"))

        assert {each.status for each in paused.values()} == {RunStatus.PAUSED}
        assert resumed == {
            "begun": Acted(RunStatus.WAITING, True),
            "new": Acted(RunStatus.PENDING, True),
        }
        assert await claimed(store) == []
        assert await store.make_due_claimable([WORKFLOW], LATER, 9) == 2
        assert await claimed(store) == ["begun", "new"]

    # -- pauses -------------------------------------------------------------------------------

    async def test_a_run_that_was_released_is_running_again_when_it_is_resumed(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        await store.pause(["a"], act("x"), None, children=True)

        assert await store.release("r1", []) == 1
        run = await stored(store, "a")
        assert (run.status, run.owner, run.epoch) == (RunStatus.PAUSED, None, 2)
        assert await claimed(store) == []

        acted = await store.resume(["a"], act("y"))
        assert acted == {"a": Acted(RunStatus.RUNNING, True)}
        assert await claimed(store) == ["a"]

    async def test_a_resumed_run_is_behind_those_that_could_be_claimed_before(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(
            store,
            new_run("a", owner=None, created_at=NOW),
            new_run("b", owner=None, created_at=NOW + 5),
            new_run("c", owner=None, created_at=NOW + 9),
        )
        await store.pause(["a"], act("x", now=NOW + 1), None, children=True)
        await store.resume(["a"], act("y", now=NOW + 7))

        assert [await claimed(store, 1) for _ in range(3)] == [["b"], ["a"], ["c"]]

    async def test_a_paused_run_that_its_owner_ends_has_ended(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        await store.pause(["a"], act("x"), LATER, children=True)

        await record(store, [attempt("a")], [run_end("a")])

        run = await stored(store, "a")
        assert (run.status, run.final_context, run.steer_reason) == (
            RunStatus.COMPLETED,
            '{"x":1}',
            None,
        )
        assert await store.resume(["a"], act("y")) == {"a": Acted(RunStatus.COMPLETED, False)}
        assert await store.pauses_over(2**62, 9) == []
        assert (await store.news("r1", [], 9)).stop_requests == []

    async def test_a_run_is_paused_once_and_resumed_once(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        assert await store.resume(["a"], act("u")) == {"a": Acted(RunStatus.RUNNING, False)}
        await store.pause(["a"], act("v", because="first"), LATER, children=True)

        acted = await store.pause(["a"], act("w", because="second"), LATER + 9, children=True)

        assert acted == {"a": Acted(RunStatus.PAUSED, False)}
        assert (await stored(store, "a")).steer_reason == "first"
        assert await store.pauses_over(LATER, 9) == ["a"]
        await store.resume(["a"], act("x"))
        assert await store.resume(["a"], act("y")) == {"a": Acted(RunStatus.RUNNING, False)}

    async def test_a_run_that_has_ended_or_is_to_be_cancelled_is_neither_paused_nor_resumed(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, *[new_run(run_id) for run_id in ("held", "over", "told")])
        await store.pause(["held"], act("u"), LATER, children=True)
        await record(store, ends=[run_end("over")])
        await store.cancel(["held", "told"], act("v"), DEADLINE, children=True)
        ids = ["held", "over", "told"]
        before = [await stored(store, run_id) for run_id in ids]

        paused = await store.pause(ids, act("w"), None, children=True)
        resumed = await store.resume([*ids, "none"], act("x"))

        assert paused == resumed
        assert paused == {
            "held": Acted(RunStatus.CANCELLING, False),
            "over": Acted(RunStatus.COMPLETED, False),
            "told": Acted(RunStatus.CANCELLING, False),
        }
        assert [await stored(store, run_id) for run_id in ids] == before
        assert await store.pauses_over(2**62, 9) == []
        stop_requests = (await store.news("r1", [], 9)).stop_requests
        assert [(stop_request.run_id, stop_request.status) for stop_request in stop_requests] == [
            ("held", RunStatus.CANCELLED),
            ("told", RunStatus.CANCELLED),
        ]

    async def test_a_pause_that_is_sent_again_after_a_resume_changes_nothing(
        self, store: Store
    ) -> None:
        await submit(store, new_run("a", owner=None))
        for _ in range(2):
            assert await store.pause(["a"], act("x"), None, children=True) == {
                "a": Acted(RunStatus.PAUSED, True)
            }
        await store.resume(["a"], act("y"))

        assert await store.pause(["a"], act("x"), None, children=True) == {
            "a": Acted(RunStatus.PENDING, True)
        }
        assert (await stored(store, "a")).status == RunStatus.PENDING

    async def test_a_resume_that_is_sent_again_after_a_pause_changes_nothing(
        self, store: Store
    ) -> None:
        await submit(store, new_run("a", owner=None))
        await store.pause(["a"], act("x"), None, children=True)
        for _ in range(2):
            assert await store.resume(["a"], act("y")) == {"a": Acted(RunStatus.PENDING, True)}
        await store.pause(["a"], act("z"), None, children=True)

        assert await store.resume(["a"], act("y")) == {"a": Acted(RunStatus.PAUSED, True)}
        assert (await stored(store, "a")).status == RunStatus.PAUSED

    async def test_a_pause_that_found_nothing_to_do_does_nothing_when_it_is_sent_again(
        self, store: Store
    ) -> None:
        await submit(store, new_run("a", owner=None))
        await store.pause(["a"], act("x"), None, children=True)
        await store.pause(["a"], act("late"), None, children=True)
        await store.resume(["a"], act("y"))

        acted = await store.pause(["a"], act("late"), None, children=True)

        assert acted == {"a": Acted(RunStatus.PENDING, False)}

    async def test_pauses_are_over_in_the_order_of_their_ends(self, store: Store) -> None:
        await submit(store, *[new_run(run_id, owner=None) for run_id in "abcd"])
        for run_id, until in (("a", LATER + 2), ("b", LATER), ("c", None), ("d", LATER + 1)):
            await store.pause([run_id], act(f"x{run_id}"), until, children=True)

        assert (await store.news("r1", [], 9)).next_timer == LATER
        assert await store.pauses_over(LATER - 1, 9) == []
        assert await store.pauses_over(LATER + 1, 9) == ["b", "d"]
        assert await store.pauses_over(LATER + 9, 2) == ["b", "d"]
        await store.resume(["b", "d"], act("y"))
        assert await store.pauses_over(LATER + 9, 9) == ["a"]
        assert (await store.news("r1", [], 9)).next_timer == LATER + 2


async def _listed(store: Store, status: RunStatus) -> list[str]:
    return [run.id for run in await store.list_runs(any_run(status=status))]
