"""A background loop goes on after an error, says so, and ends when it is told to."""

from __future__ import annotations

import asyncio
import logging
from itertools import pairwise

import pytest
from model.quiet import quiet
from model.virtual_time import the_loop

from cloaca_core.engine.runtime.supervisor import SupervisedLoop, Wakeup, supervised
from cloaca_core.errors import StoreReadOnlyError, StoreUnavailableError
from cloaca_core.values.times.clock import SYSTEM_CLOCK

pytestmark = pytest.mark.virtual_time


class Turns:
    """Raises what it is given, turn by turn; then waits for ever. ``begun`` is when each began."""

    def __init__(self, *errors: Exception | None) -> None:
        self.left = list(errors)
        self.done = asyncio.Event()
        self.begun: list[float] = []

    def gaps(self) -> list[float]:
        """Seconds between two turns."""
        return [round(b - a, 6) for a, b in pairwise(self.begun)]

    async def __call__(self) -> None:
        self.begun.append(the_loop().time())
        if not self.left:
            self.done.set()
            await asyncio.Event().wait()
        if (error := self.left.pop(0)) is not None:
            raise error


async def test_it_goes_on_after_an_error_and_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    turns = Turns(ValueError("bad luck"), None)
    loop = SupervisedLoop("claim", turns)

    with caplog.at_level(logging.ERROR, "cloaca.engine"):
        loop.start()
        await turns.done.wait()
    await loop.stop()

    assert loop.failure is None
    assert loop.last_success is not None
    assert "the claim loop failed" in caplog.text
    assert "bad luck" in caplog.text
    assert "Traceback" in caplog.text


async def test_what_a_database_says_is_told_in_a_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    turns = Turns(StoreUnavailableError("no answer"), None)
    loop = SupervisedLoop("claim", turns)

    loop.start()
    await turns.done.wait()
    await loop.stop()

    (record,) = caplog.records
    assert (record.levelno, record.exc_info) == (logging.WARNING, None)
    assert record.getMessage() == "the claim loop failed, again in 0.1 s: no answer"


async def test_the_pause_doubles_up_to_its_limit_and_starts_anew_after_a_success(
    caplog: pytest.LogCaptureFixture,
) -> None:
    turns = Turns(*[OSError()] * 8, None, OSError())
    loop = SupervisedLoop("claim", turns)

    loop.start()
    await turns.done.wait()
    await loop.stop()

    assert turns.gaps() == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0, 1.0, 0.0, 0.1]


AWAY = StoreUnavailableError("away")


@pytest.mark.parametrize(
    ("error", "seconds", "gaps"),
    [
        (AWAY, 0.05, [0.1, 0.2, 0.4, 0.1, 0.1]),  # not at once: the next one may be lost as well
        (AWAY, 0.3, [0.1, 0.2, 0.4, 0.3, 0.1]),
        (AWAY, 0.9, [0.1, 0.2, 0.4, 0.8, 0.1]),
        (StoreReadOnlyError("a standby"), 0.3, [0.1, 0.2, 0.4, 0.8, 1.0]),
        (OSError("of ours"), 0.3, [0.1, 0.2, 0.4, 0.8, 1.0]),
    ],
)
async def test_a_connection_that_opens_ends_the_pause_of_who_had_none(
    caplog: pytest.LogCaptureFixture, error: Exception, seconds: float, gaps: list[float]
) -> None:
    turns = Turns(*[error] * 5)
    loop = SupervisedLoop("claim", turns)
    the_loop().call_later(0.7 + seconds, loop.connected)

    loop.start()
    await turns.done.wait()
    await loop.stop()

    assert turns.gaps() == gaps


async def test_the_limit_can_be_set(caplog: pytest.LogCaptureFixture) -> None:
    turns = Turns(*[OSError()] * 3)
    loop = SupervisedLoop("lease", turns, longest_pause=0.05)

    loop.start()
    await turns.done.wait()
    await loop.stop()

    assert turns.gaps() == [0.05, 0.05, 0.05]


async def test_the_error_can_be_seen_until_the_next_success(
    caplog: pytest.LogCaptureFixture,
) -> None:
    error = OSError("gone")
    loop = SupervisedLoop("claim", turns := Turns(error, None))
    loop.start()
    await quiet()
    seen = [loop.failure]
    await turns.done.wait()
    seen.append(loop.failure)
    await loop.stop()

    assert seen == [error, None]


async def test_an_error_that_is_not_the_databases_is_told_as_it_may_have_kept_a_wake_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told: list[Exception | None] = []
    error = OSError("of ours")
    loop = SupervisedLoop(
        "claim",
        turns := Turns(StoreUnavailableError("away"), error, None),
        faulted=lambda: told.append(loop.failure),
    )
    loop.start()
    await turns.done.wait()
    await loop.stop()

    assert told == [error]


async def test_stopping_waits_until_the_turn_has_cleaned_up() -> None:
    cleaned: list[bool] = []
    started = asyncio.Event()

    async def turn() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append(True)

    loop = SupervisedLoop("claim", turn)
    loop.start()
    await started.wait()

    await loop.stop()

    assert cleaned == [True]


async def test_stopping_what_never_started_is_nothing() -> None:
    await SupervisedLoop("claim", Turns()).stop()


async def test_of_several_each_has_its_name_and_its_longest_pause(
    caplog: pytest.LogCaptureFixture,
) -> None:
    turns = {"lease": Turns(*[OSError()] * 3), "claim": Turns(*[OSError()] * 3)}
    loops = supervised(turns, SYSTEM_CLOCK, {"lease": 0.05}, lambda: None)

    for each in loops:
        each.start()
    await turns["claim"].done.wait()
    for each in loops:
        await each.stop()

    assert [each.name for each in loops] == ["lease", "claim"]
    assert turns["lease"].gaps() == [0.05, 0.05, 0.05]
    assert turns["claim"].gaps() == [0.1, 0.2, 0.4]


async def test_it_sleeps_for_as_long_as_it_was_told() -> None:
    acted = 0

    async def act() -> float | None:
        nonlocal acted
        acted += 1
        return 0.0

    await Wakeup().turn(act)

    assert acted == 1


async def test_without_a_time_it_sleeps_until_it_rings() -> None:
    wakeup = Wakeup()

    async def act() -> float | None:
        return None

    turn = asyncio.create_task(wakeup.turn(act))
    await quiet()
    assert not turn.done()

    wakeup.wake()
    await turn


async def test_what_rings_while_it_acts_is_not_slept_over() -> None:
    wakeup = Wakeup()

    async def act() -> float | None:
        wakeup.wake()
        return None

    await wakeup.turn(act)


async def test_what_rang_before_a_turn_is_seen_to_by_that_turn() -> None:
    wakeup = Wakeup()
    wakeup.wake()

    async def act() -> float | None:
        return None

    turn = asyncio.create_task(wakeup.turn(act))
    await quiet()
    assert not turn.done()
    turn.cancel()
