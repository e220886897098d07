"""What storms leave to chance."""

from __future__ import annotations

import random
from collections.abc import Mapping

SHORT = 0.6
"""Seconds of a lease that is to be lost."""
LONG = 60.0
"""Seconds of a lease that is kept, on a busy machine too."""


def place(chance: random.Random, points: Mapping[str, int]) -> str:
    """A point of the engine, and which time of it."""
    point = chance.choice(list(points))
    return f"{point}:{chance.randint(1, points[point])}"
