"""Kinds of change that another process may have made in a database.

The kind decides which tables a runner reads, so that an idle one reads few. A change does not name
its rows: each runner finds them.
"""

from __future__ import annotations

from enum import Enum
from typing import Final


class Change(Enum):
    """The rows that may have changed. Of two changes the later one here stands for both."""

    STEPS = "steps"
    """Runs of other runners have made steps, which matters only to callers that watch them."""
    MOVES = "moves"
    """Runs have moved to other queues, where they may be claimed. Word of it comes at once, and a
    little later as ``RUNS`` again, for parts that do not claim.
    """
    RUNS = "runs"
    """Runs may be claimable, have ended or been steered. Runners and schedules have not changed."""
    ANYTHING = "anything"


_WEAKEST_FIRST: Final = tuple(Change)


def stronger(one: Change | None, other: Change) -> Change:
    """Two changes as one."""
    return other if one is None else max(one, other, key=_WEAKEST_FIRST.index)
