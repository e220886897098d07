"""Records of runs with a singleton key."""

from __future__ import annotations

from typing import NamedTuple


class KeyedRun(NamedTuple):
    """A run with a singleton key, and the first other run of its workflow and key that has not
    ended, None if there is none.
    """

    run_id: str
    workflow: str
    key: str
    holder: str | None
    holder_status: str | None


class Joined(NamedTuple):
    """How a store has met a new run with a singleton key.

    ``run_id`` is the new run if it was ``made``; otherwise the run that has its idempotency key, or
    the first run under way with its singleton key, and then ``status`` is the status of that run.
    """

    run_id: str
    made: bool
    status: str | None = None
