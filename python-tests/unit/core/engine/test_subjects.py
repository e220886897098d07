"""Who publishes knows nobody who listens, and nobody who cares misses the news."""

from __future__ import annotations

import asyncio
from typing import Final

import pytest
from model.quiet import quiet
from unit.engine_scene import Scene, nothing

from cloaca_core.assembly.engine import Engine
from cloaca_core.engine.subjects import Subject

pytestmark = pytest.mark.virtual_time

WOKEN: Final = {
    "claimable": {"claim", "steering", "unserved", "watchers"},
    "claimable_here": {"claim"},
    "moved_away": set(),
    "ended_elsewhere": {"steering"},
    "steered": {"steering"},
    "orphans_suspected": {"claim", "steering"},
    "unserved": {"unserved"},
    "schedules": {"schedules", "unserved", "watchers"},
    "triggers": {"triggers", "watchers"},
    "limits": {"watchers"},
    "definitions": {"claim", "definitions", "limits", "schedules", "triggers", "unserved"},
    "anything": {"schedules", "takeover", "triggers"},
    "display_changed": {"watchers"},
}
"""By subject, the loops that it wakes; ``watchers`` stands for callers that watch runs. Orphans
that are released may end, so the steering looks as well. A run that has moved away matters to a
runner that serves some queues, which this one does not.
"""
LONG: Final = 100.0
"""Seconds after which no loop has anything to do of its own."""


def test_all_are_told_in_the_order_in_which_they_came() -> None:
    subject: Subject[int] = Subject()
    told: list[tuple[str, int]] = []
    subject.publish(0)
    subject.subscribe(lambda number: told.append(("first", number)))
    subject.subscribe(lambda number: told.append(("second", number)))

    subject.publish(1)

    assert told == [("first", 1), ("second", 1)]


async def test_each_wakes_all_that_it_concerns_and_nobody_else() -> None:
    """A run's end has listeners that are no loops: who waits for the run, and the next claim. That
    of a child has its parent.
    """
    scene = Scene()
    scene.define(nothing)
    engine = await scene.open()
    subjects: dict[str, Subject[()]] = vars(engine._parts.base.subjects)

    woken = {
        name: await woken_by(engine, each)
        for name, each in subjects.items()
        if name not in ("ended", "child_ended")
    }
    await scene.close()

    assert woken == WOKEN


async def woken_by(engine: Engine, subject: Subject[()]) -> set[str]:
    """The loops that end their sleep when the subject is published."""
    await asyncio.sleep(LONG)
    with engine.watchers.listening() as notices:
        notice = asyncio.create_task(notices.next())
        await quiet()
        for each in engine._parts.loops:
            each.last_success = None
        subject.publish()
        await quiet()
        woken = {each.name for each in engine._parts.loops if each.last_success is not None}
        if notice.done():
            woken.add("watchers")
        notice.cancel()
    return woken
