"""The last runs as small bars: a failed one stands out by its height as well as its colour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cloaca_core.ui.words import STATES

STEP: Final = 8
_WIDTH: Final = 6
_BOTTOM: Final = 14
_HEIGHTS: Final = {"Completed": 9, "Failed": 13, "Running": 5, "Pending": 3, "Paused": 9}
_HATCHED: Final = "Waiting"
_DASH: Final = (None, "Cancelled", "Skipped")


@dataclass(frozen=True, slots=True)
class Strip:
    """``bars`` are paths by the class of their state; ``hatched`` and ``dashes`` are paths too, or
    empty. ``label`` counts the runs.
    """

    width: int
    bars: tuple[tuple[str, str], ...]
    hatched: str
    dashes: str
    label: str


def strip(statuses: Sequence[str | None], places: int) -> Strip:
    """The states of the last runs, oldest first, at the right of so many places; None for a tick
    without a run.
    """
    first = max(0, places - len(statuses)) * STEP
    paths: dict[str, list[str]] = {}
    for number, status in enumerate(statuses):
        x = first + number * STEP
        known = None if status in _DASH else status
        paths.setdefault(known or "", []).append(_dash(x) if known is None else _bar(x, known))
    hatched, dashes = paths.pop(_HATCHED, []), paths.pop("", [])
    return Strip(
        width=max(places, len(statuses)) * STEP,
        bars=tuple([(f"is-{STATES[name]}", "".join(found)) for name, found in paths.items()]),
        hatched="".join(hatched),
        dashes="".join(dashes),
        label=_label(statuses),
    )


def _bar(x: int, status: str) -> str:
    height = _HEIGHTS.get(status, 9)
    return f"M{x} {_BOTTOM - height}h{_WIDTH}v{height}h-{_WIDTH}z"


def _dash(x: int) -> str:
    return f"M{x} 12h{_WIDTH}"


def _label(statuses: Sequence[str | None]) -> str:
    if not statuses:
        return "No runs yet"
    counts = Counter([(status or "no run").lower() for status in statuses])
    told = ", ".join([f"{number} {name}" for name, number in counts.items()])
    return f"Last {len(statuses)}: {told}"
