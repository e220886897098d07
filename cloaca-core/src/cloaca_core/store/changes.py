"""Kinds of change that another process may have made in a database.

The kind decides which tables a runner reads, so that an idle one reads few. A change does not name
its rows: each runner finds them.
"""

from __future__ import annotations

from enum import Enum


class Change(Enum):
    """The rows that may have changed."""

    RUNS = "runs"
    """Runs may be claimable, have ended or been steered. Runners and schedules have not changed."""
    STEPS = "steps"
    """Runs of other runners have made steps, which matters only to callers that watch them."""
    ANYTHING = "anything"
