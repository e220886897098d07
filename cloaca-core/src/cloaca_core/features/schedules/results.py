"""The answer of a back-fill, as users see it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backfill:
    """The ticks that a back-fill has run, or in a preview would run.

    ``scheduled_times`` are its ticks, oldest first, RFC 3339 in UTC as in the history; ``run_ids``
    their runs, none in a preview. ``already_run`` counts the ticks of the period that had a run
    before, ``beyond_limit`` the ticks that remain for another call.
    """

    schedule_id: str
    scheduled_times: tuple[str, ...]
    run_ids: tuple[str, ...]
    already_run: int
    beyond_limit: int
