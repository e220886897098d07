"""The last runs of a workflow as a row of small bars, the newest at the right: failures are higher,
so that they are seen without colours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cloaca_core.ui.charts.grid import Mark

STEP: Final = 8
_WIDE: Final = 6
_FLOOR: Final = 14
_HIGH: Final = {"Failed": 13, "Completed": 9}
_OTHER: Final = 5


@dataclass(frozen=True, slots=True)
class Strip:
    """The bars by state, in pixels, and what they say in words."""

    width: int
    bars: tuple[Mark, ...]
    words: str


def strip(statuses: Sequence[str], places: int) -> Strip:
    """The strip of runs, newest first, at the right of so many places."""
    paths: dict[str, list[str]] = {}
    for at, status in enumerate(statuses[:places]):
        x, high = (places - 1 - at) * STEP, _HIGH.get(status, _OTHER)
        paths.setdefault(status, []).append(f"M{x} {_FLOOR - high}h{_WIDE}v{high}h-{_WIDE}z")
    counts = ", ".join([f"{number} {name.lower()}" for name, number in _counts(statuses)])
    return Strip(
        width=places * STEP,
        bars=tuple([Mark(status, "".join(found)) for status, found in paths.items()]),
        words=f"Last {len(statuses)} runs: {counts}" if statuses else "No runs",
    )


def _counts(statuses: Sequence[str]) -> list[tuple[str, int]]:
    return Counter(statuses).most_common()
