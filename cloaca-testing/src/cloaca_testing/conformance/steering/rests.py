"""Contract of rests: of a run that only waits, for sleeps, events and approvals, the time limit
stands still. A claim ends the rest, and counts it up to the instant at which the run became
claimable.
"""

from __future__ import annotations

import pytest

from cloaca_core.assembly.store import Store
from cloaca_core.features.steering.records import Reopening
from cloaca_core.values.waits import NEVER
from cloaca_testing.conformance.commits import claimed, note, park, stored, submit
from cloaca_testing.conformance.rows import (
    LATER,
    NOW,
    WORKFLOW,
    act,
    message,
    new_run,
    runner,
    wait,
)

DEADLINE = NOW + 1_000
"""That of the parent of each run."""


class RestConformance:
    """Part of ``StoreConformance``. All parks are at ``NOW``."""

    async def test_a_run_rests_until_it_is_due_and_not_until_its_claim(self, store: Store) -> None:
        await _owned(store)
        await park(store, "a", NOW + 5, rests=True)

        assert await _still(store, due=NOW + 8) == 5

        assert (await stored(store, "a")).deadline_at == DEADLINE + 5
        await store.release("r1", [])
        assert await claimed(store) == ["a"]
        assert (await stored(store, "a")).stood_still == 5  # once

    async def test_a_claim_answers_what_counts_from_now_on(self, store: Store) -> None:
        await _owned(store)
        await park(store, "a", NOW + 5, rests=True)
        await store.make_due_claimable([WORKFLOW], NOW + 5, 9)

        (run,) = await store.claim("r1", [WORKFLOW], 9, LATER)

        assert (run.stood_still, run.deadline_at) == (5, DEADLINE + 5)

    async def test_a_run_that_is_parked_and_does_not_rest_loses_that_time(
        self, store: Store
    ) -> None:
        await _owned(store)
        await park(store, "a", NOW + 5)

        assert await _still(store, due=NOW + 5) == 0
        assert (await stored(store, "a")).deadline_at == DEADLINE

    @pytest.mark.parametrize("rests", [False, True])
    async def test_how_long_it_had_rested_with_its_owner_counts_too(
        self, store: Store, rests: bool
    ) -> None:
        await _owned(store)
        await park(store, "a", NOW + 5, rests=rests, rested=70)

        assert (await stored(store, "a")).stood_still == 70
        assert (await stored(store, "a")).deadline_at == DEADLINE + 70
        assert await _still(store, due=NOW + 5) == (75 if rests else 70)

    async def test_it_rests_until_a_message_comes(self, store: Store) -> None:
        await _owned(store)
        await note(store, wait("a"))
        await park(store, "a", NEVER, rests=True)
        await store.send(message("m", sent_at=NOW + 7), 9)

        assert await _still(store) == 7

    async def test_one_with_a_message_that_its_owner_has_not_seen_does_not_rest(
        self, store: Store
    ) -> None:
        await _owned(store)
        await store.send(message("m"), 9)
        await park(store, "a", NEVER, rests=True)
        await store.pause(["a"], act("x", now=NOW + 3), None, children=False)
        await store.resume(["a"], act("y", now=NOW + 5))

        assert await _still(store) == 2

    async def test_a_pause_in_a_rest_does_not_count_twice(self, store: Store) -> None:
        await _owned(store)
        await park(store, "a", NOW + 9, rests=True)
        await store.pause(["a"], act("x", now=NOW + 2), None, children=False)
        await store.resume(["a"], act("y", now=NOW + 4))
        assert (await stored(store, "a")).stood_still == 0

        assert await _still(store, due=NOW + 9) == 9
        assert (await stored(store, "a")).deadline_at == DEADLINE + 9

    async def test_one_that_comes_due_in_a_pause_stands_still_until_it_is_resumed(
        self, store: Store
    ) -> None:
        await _owned(store)
        await park(store, "a", NOW + 4, rests=True)
        await store.pause(["a"], act("x", now=NOW + 2), None, children=False)
        await store.make_due_claimable([WORKFLOW], NOW + 4, 9)
        await store.resume(["a"], act("y", now=NOW + 9))

        assert await _still(store) == 9

    async def test_one_that_was_paused_before_its_park_does_not_rest(self, store: Store) -> None:
        await _owned(store)
        await store.pause(["a"], act("x", now=NOW - 3), None, children=False)
        await park(store, "a", LATER, rests=True)
        await store.resume(["a"], act("y", now=NOW + 4))
        assert (await stored(store, "a")).stood_still == 7

        assert await _still(store, due=LATER) == 7

    async def test_a_clock_that_was_set_back_makes_no_rest_negative(self, store: Store) -> None:
        await _owned(store)
        await park(store, "a", LATER, rests=True)
        await store.make_claimable_after_set_back([WORKFLOW], NOW - 100, 9)

        assert await _still(store) == 0

    async def test_the_next_round_does_not_rest(self, store: Store) -> None:
        await _owned(store)
        await park(store, "a", NEVER, rests=True, rested=70)
        await store.cancel(["a"], act("x"), LATER, children=False)
        await store.retry([Reopening("a", 1, {})], act("y", now=NOW + 50))

        assert await _still(store) == 0


async def _owned(store: Store) -> None:
    """A run ``a`` of the runner ``r1``."""
    await store.register(runner("r1"))
    await submit(store, new_run("a")._replace(deadline_at=DEADLINE))


async def _still(store: Store, due: int | None = None) -> int:
    """Claim the run, once it is due by then; how long its time limit has stood still."""
    if due is not None:
        assert await store.make_due_claimable([WORKFLOW], due, 9) == 1
    assert await claimed(store) == ["a"]
    return (await stored(store, "a")).stood_still
