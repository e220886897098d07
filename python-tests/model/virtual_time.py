"""The test kit's loop and clock, for async tests that have the loop to themselves.

``pytest.mark.virtual_time`` runs async tests and their fixtures on such a loop.
"""

from __future__ import annotations

import asyncio
from datetime import datetime

from cloaca_testing import virtual_clock
from cloaca_testing.virtual_clock import BEGINNING as BEGINNING, micros as micros
from cloaca_testing.virtual_loop import (
    BOOT as BOOT,
    MOST_PASSES as MOST_PASSES,
    StandstillError as StandstillError,
    VirtualLoop as VirtualLoop,
)


class VirtualClock(virtual_clock.VirtualClock):
    """The time of a virtual loop. The wall shows ``start`` when the loop is new."""

    def __init__(self, loop: VirtualLoop, start: datetime = BEGINNING) -> None:
        super().__init__(lambda: loop, start)

    async def until(self, moment: datetime) -> None:
        """Sleep until the wall clock shows this moment, if the test does not set it meanwhile."""
        await asyncio.sleep((micros(moment) - self.wall()) / 1e6)


def the_loop() -> VirtualLoop:
    """The running loop, which is a virtual one."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop), "mark the test virtual_time"
    return loop
