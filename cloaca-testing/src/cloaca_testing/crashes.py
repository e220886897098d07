"""Kills the engine of a harness where a test has asked for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from cloaca_core.engine.runtime import failpoints
from cloaca_core.errors import ConfigError
from cloaca_core.values.arguments import nearest_name

if TYPE_CHECKING:
    from cloaca_testing.driver import Driver


class Crashes:
    """Watches the engine's named points while anything is armed. ``seen`` has those that were
    reached since the watch began.
    """

    def __init__(self, driver: Driver) -> None:
        self.seen: list[str] = []
        self._driver = driver
        self._armed: dict[str, int] = {}
        self._unwatch: Callable[[], None] | None = None

    def watch(self) -> None:
        """Note points from now on."""
        if self._unwatch is None:
            self._unwatch = failpoints.watch(self._reached)

    def arm(self, point: str, nth: int) -> None:
        """Kill the engine at the ``nth`` time from now that it reaches this point."""
        if point not in failpoints.POINTS:
            near = nearest_name(point, failpoints.POINTS)
            hint = f"; did you mean {near!r}?" if near else f": {', '.join(failpoints.POINTS)}"
            raise ConfigError(f"{point!r} is none of the engine's points{hint}", field="point")
        if nth < 1:
            raise ConfigError(f"nth counts from 1, got {nth}", field="nth")
        self._armed[point] = nth
        self.watch()

    def left(self) -> list[str]:
        """Points that are armed and were not reached."""
        return list(self._armed)

    def close(self) -> None:
        """Watch no more."""
        if self._unwatch is not None:
            self._unwatch()
            self._unwatch = None

    def _reached(self, point: str) -> None:
        """The engine is at a point; this engine, or another harness's, which stands still."""
        if not self._driver.is_driving:
            return
        self._driver.check_alive()
        self.seen.append(point)
        if point not in self._armed:
            return
        self._armed[point] -= 1
        if not self._armed[point]:
            del self._armed[point]
            self._driver.kill()
