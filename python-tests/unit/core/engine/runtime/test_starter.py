"""A start that failed is tried again, after pauses that grow, and no caller hears of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import pytest

from cloaca_core.engine.runtime.starter import FIRST_PAUSE, LONGEST_PAUSE, Starter

SHORTAGES = [RuntimeError("can't start new thread"), OSError(24, "too many files"), MemoryError()]


class Timer:
    """Stands for a timer of the loop; the test says when its time has come."""

    def __init__(self, seconds: float, act: Callable[[], None]) -> None:
        self.seconds = seconds
        self.act = act
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


class Scene:
    """A starter of something that works unless there is an ``error``."""

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self.timers: list[Timer] = []
        self.tries = 0
        self.again = 0
        self.starter = Starter(cast(asyncio.AbstractEventLoop, self), self._count)

    def call_later(self, seconds: float, act: Callable[[], None]) -> Timer:
        self.timers.append(Timer(seconds, act))
        return self.timers[-1]

    def try_start(self) -> bool:
        return self.starter.try_start(self._start)

    def _start(self) -> None:
        self.tries += 1
        if self.error is not None:
            raise self.error

    def _count(self) -> None:
        self.again += 1


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_what_starts_needs_no_timer(scene: Scene) -> None:
    assert scene.try_start()
    assert (scene.tries, scene.timers) == (1, [])


@pytest.mark.parametrize("error", SHORTAGES)
def test_a_shortage_is_told_and_passes(
    scene: Scene, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    scene.error = error
    assert not scene.try_start()
    (timer,) = scene.timers
    (record,) = caplog.records
    told = (record.levelname, record.getMessage())
    assert told == ("WARNING", f"no room to run bodies, again in {FIRST_PAUSE} s: {error!r}")

    scene.error = None
    timer.act()

    assert scene.again == 1
    assert scene.try_start()


def test_nothing_is_tried_until_the_pause_is_over(scene: Scene) -> None:
    scene.error = SHORTAGES[0]
    scene.try_start()
    scene.error = None

    assert not scene.try_start()
    assert (scene.tries, len(scene.timers)) == (1, 1)


def test_pauses_grow_to_a_bound_and_begin_anew_when_it_has_worked(scene: Scene) -> None:
    scene.error = SHORTAGES[0]
    for _ in range(8):
        scene.try_start()
        scene.timers[-1].act()
    scene.error = None
    scene.try_start()
    scene.error = SHORTAGES[0]
    scene.try_start()

    pauses = [timer.seconds for timer in scene.timers]
    assert pauses[:3] == [FIRST_PAUSE, FIRST_PAUSE * 2, FIRST_PAUSE * 4]
    assert pauses[-2:] == [LONGEST_PAUSE, FIRST_PAUSE]


def test_a_closed_one_tries_no_more(scene: Scene) -> None:
    scene.error = SHORTAGES[0]
    scene.try_start()
    scene.starter.close()

    assert scene.timers[0].is_cancelled


def test_a_flaw_is_no_shortage(scene: Scene) -> None:
    scene.error = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        scene.try_start()
