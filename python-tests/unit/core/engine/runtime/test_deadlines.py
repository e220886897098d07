"""Time limits by the ten thousand: who runs out, in which order, and who does not."""

from __future__ import annotations

import asyncio
import math

import pytest

from cloaca_core.engine.runtime.deadlines import Deadlines

pytestmark = pytest.mark.virtual_time

LONG = 3600.0


class Expired:
    """Collects what ran out and says when there is enough of it."""

    def __init__(self) -> None:
        self.things: list[str] = []
        self._came = asyncio.Event()

    def __call__(self, thing: str) -> None:
        self.things.append(thing)
        self._came.set()

    async def count(self, wanted: int) -> list[str]:
        while len(self.things) < wanted:
            self._came.clear()
            await self._came.wait()
        return self.things


async def test_a_thing_expires_when_its_time_is_up() -> None:
    expired = Expired()
    Deadlines(expired).add("a", 0.0)

    assert await expired.count(1) == ["a"]


async def test_things_of_one_limit_expire_in_the_order_in_which_they_came() -> None:
    expired = Expired()
    deadlines = Deadlines(expired)
    for thing in "abc":
        deadlines.add(thing, 60)

    assert await expired.count(3) == ["a", "b", "c"]


async def test_a_shorter_limit_added_later_expires_first() -> None:
    expired = Expired()
    deadlines = Deadlines(expired)
    deadlines.add("long", LONG)
    deadlines.add("short", 0.0)

    assert await expired.count(1) == ["short"]


async def test_what_has_no_limit_waits_for_no_timer() -> None:
    expired = Expired()
    deadlines = Deadlines(expired)
    deadlines.add("limited", 0.0)
    deadlines.add("endless", math.inf)
    deadlines.add("freed", 0.0)
    deadlines.add("freed", math.inf)

    assert await expired.count(1) == ["limited"]
    deadlines.discard("endless")
    assert expired.things == ["limited"]


async def test_what_is_discarded_does_not_expire() -> None:
    expired = Expired()
    deadlines = Deadlines(expired)
    deadlines.add("gone", 0.0)
    deadlines.discard("gone")
    deadlines.add("stays", 60)

    assert await expired.count(1) == ["stays"]


async def test_discarding_what_has_no_deadline_is_harmless() -> None:
    Deadlines(Expired()).discard("stranger")


async def test_adding_a_thing_again_replaces_its_deadline() -> None:
    expired = Expired()
    deadlines = Deadlines(expired)
    deadlines.add("a", 0.0)
    deadlines.add("a", LONG)
    deadlines.add("b", 60)

    assert await expired.count(1) == ["b"]


async def test_a_thing_discarded_by_the_end_of_another_does_not_expire() -> None:
    """A run that passes its deadline takes the deadlines of its other bodies with it."""
    ended: list[str] = []
    done = asyncio.Event()

    def end(thing: str) -> None:
        ended.append(thing)
        deadlines.discard("second")
        if thing == "third":
            done.set()

    deadlines: Deadlines[str] = Deadlines(end)
    for thing in ("first", "second", "third"):
        deadlines.add(thing, 60)
    await done.wait()

    assert ended == ["first", "third"]


async def test_one_that_is_given_more_time_takes_none_of_the_others() -> None:
    """A body that has queued is given the rest of its time when its limit is over."""
    expired = Expired()

    def end(thing: str) -> None:
        if thing == "queued" and not expired.things:
            expired(thing)
            deadlines.add(thing, LONG)
        else:
            expired(thing)

    deadlines = Deadlines(end)
    deadlines.add("queued", 0.0)
    deadlines.add("other", 60)

    assert await expired.count(2) == ["queued", "other"]


async def test_one_timer_serves_ten_thousand_things(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    set_timers: list[float] = []
    call_at = loop.call_at

    def counted(when: float, *args: object) -> asyncio.TimerHandle:
        set_timers.append(when)
        return call_at(when, *args)  # type: ignore[arg-type]  # handed on as it came

    monkeypatch.setattr(loop, "call_at", counted)
    deadlines: Deadlines[int] = Deadlines(lambda _: None)
    for thing in range(10_000):
        deadlines.add(thing, LONG)

    assert len(set_timers) == 1


async def test_what_fails_at_the_end_of_one_keeps_no_other_from_expiring(
    caplog: pytest.LogCaptureFixture,
) -> None:
    expired = Expired()

    def end(thing: str) -> None:
        expired(thing)
        if thing == "first":
            raise ValueError("a flaw of ours")

    deadlines = Deadlines(end)
    for thing, seconds in (("first", 0.0), ("second", 0.0), ("later", 60)):
        deadlines.add(thing, seconds)

    assert await expired.count(3) == ["first", "second", "later"]
    assert "a flaw of ours" in caplog.text
