"""Counts and distributions as plain numbers, from which a text for Prometheus is made."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final

DURATIONS: Final = (0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0, 43200.0)
"""Upper bounds in seconds of how long runs and tasks take."""
DELAYS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 1800.0)
"""Upper bounds in seconds of how late something is."""
COMMITS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
"""Upper bounds in seconds of how long the database takes."""


class Count:
    """A number for each combination of labels; it only grows."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, ...], int] = {}

    def add(self, labels: tuple[str, ...], count: int = 1) -> None:
        """Count more of these."""
        self._found[labels] = self._found.get(labels, 0) + count

    def items(self) -> list[tuple[tuple[str, ...], int]]:
        """The labels and their number, in order."""
        return sorted(self._found.copy().items())  # the engine's loop adds to it meanwhile


class Distribution:
    """How many values were at most so large, for each combination of labels."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._found: dict[tuple[str, ...], tuple[list[int], list[float]]] = {}

    def add(self, labels: tuple[str, ...], value: float) -> None:
        """Take a value in; one below 0, as of a clock that was set back, is 0."""
        value = max(0.0, value)
        found = self._found.get(labels)
        if found is None:
            found = self._found[labels] = ([0] * (len(self._bounds) + 1), [0.0])
        counts, total = found
        counts[bisect_left(self._bounds, value)] += 1
        total[0] += value

    def items(self) -> list[tuple[tuple[str, ...], list[tuple[str, float]], float]]:
        """The labels, the count up to each bound ("+Inf" at last), and the sum; in order."""
        return [
            (labels, list(self._up_to(counts)), total[0])
            for labels, (counts, total) in sorted(self._found.copy().items())
        ]

    def _up_to(self, counts: Sequence[int]) -> Iterator[tuple[str, float]]:
        so_far = 0
        for bound, count in zip([*map(str, self._bounds), "+Inf"], counts, strict=True):
            so_far += count
            yield bound, so_far
