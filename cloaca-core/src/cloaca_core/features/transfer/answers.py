"""The answer to a statement of a person's own; forms as in ``run.rows``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Rows(NamedTuple):
    """``rows`` have the driver's values, in the order of ``columns``; of a longer answer they are
    the first, and ``more`` is true.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    more: bool


class Bounds(NamedTuple):
    """How many rows are read at most, and how many seconds the statement has."""

    rows: int
    seconds: float
