"""``import_0x``: history, schedules and unfinished runs of a database of cloaca 0.2 or 0.12."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any, Final

from cloaca_core.engine.runtime.loop_thread import run_on_own_loop
from cloaca_core.errors import (
    ContextValueError,
    ScheduleError,
    StoreOpenError,
    StoreReadOnlyError,
    TransferError,
)
from cloaca_core.features.schedules.tick_rows import timing_of
from cloaca_core.features.transfer.backends import OldBackend
from cloaca_core.features.transfer.old_work import Release
from cloaca_core.store.protocol import StoreOptions
from cloaca_core.store.tables import BY_NAME
from cloaca_core.values.states import RunStatus
from cloaca_tools.transfer.old_rows import NewRows, full_name, rows_of, schedule_of, workflow_of
from cloaca_tools.transfer.opened import Place

if TYPE_CHECKING:
    from cloaca_core.assembly.store import TransferStore
    from cloaca_core.features.schedules.records import ScheduleRow
    from cloaca_core.features.transfer.old_work import OldRun, OldSchedule, OldWork
    from cloaca_core.values.times.instants import Instant

_PAGE: Final = 200
_GOES_ON: Final = (RunStatus.PENDING, RunStatus.PAUSED)


@dataclass(frozen=True, slots=True)
class ImportReport:
    """The result of an import, or of a dry run. ``runs`` are counted by the status that they have
    here; those that go on are Pending or Paused. ``known`` are runs and schedules that an earlier
    import had written. ``refused`` says which runs and schedules cannot be taken over, and why.
    """

    release: Release
    dry_run: bool
    runs: Mapping[str, int]
    schedules: int
    known: int
    workflows: tuple[str, ...]
    refused: tuple[str, ...] = ()

    @property
    def unfinished(self) -> int:
        """The runs that go on here."""
        return sum(self.runs.get(status, 0) for status in _GOES_ON)

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON."""
        return {
            "release": self.release,
            "dry_run": self.dry_run,
            "runs": dict(self.runs),
            "unfinished": self.unfinished,
            "schedules": self.schedules,
            "known": self.known,
            "workflows": list(self.workflows),
            "refused": list(self.refused),
        }


def import_0x(
    source_url: str | PathLike[str],
    target_url: str | PathLike[str],
    *,
    dry_run: bool = True,
    source_schema: str | None = None,
    target_schema: str | None = None,
) -> ImportReport:
    """Take over what cloaca 0.2 or 0.12 has written: first as a dry run, which writes nothing.

    Stop the programs of the old database before; it is only read. Runs that have ended become
    history. Those that have not go on here: tasks that completed count, all others run, those that
    were running again. Schedules go on with their next tick. Each run has the tags
    ``imported_from`` and ``imported_id``, its id there. What was imported before is left as it is,
    but a run that has been pruned since comes again, and runs again if it had not ended there.
    Raises ``TransferError`` when neither release made the source.
    """
    source, target = Place.of(source_url, source_schema), Place.of(target_url, target_schema)
    return run_on_own_loop(_import(source, target, dry_run=dry_run))


async def _import(source: Place, target: Place, *, dry_run: bool) -> ImportReport:
    backend = source.backend
    if not isinstance(backend, OldBackend):
        raise TransferError(f"the backend {backend.name} reads no databases of cloaca 0.x")
    async with AsyncExitStack() as stack:
        old = await backend.read_old(source.url, StoreOptions(schema=source.schema))
        stack.push_async_callback(old.close)
        store = None
        if not (dry_run and await _is_missing(target)):
            store = await stack.enter_async_context(target.opened(read_only=dry_run))
        return await _Import(old, store, dry_run=dry_run).all()


async def _is_missing(target: Place) -> bool:
    """Whether there is no target yet, or one without tables, which a dry run must not make."""
    try:
        async with target.opened(read_only=True):
            return False
    except StoreOpenError as error:
        if error.reason != "missing":
            raise  # an import would fail as well
    except StoreReadOnlyError as error:
        if not error.is_unmade:
            raise
    return True


