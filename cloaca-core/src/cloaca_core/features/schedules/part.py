"""Schedules: the contract of cron schedules and their ticks."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from cloaca_core.features.schedules.records import ScheduleRow, TickRow
from cloaca_core.store.acts import ActRow
from cloaca_core.store.protocol import KernelStore


class ScheduleStore(KernelStore, Protocol):
    """Cron schedules and their ticks.

    Firings and their ticks are written by ``commit``, only if the schedule, which is locked first,
    is enabled and still has the generation that the decision was based on. A tick that is there
    already stays; the run of a tick is inserted, without an owner, only with the tick that names
    it; then the schedule goes on, generation + 1. So of any number of runners that decide one tick,
    one makes its run, also when a batch is sent again. A back-filled tick, without a generation,
    needs only the schedule's row, enabled or not, and changes nothing in it but the generation
    (+ 1) of an enabled schedule that has not reached that tick; the overlap policy does not count
    its run. A run that is put behind one which has ended waits for nothing; a concurrent end of
    that one comes first, or frees the waiting run. If the schedule is there and earlier runs of it,
    of the same workflow, have not ended, the run waits behind the newest of those instead, now and
    whenever the run that it waits for ends.

    A cancellation is written only with the tick that names it as ``tick_run``. A run that has not
    ended before or by this batch becomes Cancelled, also one of another runner: no owner, epoch
    + 1, its input as final context. Concurrent writes of its owner come first or are refused.
    """

    async def put_schedule(self, schedule: ScheduleRow, act: ActRow | None = None) -> str:
        """Add a schedule, or change the one of its name; returns its id. The act is noted unless
        there is one of that name with these settings. Its queue is noted for its workflow.

        A changed one keeps its id, whether it is enabled, its last tick and creation. If
        expression, zone and dates are the same, it also keeps its decided ticks; with another
        jitter it is due at the new row's ``created_at`` at the latest. Its generation grows by one.
        Of two concurrent callers with one name the second changes the first one's schedule.
        """

    async def get_schedule(self, schedule_id: str) -> ScheduleRow | None:
        """The schedule, or None when there is none of this id."""

    async def get_schedule_named(self, name: str) -> ScheduleRow | None:
        """The schedule of this name, or None."""

    async def list_schedules(
        self, *, enabled_only: bool, limit: int, offset: int
    ) -> list[ScheduleRow]:
        """Schedules by workflow, then by id."""

    async def change_schedule(self, schedule: ScheduleRow, act: ActRow | None = None) -> bool:
        """Note the act, and replace the settings, ``enabled``, ``decided_until``, ``next_tick``,
        ``due_at`` and ``updated_at``; generation + 1. False, and neither is done, when the schedule
        is not in the generation of ``schedule`` any more: a concurrent change or firing was faster.
        Its queue is noted for its workflow all the same.
        """

    async def delete_schedule(self, schedule_id: str, act: ActRow | None = None) -> None:
        """Note the act, and remove the schedule, if it exists. Its ticks and runs stay."""

    async def note_on_schedule(self, schedule_id: str, act: ActRow) -> None:
        """Note an act on a schedule that changes nothing of it, if the schedule exists."""

    async def next_due(self, workflows: Collection[str]) -> int | None:
        """When the first enabled schedule of these workflows is due, in past or future."""

    async def due_schedules(
        self, workflows: Collection[str], now: int, limit: int
    ) -> list[ScheduleRow]:
        """Up to ``limit`` enabled schedules of these workflows that are due at ``now``, the longest
        due first. Concurrent callers get the same ones: ``commit`` decides.
        """

    async def schedules_ahead(
        self, workflows: Collection[str], now: int, edge: int, limit: int
    ) -> list[tuple[ScheduleRow, int | None]]:
        """Up to ``limit`` enabled schedules of these workflows that were decided until later than
        ``edge``, in the order of their ids. Each with the newest of its ticks that was decided
        (whether it has a run or not) and is not later than ``now``.
        """

    async def list_under_way(self, schedule_ids: Collection[str]) -> dict[str, list[str]]:
        """For each of these schedules, the ids of its runs that have not ended, in the order of
        their ticks. Schedules without such runs are left out. Runs of another workflow, which the
        schedule had before, do not count.
        """

    async def list_ticks(self, schedule_id: str, *, limit: int, offset: int) -> list[TickRow]:
        """Ticks of a schedule, deleted or not, that were decided, newest first."""

    async def find_ticks(self, schedule_id: str, ticks: Collection[int]) -> list[TickRow]:
        """Those of these ticks of a schedule that were decided, oldest first."""

    async def count_ticks(self, since: int) -> tuple[int, int]:
        """Count all ticks since an instant: ticks with a run, and dropped or skipped ticks."""
