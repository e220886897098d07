"""The last runs as a strip of small bars; a failed one is higher, to show without colours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cloaca_core.values.wording import counted
from cloaca_tools.ui.words.texts import STATES

_STEP: Final = 8
_WIDTH: Final = 6
_BOTTOM: Final = 14
_HEIGHTS: Final = {"Completed": 9, "Failed": 13, "Running": 5, "Pending": 3, "Paused": 9}
_HATCHED: Final = "Waiting"
_DASH: Final = (None, "Cancelled", "Skipped")


@dataclass(frozen=True, slots=True)
class Strip:
    """``bars`` are pairs of a state, as in classes, and a path; ``hatched`` and ``dashes`` are
    paths, or empty. ``label`` counts the runs by state.
    """

    width: int
    bars: tuple[tuple[str, str], ...]
    hatched: str
    dashes: str
    label: str


def strip(statuses: Sequence[str | None], places: int = 0, noun: str = "run") -> Strip:
    """The strip of these states, oldest first, at the right of so many places. Each is the state of
    a ``noun``: of a run, or of a tick or event, whose state is None if it has no run.
    """
    first = max(0, places - len(statuses)) * _STEP
    paths: dict[str, list[str]] = {}
    for number, status in enumerate(statuses):
        x = first + number * _STEP
        known = None if status in _DASH else status
        paths.setdefault(known or "", []).append(_dash(x) if known is None else _bar(x, known))
    hatched, dashes = paths.pop(_HATCHED, []), paths.pop("", [])
    return Strip(
        width=max(places, len(statuses), 1) * _STEP,
        bars=tuple([(STATES[name], "".join(found)) for name, found in paths.items()]),
        hatched="".join(hatched),
        dashes="".join(dashes),
        label=_label(statuses, noun),
    )


def _bar(x: int, status: str) -> str:
    height = _HEIGHTS.get(status, 9)
    return f"M{x} {_BOTTOM - height}h{_WIDTH}v{height}h-{_WIDTH}z"


def _dash(x: int) -> str:
    return f"M{x} 12h{_WIDTH}"


def _label(statuses: Sequence[str | None], noun: str) -> str:
    if not statuses:
        return f"No {noun}s yet"
    counts = Counter([(status or "no run").lower() for status in statuses]).most_common()
    states = ", ".join([f"{number} {name}" for name, number in counts])
    return f"Last {counted(len(statuses), noun)}: {states}"
