"""An engine writes instants by the clock of its store."""

from __future__ import annotations

from model.hand_clock import HandClock

from cloaca_core.engine.runtime.store_clock import StoreClock


def test_the_wall_is_the_stores_and_timers_are_the_machines() -> None:
    store, machine = HandClock(now=7.0), HandClock(now=5.0)
    clock = StoreClock(store, machine)

    assert (clock.wall(), clock.monotonic()) == (7_000_000, 5.0)
