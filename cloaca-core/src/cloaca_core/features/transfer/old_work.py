"""Old work: the contract of reading a database that cloaca 0.2 or 0.12 has written, as far as this
version takes it over.

Ids are 32 hex digits; instants are as in ``runs``. Payloads are JSON text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol, TypeAlias

Release: TypeAlias = Literal["0.2", "0.12"]


class OldTask(NamedTuple):
    """A task of a run. ``name`` is ``tenant::package::workflow::task``; ``context`` is its whole
    output, where it completed.
    """

    run_id: str
    name: str
    status: str
    attempt: int
    started_at: int | None
    ended_at: int | None
    retry_at: int | None
    error: str | None
    context: str | None


class OldRun(NamedTuple):
    """A run. ``context`` is its input until it ends, and its final context afterwards: the input of
    a run that has ended is not kept.
    """

    id: str
    workflow: str
    version: str
    status: str
    context: str | None
    error: str | None
    created_at: int
    started_at: int | None
    ended_at: int | None
    paused_at: int | None
    pause_reason: str | None
    tasks: Sequence[OldTask] = ()


class OldSchedule(NamedTuple):
    """A cron schedule."""

    id: str
    workflow: str
    cron_expression: str
    timezone: str
    enabled: bool
    catchup_policy: str
    start_date: int | None
    end_date: int | None
    last_run_at: int | None
    created_at: int
    params: str | None = None
    name: str | None = None


class OldWork(Protocol):
    """Reads one database; belongs to the loop on which it was opened. Nothing is written."""

    @property
    def release(self) -> Release:
        """Which release has written it."""

    async def runs(self, after: str, limit: int) -> list[OldRun]:
        """Up to ``limit`` runs with their tasks, in the order of ids, after this one."""

    async def schedules(self) -> Sequence[OldSchedule]:
        """All cron schedules."""

    async def close(self) -> None:
        """Close the connection. Safe to call twice."""
