"""Who waits for a run hears of its end."""

from __future__ import annotations

import asyncio

import pytest
from model.runs import ended

from cloaca_core.engine.observe.waiters import Waiters


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
