"""The clock of a harness, as a test moves it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING

from cloaca_core.definition.cron.zones import zone_named
from cloaca_core.values.times.instants import read_instant, to_datetime

if TYPE_CHECKING:
    from cloaca_testing.driver import Driver
    from cloaca_testing.virtual_clock import VirtualClock


class HarnessClock:
    """Time passes only here, and all that is due meanwhile happens at its instant: ticks of
    schedules, next attempts, time limits. Triggers are polled when they are due too; one that finds
    nothing new rests until a body has run, or the clock has come to where it goes.
    """

    def __init__(self, driver: Driver, clock: VirtualClock) -> None:
        self._driver = driver
        self._clock = clock

    def now(self) -> datetime:
        """The time, in UTC."""
        return to_datetime(self._clock.wall())

    def advance(
        self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0
    ) -> None:
        """Let so much time pass."""
        span = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        if span < timedelta(0):
            raise ValueError(f"time only goes forward, not by {span.total_seconds():g} s")
        self._go_to(self._clock.wall() + span // timedelta(microseconds=1))

    def to(self, moment: datetime | str, *, tz: str | None = None, fold: int | None = None) -> None:
        """Let time pass until ``moment``: a datetime, or text like ``2026-03-29T03:30``.

        With ``tz``, the name of an IANA zone, it is the local time there; without, it
        has a zone or an offset of its own. A time that the clocks skip is refused; one that they
        show twice needs ``fold`` (0 for the first time, 1 for the second) or an offset.
        """
        at = read_instant("moment", moment) if tz is None else _instant_in(moment, tz, fold)
        if at < self._clock.wall():
            raise ValueError(f"time only goes forward: it is {self.now()}, after {moment}")
        self._go_to(at)

    def _go_to(self, wall: int) -> None:
        self._driver.go_to(self._clock.loop_time(wall))

    def __repr__(self) -> str:
        return f"<clock of a harness: {self.now():%Y-%m-%d %H:%M:%S} UTC>"


def _instant_in(moment: datetime | str, tz: str, fold: int | None) -> int:
    """The instant of a local time."""
    zone = zone_named(tz)
    local = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    if local.tzinfo is not None:
        raise ValueError(f"{moment} has an offset of its own: leave tz={tz!r} out")
    readings = {local.replace(tzinfo=zone, fold=each).astimezone(UTC) for each in (0, 1)}
    if not any(_shows(each, zone, local) for each in readings):
        raise ValueError(f"{moment} does not exist in {tz}: the clocks are put forward there")
    if len(readings) > 1 and fold is None:
        earlier, later = (f"{each.astimezone(zone):%z}" for each in sorted(readings))
        raise ValueError(
            f"{moment} comes twice in {tz}, at offset {earlier} and then at {later}: say fold=0 or "
            "fold=1, or give the offset and no tz"
        )
    return read_instant("moment", local.replace(tzinfo=zone, fold=fold or 0))


def _shows(moment: datetime, zone: tzinfo, local: datetime) -> bool:
    """Whether clocks in the zone show this local time then."""
    return moment.astimezone(zone).replace(tzinfo=None, fold=0) == local.replace(fold=0)
