"""How the duration of a task has changed, as a small chart: the middle, and the slow ones above."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 92
_PARTS: Final = 10
_TOP: Final = 2
_FLOOR: Final = 16


@dataclass(frozen=True, slots=True)
class Spark:
    """Points of the line of the middle, and of the area up to the slow ones."""

    line: str
    area: str


def spark(seconds: Sequence[float | None]) -> Spark | None:
    """The chart of durations, newest first, None where there is none; None for fewer than two."""
    known = [each for each in reversed(seconds) if each is not None]
    if len(known) < 2:
        return None
    parts = min(_PARTS, len(known))
    cut = [known[len(known) * at // parts : len(known) * (at + 1) // parts] for at in range(parts)]
    middle = [_of(part, 50) for part in cut]
    slow = [_of(part, 95) for part in cut]
    most = max(slow) or 1
    line = _points(middle, most)
    return Spark(" ".join(line), " ".join([*line, *reversed(_points(slow, most))]))


def _points(values: Sequence[float], most: float) -> list[str]:
    step = WIDTH / (len(values) - 1)
    return [
        f"{at * step:.1f},{_FLOOR - (_FLOOR - _TOP) * value / most:.1f}"
        for at, value in enumerate(values)
    ]


def _of(values: Sequence[float], share: int) -> float:
    """The value that ``share`` in a hundred do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * share // 100) - 1)]
