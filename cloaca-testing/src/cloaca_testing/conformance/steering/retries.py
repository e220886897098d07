"""Contract of retries: the rounds of a run."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from cloaca_core.assembly.store import Store
from cloaca_core.features.steering.records import Act, OwnedParent, Parent, Reopening
from cloaca_core.run.rows import RestartRow, RoundRow, RunRow
from cloaca_core.store.acts import Acted
from cloaca_core.values.states import ReasonCode, RunStatus, TaskStatus
from cloaca_testing.conformance.commits import claimed, fence, park, record, stored, submit
from cloaca_testing.conformance.rows import (
    LATER,
    NOW,
    act,
    attempt,
    new_run,
    overdue,
    run_end,
    runner,
)

ENDED = NOW + 9
_ACT = act()


class RetryConformance:
    """Part of ``StoreConformance``."""

    # -- rounds -------------------------------------------------------------------------------

    @pytest.mark.parametrize("status", [RunStatus.FAILED, RunStatus.CANCELLED])
    async def test_a_run_that_has_not_succeeded_begins_again_as_if_it_were_new(
        self, store: Store, status: str
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a", priority=7, key="k"))
        before = await ended_run(store, "a", status)

        assert await _retry(store, "a", act=act(now=LATER)) == Acted(RunStatus.PENDING, True)

        row = await stored(store, "a")
        assert row.round == 2
        assert row.epoch == before.epoch + 1
        assert (row.owner, row.status, row.recoveries) == (None, RunStatus.PENDING, 0)
        assert (row.started_at, row.ended_at) == (None, None)
        assert (row.error_message, row.reason_code, row.final_context) == (None, None, None)
        assert (row.priority, row.input) == (7, before.input)
        assert await claimed(store) == ["a"]

    async def test_an_ended_round_is_kept_as_it_was(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        ends = []
        for round_ in (1, 2):
            row = await ended_run(store, "a", reason=ReasonCode.DEADLINE_EXCEEDED, limit=round_)
            ends.append(row)
            await _retry(store, "a", round_, act=act(f"x{round_}"))
            assert await claimed(store) == ["a"]

        assert await store.rounds("a") == [
            RoundRow(
                run_id="a",
                round=number,
                status=RunStatus.FAILED,
                error_message="it broke",
                reason_code=ReasonCode.DEADLINE_EXCEEDED,
                limit_seconds=number,
                final_context='{"x":1}',
                started_at=row.started_at,
                ended_at=ENDED,
            )
            for number, row in enumerate(ends, 1)
        ]
        assert await store.rounds("none") == []

    async def test_what_runs_again_is_noted_and_what_was_recorded_stays(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        failed = attempt("a", "ship", 1, status=TaskStatus.FAILED, error="no stock")
        await record(store, [attempt("a", "load"), failed], [run_end("a", status="Failed")])
        kept = await store.load_attempts(["a"])

        await _retry(store, "a", first={"ship": 2, "bill": 1})

        assert await store.load_attempts(["a"]) == kept
        assert await store.restarts(["a", "none"]) == [
            RestartRow("a", "bill", 1, 2),
            RestartRow("a", "ship", 2, 2),
        ]

    async def test_a_round_knows_whether_failed_children_were_begun_again_before_it_or_are_later(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        await ended_run(store, "a")
        again = Reopening("a", 1, {"ship": 2, "bill": 1, "wrap": 1}, later={"wrap", "load"})
        await store.retry([again], act("x"), children=True)
        await store.cancel(["a"], act("y"), LATER + 30, children=False)

        await store.retry([Reopening("a", 2, {"ship": 2, "load": 1}, later=["load"])], act("z"))

        assert await store.restarts(["a"]) == [
            RestartRow("a", "bill", 1, 2, 1),
            RestartRow("a", "load", 1, 3, 0),
            RestartRow("a", "ship", 2, 3, 0),
            RestartRow("a", "wrap", 1, 2, 2),
        ]

    async def test_a_round_is_ended_by_its_owner_alone(self, store: Store) -> None:
        """The answer of an owner that ended the round before comes late, or for a second time."""
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        await ended_run(store, "a")
        await _retry(store, "a")
        row = await stored(store, "a")

        await record(store, [attempt("a", "late", epoch=1)], [run_end("a", epoch=1)])

        assert await stored(store, "a") == row
        assert await store.load_attempts(["a"]) == []

    async def test_of_two_that_saw_one_round_one_opens_the_next(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        await ended_run(store, "a")

        answers = await asyncio.gather(
            _retry(store, "a", act=act("x"), first={"load": 1}),
            _retry(store, "a", act=act("y"), first={"ship": 1}),
        )

        assert sorted(a.changed for a in answers if a is not None) == [False, True]
        assert (await stored(store, "a")).round == 2
        assert len(await store.restarts(["a"])) == 1
        assert sorted(row.changed for row in await store.acts("a", 9)) == [0, 1]

    async def test_a_retry_that_is_sent_again_changes_nothing_and_is_answered_again(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        await ended_run(store, "a")
        first = await _retry(store, "a", first={"load": 1})
        assert await claimed(store) == ["a"]
        row = await stored(store, "a")

        again = await _retry(store, "a", first={"load": 1})

        assert first == Acted(RunStatus.PENDING, True)
        assert again is not None
        assert again.changed
        assert await stored(store, "a") == row
        assert [(row.kind, row.round) for row in await store.acts("a", 9)] == [("retry", 1)]

    @pytest.mark.parametrize("state", ["Pending", "Running", "Paused", "Cancelling", "Completed"])
    async def test_no_other_run_begins_again(self, store: Store, state: str) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a", owner=None if state == "Pending" else "r1"))
        if state == "Running":
            await record(store, [attempt("a")])
        elif state == "Paused":
            await store.pause(["a"], act("p"), None, children=True)
        elif state == "Cancelling":
            await store.cancel(["a"], act("c"), LATER + 30, children=False)
        elif state == "Completed":
            await record(store, ends=[run_end("a")])
        row = await stored(store, "a")

        answer = await _retry(store, "a", first={"load": 1})

        assert answer == Acted(row.status, False)
        assert await stored(store, "a") == row
        assert await store.restarts(["a"]) == []
        assert await store.rounds("a") == []

    async def test_an_unknown_run_has_no_answer_and_leaves_nothing(self, store: Store) -> None:
        assert await _retry(store, "none", first={"load": 1}) is None
        assert await store.restarts(["none"]) == []
        assert await store.acts(None, 9) == []

    async def test_the_next_round_knows_nothing_of_what_was_asked_in_the_last(
        self, store: Store
    ) -> None:
        """Neither its cancel nor the instant that it waited for nor the one to begin by."""
        await store.register(runner("r1"))
        await submit(store, overdue("a")._replace(owner="r1"))
        await park(store, "a", LATER + 9)
        await store.cancel(["a"], act("c"), LATER + 30, children=False)

        await _retry(store, "a")

        assert await claimed(store) == ["a"]
        assert (await fence(store, "a")).stop_requests == {}
        await record(store, ends=[run_end("a", epoch=(await stored(store, "a")).epoch)])
        assert (await stored(store, "a")).status == RunStatus.COMPLETED

    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            (None, 7),  # it keeps the one that it has
            (9, 9),
            (-1, -1),  # any time
        ],
    )
    async def test_the_next_round_has_the_time_limit_that_its_caller_gives(
        self, store: Store, given: int | None, expected: int
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a")._replace(time_limit=7, deadline_at=NOW + 1))
        await record(store, ends=[run_end("a", status=RunStatus.FAILED)])

        await store.retry([Reopening("a", 1, {})], act("x"), time_limit=given)
        await store.retry([Reopening("a", 1, {})], act("late"), time_limit=11)

        run = await stored(store, "a")
        assert (run.time_limit, run.deadline_at, run.started_at) == (expected, None, None)
        assert await claimed(store) == ["a"]

    async def test_no_round_begins_while_children_of_the_last_one_are_to_be_cancelled(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("p", owner=None), new_run("k", owner=None, parent="p"))
        assert await store.ended_parents(["p"]) == []
        await store.cancel(["p"], act("c", because="no use"), LATER, children=True)

        assert await _retry(store, "p") == Acted(RunStatus.CANCELLED, False)
        ended = await store.ended_parents(["k", "p", "none"])
        assert ended == [Parent("p", "no use", LATER)]
        await store.cancel(["k"], act("d"), LATER, children=True, parent_id="p")
        await store.forget_children(["p"])

        assert await store.ended_parents(["p"]) == []
        assert await _retry(store, "p", act=act("y")) == Acted(RunStatus.PENDING, True)
        assert (await stored(store, "k")).status == RunStatus.CANCELLED

    async def test_children_of_the_next_round_are_not_cancelled_with_the_last(
        self, store: Store
    ) -> None:
        """Their canceller has looked for them too late."""
        await store.register(runner("r1"))
        await submit(store, new_run("p", owner=None))
        await store.cancel(["p"], act("c"), LATER, children=True)
        await _retry(store, "p")
        await submit(store, new_run("k", parent="p"), new_run("m", owner=None, parent="p"))

        acted = await store.cancel(["k", "m"], act("d"), LATER, children=True, parent_id="p")

        assert acted == {}
        statuses = [(await stored(store, run_id)).status for run_id in ("k", "m")]
        assert statuses == [RunStatus.RUNNING, RunStatus.PENDING]
        assert await store.acts("k", 9) == []

    async def test_a_run_that_goes_on_is_no_ended_parent(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("p"), new_run("k", parent="p"))
        await store.cancel(["p"], act("c"), LATER, children=True)

        assert await store.ended_parents(["p"]) == []
        acted = await store.cancel(["k"], act("d"), LATER, children=True, parent_id="p")
        assert acted == {"k": Acted(RunStatus.CANCELLING, True)}

    async def test_children_begin_again_for_a_task_only_while_its_runner_owns_the_parent(
        self, store: Store
    ) -> None:
        """A runner that stood still asks when another owns the parent, or after its end. No act is
        noted: the act of the owner has the same name.
        """
        await store.register(runner("r1"))
        await submit(store, new_run("p"), new_run("k", parent="p"))
        await ended_run(store, "k")
        await park(store, "p", None)
        now_owned = (await stored(store, "p")).epoch
        seen = [Reopening("k", 1, {})]

        assert await store.retry(seen, act("x"), parent=OwnedParent("p", 1)) == {}
        assert await store.acts("k", 9) == []
        begun = await store.retry(seen, act("x"), parent=OwnedParent("p", now_owned))
        assert begun == {"k": Acted(RunStatus.PENDING, True)}

        assert await claimed(store) == ["k", "p"]
        await ended_run(store, "k")
        owned = (await ended_run(store, "p")).epoch
        late = await store.retry([Reopening("k", 2, {})], act("y"), parent=OwnedParent("p", owned))
        assert (late, (await stored(store, "k")).round) == ({}, 2)

    # -- rounds of many -----------------------------------------------------------------------

    async def test_several_runs_begin_again_in_one_act_each_by_what_was_seen_of_it(
        self, store: Store
    ) -> None:
        """b is in its second round, of c the caller has seen an earlier one, d has succeeded."""
        await store.register(runner("r1"))
        await submit(store, *map(new_run, "abcd"))
        for name in "abc":
            await ended_run(store, name)
        for name in "bc":
            await _retry(store, name, act=act(f"before {name}"))
        assert await claimed(store) == ["b", "c"]
        for name in "bc":
            await ended_run(store, name)
        await record(store, ends=[run_end("d")])
        before = {name: await stored(store, name) for name in "abcd"}
        seen = [
            Reopening("c", 1, {"load": 9}),
            Reopening("b", 2, {"ship": 2, "bill": 1}),
            Reopening("none", 1, {"load": 1}),
            Reopening("d", 1, {"load": 1}),
            Reopening("a", 1, {"load": 2}),
        ]

        assert await store.retry(seen, act("x")) == {
            "a": Acted(RunStatus.PENDING, True),
            "b": Acted(RunStatus.PENDING, True),
            "c": Acted(RunStatus.FAILED, False),
            "d": Acted(RunStatus.COMPLETED, False),
        }

        assert [(await stored(store, name)).round for name in "abcd"] == [2, 3, 2, 1]
        assert [await stored(store, name) for name in "cd"] == [before["c"], before["d"]]
        assert await store.restarts(list("abcd")) == [
            RestartRow("a", "load", 2, 2),
            RestartRow("b", "bill", 1, 3),
            RestartRow("b", "ship", 2, 3),
        ]
        assert [len(await store.rounds(name)) for name in "abcd"] == [1, 2, 1, 0]
        changed = {row.run_id: row.changed for row in await store.acts(None, 9) if row.id == "x"}
        assert changed == {"a": 1, "b": 1, "c": 0, "d": 0}
        assert await claimed(store) == ["a", "b"]

    async def test_several_retries_that_are_sent_again_change_nothing(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, *map(new_run, "ab"))
        for name in "ab":
            await ended_run(store, name)
        seen = [Reopening("a", 1, {"load": 1}), Reopening("b", 1, {})]
        first = await store.retry(seen, act("x"))
        rows = [await stored(store, name) for name in "ab"]

        assert await store.retry(seen, act("x")) == first
        assert [await stored(store, name) for name in "ab"] == rows
        assert len(await store.acts(None, 9)) == 2

    async def test_what_attempts_came_to_is_read_without_what_they_changed(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, *map(new_run, "ab"))
        failed = attempt("a", "ship", 1, status=TaskStatus.FAILED, error="no stock")
        await record(store, [attempt("a", "load"), failed, attempt("b", "load")])
        known = await store.load_attempts(["a", "b"])
        assert any(row.change for row in known)

        assert await store.outcomes(["a", "b", "none"]) == [
            row._replace(change=None, error_traceback=None) for row in known
        ]
        assert await store.outcomes(["b"]) == [
            row._replace(change=None, error_traceback=None) for row in known if row.run_id == "b"
        ]


async def _retry(
    store: Store,
    run_id: str,
    seen: int = 1,
    *,
    act: Act = _ACT,
    first: Mapping[str, int] | None = None,
) -> Acted | None:
    """Retry one run; its answer."""
    return (await store.retry([Reopening(run_id, seen, first or {})], act)).get(run_id)


async def ended_run(
    store: Store,
    run_id: str,
    status: str = RunStatus.FAILED,
    *,
    reason: str | None = None,
    limit: int | None = None,
) -> RunRow:
    """End a run as its owner does; what it is then."""
    epoch = (await stored(store, run_id)).epoch
    end = run_end(run_id, epoch=epoch, status=status, reason=reason, limit=limit)
    await record(store, ends=[end])
    row = await stored(store, run_id)
    assert row.ended_at == ENDED
    return row
