"""Contract of cancels: the state, the owner that is notified, and the acts that are kept."""

from __future__ import annotations

import asyncio

import pytest

from cloaca_core.assembly.store import Store
from cloaca_core.features.steering.records import Reopening, StopRequest
from cloaca_core.store.acts import Acted, ActRow
from cloaca_core.values.states import ReasonCode, RunStatus
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


class CancelConformance:
    """Part of ``StoreConformance``."""

    # -- cancel -------------------------------------------------------------------------------

    async def test_a_run_without_an_owner_is_cancelled_at_once(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a", owner=None))

        acted = await store.cancel(["a"], act(because="no use"), DEADLINE, children=True)

        assert acted == {"a": Acted(RunStatus.CANCELLED, True)}
        run = await stored(store, "a")
        assert (run.status, run.owner, run.epoch, run.ended_at) == (
            RunStatus.CANCELLED,
            None,
            1,
            LATER,
        )
        assert (run.final_context, run.error_message) == (run.input, "no use")
        assert (run.reason_code, run.steer_reason) == (ReasonCode.CANCELLED, "no use")
        assert run.started_at is None
        assert await claimed(store) == []
        assert not await store.has_claimable("r1", [WORKFLOW])
        assert [each.id for each in await store.ended(["a"])] == ["a"]

    @pytest.mark.parametrize("is_paused", [False, True])
    async def test_a_run_that_waits_for_its_time_is_cancelled_at_once(
        self, store: Store, is_paused: bool
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        await park(store, "a", LATER)
        if is_paused:
            await store.pause(["a"], act("p"), LATER, children=True)

        await store.cancel(["a"], act(), DEADLINE, children=True)

        run = await stored(store, "a")
        assert (run.status, run.epoch, run.due_at, run.started_at) == (
            RunStatus.CANCELLED,
            3,
            None,
            NOW,
        )
        assert await store.next_due_run([WORKFLOW]) is None
        assert await store.pauses_over(2**62, 9) == []
        assert (await store.news("r1", [WORKFLOW], 9)).next_timer is None

    async def test_a_run_with_an_owner_is_to_be_ended_by_it(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))

        acted = await store.cancel(["a"], act(because="no use"), DEADLINE, children=False)

        assert acted == {"a": Acted(RunStatus.CANCELLING, True)}
        run = await stored(store, "a")
        assert (run.owner, run.epoch, run.ended_at) == ("r1", 1, None)
        assert (run.final_context, run.error_message, run.reason_code) == (None, None, None)
        assert (await store.news("r1", [], 9)).stop_requests == [
            StopRequest("a", 1, RunStatus.CANCELLED, "no use", DEADLINE)
        ]
        assert await _listed(store, RunStatus.CANCELLING) == ["a"]
        assert await _listed(store, RunStatus.RUNNING) == []

    @pytest.mark.parametrize(
        ("second", "expected"),
        [
            (DEADLINE - 1, DEADLINE - 1),  # an earlier one holds
            (DEADLINE + 1, DEADLINE),  # a later one does not
        ],
    )
    async def test_a_run_is_cancelled_once_by_the_earlier_deadline(
        self, store: Store, second: int, expected: int
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        await store.cancel(["a"], act("x", because="first"), DEADLINE, children=False)
        before = await stored(store, "a")

        again = act("y", because="second", now=LATER + 1)
        acted = await store.cancel(["a"], again, second, children=False)

        assert acted == {"a": Acted(RunStatus.CANCELLING, False)}
        assert await stored(store, "a") == before
        (stop_request,) = (await store.news("r1", [], 9)).stop_requests
        assert (stop_request.because, stop_request.deadline) == ("first", expected)

    async def test_a_run_that_has_ended_is_not_cancelled(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"), new_run("b", owner=None))
        await record(store, ends=[run_end("a")])
        await store.cancel(["b"], act("x"), DEADLINE, children=True)
        before = [await stored(store, run_id) for run_id in ("a", "b")]

        acted = await store.cancel(["a", "b"], act("y"), DEADLINE, children=True)

        assert acted == {
            "a": Acted(RunStatus.COMPLETED, False),
            "b": Acted(RunStatus.CANCELLED, False),
        }
        assert [await stored(store, run_id) for run_id in ("a", "b")] == before
        assert (await store.news("r1", [], 9)).stop_requests == []

    async def test_several_runs_are_cancelled_by_one_act_and_unknown_ones_have_no_answer(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"), new_run("b", owner=None), new_run("c"))
        await record(store, ends=[run_end("c", status=RunStatus.FAILED)])

        acted = await store.cancel(["c", "none", "b", "a"], act(), DEADLINE, children=True)

        assert acted == {
            "a": Acted(RunStatus.CANCELLING, True),
            "b": Acted(RunStatus.CANCELLED, True),
            "c": Acted(RunStatus.FAILED, False),
        }
        assert await store.cancel(["none"], act("y"), DEADLINE, children=True) == {}
        assert await store.cancel([], act("z"), DEADLINE, children=True) == {}

    async def test_a_cancel_that_is_sent_again_changes_nothing_and_is_answered_again(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"), new_run("b", owner=None))
        first = await store.cancel(["a", "b"], act(), DEADLINE, children=True)
        before = [await stored(store, run_id) for run_id in ("a", "b")]

        assert await store.cancel(["a", "b"], act(), DEADLINE, children=True) == first
        assert [await stored(store, run_id) for run_id in ("a", "b")] == before

        await record(store, [], [run_end("a")])
        acted = await store.cancel(["a", "b"], act(), DEADLINE, children=True)
        assert acted == {run_id: Acted(RunStatus.CANCELLED, True) for run_id in ("a", "b")}
        assert len(await store.acts(None, 9)) == 2

    async def test_a_cancel_that_is_sent_again_does_nothing_to_the_next_round(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"), new_run("b", owner=None))
        await store.cancel(["a", "b"], act("x"), DEADLINE, children=True)
        await record(store, ends=[run_end("a")])
        for run_id in ("a", "b"):
            await store.retry([Reopening(run_id, 1, {})], act(f"y{run_id}"))
        await store.claim("r1", [WORKFLOW], 1, LATER)
        before = [await stored(store, run_id) for run_id in ("a", "b")]

        acted = await store.cancel(["a", "b"], act("x"), DEADLINE, children=True)

        assert acted == {
            "a": Acted(RunStatus.RUNNING, True),
            "b": Acted(RunStatus.PENDING, True),
        }
        assert [await stored(store, run_id) for run_id in ("a", "b")] == before

    async def test_the_owner_s_end_of_a_run_that_is_to_be_cancelled_is_a_cancellation(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        await store.cancel(["a"], act(because="no use"), DEADLINE, children=False)

        late = run_end("a", status=RunStatus.FAILED, reason="task_failed", limit=7)
        for _ in range(2):  # sent again it is answered again
            committed = await record(store, [attempt("a")], [late])
            assert (committed.current, dict(committed.stop_requests)) == (
                frozenset("a"),
                {"a": RunStatus.CANCELLED},
            )

        run = await stored(store, "a")
        assert (run.status, run.ended_at, run.owner, run.epoch) == (
            RunStatus.CANCELLED,
            NOW + 9,
            "r1",
            1,
        )
        assert (run.final_context, run.error_message) == (run.input, "no use")
        assert (run.reason_code, run.limit_seconds) == (ReasonCode.CANCELLED, None)
        assert run.steer_reason == "no use"
        assert await store.load_attempts(["a"]) == [attempt("a")]
        assert (await store.news("r1", [], 9)).stop_requests == []

    async def test_a_commit_tells_the_owner_which_of_its_runs_are_to_be_cancelled_or_paused(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, *[new_run(run_id) for run_id in "abcd"])
        await store.pause(["b", "c"], act("x"), None, children=True)
        await store.cancel(["c", "d"], act("y"), DEADLINE, children=False)

        committed = await fence(store, "a", "b", "c")

        assert committed.current == {"a", "b", "c"}
        assert dict(committed.stop_requests) == {"b": RunStatus.PAUSED, "c": RunStatus.CANCELLED}

    async def test_no_other_runner_is_told_what_is_asked_of_a_run(self, store: Store) -> None:
        await store.register(runner("r1"))
        await store.register(runner("r2"))
        await submit(store, new_run("a"))
        await store.cancel(["a"], act(), DEADLINE, children=False)

        committed = await fence(store, "a", runner_id="r2")

        assert (committed.current, dict(committed.stop_requests)) == (frozenset(), {})
        assert (await store.news("r2", [WORKFLOW], 9)).stop_requests == []

    # -- acts ---------------------------------------------------------------------------------

    async def test_each_act_is_kept_with_who_asked_and_whether_it_changed_anything(
        self, store: Store
    ) -> None:
        await submit(store, new_run("a", owner=None), new_run("b", owner=None))
        await store.pause(["a"], act("1", now=NOW + 1), None, children=True)
        await store.pause(["a", "b"], act("2", now=NOW + 2), None, children=True)
        await store.resume(["b"], act("3", now=NOW + 3)._replace(reason=None))
        await store.cancel(["a", "none"], act("4", now=NOW + 4), DEADLINE, children=True)
        await store.pause_workflow(WORKFLOW, act("5", now=NOW + 5), None)

        def row(number: int, run_id: str, kind: str, changed: int) -> ActRow:
            return ActRow(
                id=str(number),
                run_id=run_id,
                workflow=WORKFLOW,
                round=1 if run_id else 0,
                kind=kind,
                asked_by="ann",
                reason=None if number == 3 else "a reason",
                changed=changed,
                created_at=NOW + number,
            )

        expected = [
            row(5, "", "pause", 1),
            row(4, "a", "cancel", 1),
            row(3, "b", "resume", 1),
            row(2, "b", "pause", 1),
            row(2, "a", "pause", 0),
            row(1, "a", "pause", 1),
        ]
        assert await store.acts(None, 9) == expected
        assert await store.acts(None, 2) == expected[:2]
        assert await store.acts("a", 9) == [expected[1], expected[4], expected[5]]
        assert await store.acts("a", 1) == [expected[1]]
        assert await store.acts("none", 9) == []

    async def test_of_acts_at_the_same_time_one_changes_the_run_and_all_tell_the_same(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"), new_run("b", owner=None))

        answers = await asyncio.gather(
            *[store.cancel(["b", "a"], act(f"x{n}"), DEADLINE + n, children=True) for n in range(8)]
        )

        for run_id, status in (("a", RunStatus.CANCELLING), ("b", RunStatus.CANCELLED)):
            acted = [answer[run_id] for answer in answers]
            assert {each.status for each in acted} == {status}
            assert sorted(each.changed for each in acted) == [False] * 7 + [True]
        (stop_request,) = (await store.news("r1", [], 9)).stop_requests
        assert stop_request.deadline == DEADLINE

    async def test_of_a_cancel_and_an_end_at_the_same_time_one_wins_for_all(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        for n in range(10):
            run_id = f"{n}"
            await submit(store, new_run(run_id))

            committed, acted = await asyncio.gather(
                record(store, [attempt(run_id)], [run_end(run_id)]),
                store.cancel([run_id], act(f"x{n}"), DEADLINE, children=True),
            )

            status = (await stored(store, run_id)).status
            is_cancelled = acted[run_id].changed
            assert committed.current == {run_id}
            assert status == (RunStatus.CANCELLED if is_cancelled else RunStatus.COMPLETED)
            assert bool(committed.stop_requests) == is_cancelled

    async def test_of_a_cancel_and_a_claim_at_the_same_time_one_wins_for_all(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        for n in range(10):
            run_id = f"{n}"
            await submit(store, new_run(run_id, owner=None))

            taken, acted = await asyncio.gather(
                claimed(store), store.cancel([run_id], act(f"x{n}"), DEADLINE, children=True)
            )

            run = await stored(store, run_id)
            assert acted == {run_id: Acted(run.status, True)}
            if taken:
                assert (run.status, run.owner) == (RunStatus.CANCELLING, "r1")
            else:
                assert (run.status, run.owner) == (RunStatus.CANCELLED, None)


async def _listed(store: Store, status: RunStatus) -> list[str]:
    return [run.id for run in await store.list_runs(any_run(status=status))]
