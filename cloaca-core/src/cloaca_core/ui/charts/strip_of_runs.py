"""The last runs of a workflow as a strip of columns, failures taller. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cloaca_core.ui.words import STATES

_STEP: Final = 8
_WIDTH: Final = 6


@dataclass(frozen=True, slots=True)
class Strip:
    """Paths by state, in a box of ``width`` by 16, and the same in words."""

    width: int
    paths: tuple[tuple[str, str], ...]
    words: str


def strip(statuses: Sequence[str]) -> Strip:
    """The strip of these states, oldest first."""
    paths: dict[str, str] = {}
    for place, status in enumerate(statuses):
        top = 1 if status == "Failed" else 5
        column = f"M{place * _STEP} {top}h{_WIDTH}v{14 - top}h-{_WIDTH}z"
        state = STATES[status]
        paths[state] = paths.get(state, "") + column
    counts = Counter([status.lower() for status in statuses])
    told = ", ".join([f"{number} {status}" for status, number in sorted(counts.items())])
    return Strip(max(len(statuses) * _STEP, 1), tuple(paths.items()), f"Last runs: {told}")
