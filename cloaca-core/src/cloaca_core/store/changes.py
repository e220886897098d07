"""Kinds of change that another process may have made in a database.

A runner asks the tables other questions for each kind, and an idle one asks few. A change does not
name its rows: the runner that is told of it reads them.
"""

from __future__ import annotations

from enum import Enum


class Change(Enum):
    """The rows that are worth reading again."""

    RUNS = "runs"
    """Some may be claimable, have ended or are steered. Runners and schedules are as they were."""
    ANYTHING = "anything"
