"""The items of a map as a strip: as high as the slowest of a cell took, failed ones on top."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Final

from cloaca_tools.ui.words.texts import STATES

if TYPE_CHECKING:
    from cloaca_tools.views.run.item_states import Cell

HEIGHT: Final = 32
_STEP: Final = 10
_WIDTH: Final = 8
FEWEST: Final = 20
"""Cells that the strip has room for at least: few items do not become wide blocks."""
_LOWEST: Final = 8
_SHORTEST: Final = 3
_FAILED: Final = 10
"""The least height of failed items: one of a thousand is seen, too."""
_IDLE: Final = ("NotStarted", "Skipped", "Cancelled")


@dataclass(frozen=True, slots=True)
class ItemStrip:
    """``bars`` are pairs of a state, as in classes, and a path; ``dashes`` are a path, of items
    that have not begun. ``failed`` counts the failed items.
    """

    width: int
    bars: tuple[tuple[str, str], ...]
    dashes: str
    failed: int = 0


def item_strip(cells: Sequence[Cell], fewest: int = FEWEST) -> ItemStrip:
    """The strip of these cells, in the order of the items; it has room for ``fewest`` at least."""
    longest = max([cell.slowest for cell in cells], default=0)
    bars: dict[str, list[str]] = {}
    dashes = []
    for number, cell in enumerate(cells):
        x, bottom = number * _STEP, HEIGHT - 2
        begun = {name: n for name, n in cell.counts.items() if name not in _IDLE}
        if not begun:
            dashes.append(f"M{x} {bottom}h{_WIDTH}")
        high = max(_height(cell.slowest, longest), 2 * _FAILED if "Failed" in begun else 0)
        for status, height in reversed(_shares(begun, high)):
            bottom -= height
            bars.setdefault(STATES[status], []).append(_bar(x, bottom, height))
    width = max(len(cells), fewest) * _STEP
    return ItemStrip(
        width,
        tuple([(name, "".join(found)) for name, found in bars.items()]),
        "".join(dashes),
        sum(cell.counts.get("Failed", 0) for cell in cells),
    )


def _height(seconds: float, longest: float) -> int:
    """The height of a cell, from the time of its slowest item; ten times is about three times."""
    share = sqrt(seconds / longest) if longest else 1
    return _LOWEST + round((HEIGHT - 2 - _LOWEST) * share)


def _shares(counts: dict[str, int], high: int) -> list[tuple[str, int]]:
    """The height of each state in a cell; none is too low to be seen."""
    total = sum(counts.values())
    least = {"Failed": _FAILED}
    shares = [
        (name, max(least.get(name, _SHORTEST), high * n // total)) for name, n in counts.items()
    ]
    over = sum(height for _, height in shares) - high
    most = max(range(len(shares)), key=lambda i: shares[i][1], default=0)
    return [
        (name, max(_SHORTEST, height - over) if i == most else height)
        for i, (name, height) in enumerate(shares)
    ]


def _bar(x: int, y: int, height: int) -> str:
    return f"M{x} {y}h{_WIDTH}v{height}h-{_WIDTH}z"
