"""Who waits for a run hears of its end; what has ended lately is at hand, within bounds."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cloaca_core._engine.observe import waiters as module
from cloaca_core._engine.observe.waiters import Ended, RecentRuns, Waiters
from cloaca_core.conformance.rows import attempt
from cloaca_core.records.rows import RunRow


def ended(run_id: str, text: str = "{}", tasks: int = 0, **fields: Any) -> Ended:
    row = RunRow(
        id=run_id,
        workflow="w",
        version="v",
        status="Completed",
        owner="r1",
        epoch=1,
        recoveries=0,
        input="",
        tags="{}",
        parent_id=None,
        final_context=text,
        error_message=None,
        created_at=1,
        started_at=1,
        ended_at=2,
    )._replace(**fields)
    return Ended(row, tuple(attempt(run_id, f"t{number}") for number in range(tasks)))


class TestWaiters:
    async def test_all_who_wait_for_a_run_are_woken(self) -> None:
        waiters = Waiters()
        futures = [waiters.add("a"), waiters.add("a"), waiters.add("b")]

        waiters.wake("a", ended("a"))

        assert [future.done() for future in futures] == [True, True, False]
        assert await futures[0] == ended("a")

    async def test_an_end_that_nobody_waits_for_is_nothing(self) -> None:
        Waiters().wake("a", ended("a"))

    async def test_who_has_given_up_waiting_is_forgotten(self) -> None:
        waiters = Waiters()
        future = waiters.add("a")
        waiters.discard("a", future)

        assert waiters.elsewhere([]) == []

    async def test_discarding_after_the_end_is_nothing(self) -> None:
        waiters = Waiters()
        future = waiters.add("a")
        waiters.wake("a", ended("a"))

        waiters.discard("a", future)

    async def test_a_cancelled_wait_does_not_keep_the_others_from_hearing(self) -> None:
        waiters = Waiters()
        first, second = waiters.add("a"), waiters.add("a")
        first.cancel()

        waiters.wake("a", ended("a"))

        assert await second == ended("a")

    async def test_runs_of_others_are_those_that_are_not_here(self) -> None:
        waiters = Waiters()
        for run_id in "abc":
            waiters.add(run_id)

        assert waiters.elsewhere({"b": None}) == ["a", "c"]

    async def test_at_the_end_nobody_is_left_waiting(self) -> None:
        waiters = Waiters()
        future = waiters.add("a")

        waiters.fail_all(asyncio.InvalidStateError("over"))

        with pytest.raises(asyncio.InvalidStateError, match="over"):
            await future


class TestRecentRuns:
    def test_a_run_is_at_hand(self) -> None:
        recent = RecentRuns()
        recent.add(ended("a"))

        assert recent.get("a") == ended("a")
        assert recent.get("b") is None
        assert [run_id for run_id in "ab" if run_id in recent] == ["a"]

    def test_the_oldest_are_forgotten_beyond_a_number(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "RECENT_RUNS", 2)
        recent = RecentRuns()
        for run_id in "abc":
            recent.add(ended(run_id))

        assert [run_id for run_id in "abc" if recent.get(run_id)] == ["b", "c"]

    @pytest.mark.parametrize(
        "size",
        [
            {"text": "x" * 600},
            {"tasks": 3},
            {"error_message": "x" * 600},
            {"tags": "x" * 600},
        ],
    )
    def test_and_beyond_a_number_of_bytes_rows_included(
        self, monkeypatch: pytest.MonkeyPatch, size: dict[str, Any]
    ) -> None:
        monkeypatch.setattr(module, "RECENT_BYTES", 1500)
        recent = RecentRuns()
        for run_id in "abcd":
            recent.add(ended(run_id, **size))

        assert recent.get("a") is None
        assert recent.get("d") is not None