class _Import:
    def __init__(self, old: OldWork, store: TransferStore | None, *, dry_run: bool) -> None:
        self._old = old
        self._store = store
        self._dry_run = dry_run
        self._runs: Counter[str] = Counter()
        self._full_names: dict[str, str] = {}
        self._workflows: set[str] = set()
        self._known = 0
        self._refused: list[str] = []

    async def all(self) -> ImportReport:
        after = ""
        while page := await self._old.runs(after, _PAGE):
            after = page[-1].id
            for run in page:
                self._full_names.setdefault(run.workflow, workflow_of(run))
            await self._take([rows for run in page if (rows := self._rows_of(run)) is not None])
        schedules = await self._take_schedules()
        return ImportReport(
            release=self._old.release,
            dry_run=self._dry_run,
            runs=dict(self._runs),
            schedules=schedules,
            known=self._known,
            workflows=tuple(sorted(self._workflows)),
            refused=tuple(self._refused),
        )

    def _rows_of(self, run: OldRun) -> NewRows | None:
        """The rows of a run; None for one whose values cannot be stored, which the report tells."""
        try:
            return rows_of(run, self._old.release)
        except ContextValueError as error:
            self._refused.append(f"run {run.id} of {workflow_of(run)}: {error}")
            return None

    async def _take(self, rows: Sequence[NewRows]) -> None:
        """Write the runs that are not there, with all their rows, in one transaction."""
        new = [each for each in rows if not await self._has_run(each.id)]
        self._known += len(rows) - len(new)
        self._runs.update(each.status for each in new)
        workflow = BY_NAME["run"].columns.index("workflow")
        self._workflows |= {each.run[workflow] for each in rows}
        if self._dry_run or self._store is None:
            return
        await self._store.transfer().put_new(
            {
                "run_tag": [row for each in new for row in each.tags],
                "attempt": [row for each in new for row in each.attempts],
                "run": [each.run for each in new],
            }
        )

    async def _has_run(self, run_id: str) -> bool:
        return self._store is not None and await self._store.get_run(run_id) is not None

    async def _take_schedules(self) -> int:
        taken = 0
        for old in await self._old.schedules():
            workflow = self._full_names.get(old.workflow) or full_name(old.workflow)
            try:
                row = await self._new_schedule(old, workflow)
            except (ContextValueError, ScheduleError) as error:
                self._refused.append(f"{old.cron_expression!r} of {workflow}: {error}")
                continue
            if row is None:
                self._known += 1
                continue
            self._workflows.add(workflow)
            taken += 1
            if not self._dry_run and self._store is not None:
                await self._store.transfer().put(BY_NAME["schedule"], [_values(row)])
        return taken

    async def _new_schedule(self, old: OldSchedule, workflow: str) -> ScheduleRow | None:
        """The row of a schedule, None if it exists already; ``ScheduleError`` if its name is taken
        or its expression is not understood.
        """
        row = schedule_of(old, workflow, await self._now(old.created_at))
        if self._store is not None:
            if await self._store.get_schedule(row.id) is not None:
                return None
            if row.name is not None and await self._store.get_schedule_named(row.name) is not None:
                raise ScheduleError(f"the target has a schedule named {row.name!r}")
        return _timed(row)

    async def _now(self, otherwise: Instant) -> Instant:
        return otherwise if self._store is None else await self._store.now()


def _timed(row: ScheduleRow) -> ScheduleRow:
    """The schedule with its next tick; ``ScheduleError`` if its expression is not understood."""
    timing = timing_of(row)
    tick = timing.next_tick(row.decided_until)
    return row._replace(next_tick=tick, due_at=None if tick is None else timing.due_at(tick))


def _values(row: ScheduleRow) -> tuple[Any, ...]:
    values = row._asdict() | {"enabled": int(row.enabled)}
    return tuple([values[name] for name in BY_NAME["schedule"].columns])
