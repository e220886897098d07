"""``database_status`` and ``upgrade_database``: the tables of a database, and their version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import Any

from cloaca_core.engine.recover.liveness import Liveness
from cloaca_core.engine.recover.process_identity import this_process
from cloaca_core.engine.runtime.loop_thread import run_on_own_loop
from cloaca_core.errors import StoreOpenError, StoreReadOnlyError, TransferError
from cloaca_core.features.transfer.backends import ExaminedBackend
from cloaca_core.run.rows import RunFilter
from cloaca_core.store.protocol import StoreOptions
from cloaca_core.store.schema_state import PendingMigration, SchemaState
from cloaca_core.values.states import RunStatus
from cloaca_tools.transfer.opened import Place


@dataclass(frozen=True, slots=True)
class DatabaseStatus:
    """``schema`` is the last migration that the database has, 0 for none, ``known`` the last one of
    this version; ``pending`` are the migrations in between. ``refusal`` says why this version
    cannot use the database, or is None. ``size`` is in bytes. ``runs`` are counted by status, and
    ``runners`` are those that are alive; ``runs`` are empty where the tables are not of this
    version.
    """

    backend: str
    versions: Mapping[str, str]
    size: int
    schema: int
    known: int
    pending: tuple[PendingMigration, ...] = ()
    refusal: str | None = None
    runs: Mapping[str, int] = field(default_factory=dict)
    runners: tuple[str, ...] = ()

    @property
    def sql(self) -> str:
        """The statements that an upgrade executes, for an administrator to read or to run."""
        return "\n".join(
            f"-- migration {each.number}: {each.name}\n{each.sql.rstrip()}\n"
            for each in self.pending
        )

    def to_dict(self) -> dict[str, Any]:
        """The status as JSON."""
        return {
            "backend": self.backend,
            "versions": dict(self.versions),
            "size": self.size,
            "schema": self.schema,
            "known": self.known,
            "pending": [{"number": each.number, "name": each.name} for each in self.pending],
            "refusal": self.refusal,
            "runs": dict(self.runs),
            "runners": list(self.runners),
        }


@dataclass(frozen=True, slots=True)
class UpgradeReport:
    """``before`` and ``schema`` are the last migrations before and after; ``before`` is 0 for a
    database that was made now. ``applied`` are those in between that a database lacked.
    """

    before: int
    schema: int
    applied: tuple[PendingMigration, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON."""
        applied = [{"number": each.number, "name": each.name} for each in self.applied]
        return {"before": self.before, "schema": self.schema, "applied": applied}


def database_status(
    database_url: str | PathLike[str], *, schema: str | None = None
) -> DatabaseStatus:
    """Look at the tables of a database and count its runs; changes nothing.

    Raises ``StoreOpenError`` when there is no such database, or another program made it.
    """
    return run_on_own_loop(_status(Place.of(database_url, schema)))


def upgrade_database(
    database_url: str | PathLike[str], *, schema: str | None = None, allow_runners: bool = False
) -> UpgradeReport:
    """Bring the tables of a database to this version, or make them; what that needed.

    A runner that opens the database does the same. Stop runners of an earlier version before: while
    any is alive, tables are not changed (``TransferError``), unless ``allow_runners``.
    """
    return run_on_own_loop(_upgrade(Place.of(database_url, schema), allow_runners=allow_runners))


async def _status(place: Place) -> DatabaseStatus:
    backend = place.backend
    if not isinstance(backend, ExaminedBackend):
        raise TransferError(f"databases of the backend {backend.name} cannot be examined")
    examiner = await backend.examine(place.url, StoreOptions(schema=place.schema))
    try:
        state, facts = await examiner.schema(), await examiner.facts()
        fleet = await examiner.fleet()
    finally:
        await examiner.close()
    runs = await _counted(place) if state.is_current else {}
    return DatabaseStatus(
        backend=backend.name,
        versions=facts.versions,
        size=facts.size,
        schema=state.applied,
        known=state.known,
        pending=tuple(state.pending),
        refusal=state.refusal,
        runs=runs,
        runners=tuple(Liveness(fleet, this_process()).alive(fleet.runners)),
    )


async def _counted(place: Place) -> Mapping[str, int]:
    async with place.opened(read_only=True) as store:
        counts = {
            status.value: await store.count_runs(RunFilter(statuses=(status,)))
            for status in RunStatus
        }
    return {status: number for status, number in counts.items() if number}


async def _upgrade(place: Place, *, allow_runners: bool) -> UpgradeReport:
    before, alive = await _state(place)
    if before.applied and before.pending and alive and not allow_runners:
        raise TransferError(
            f"runners are alive: {', '.join(alive)}. Stop them before the tables change; "
            "allow_runners upgrades nevertheless"
        )
    async with place.opened():
        pass
    after, _ = await _state(place)
    return UpgradeReport(before.applied, after.applied, tuple(before.pending))


async def _state(place: Place) -> tuple[SchemaState, Sequence[str]]:
    """How the tables stand, and the ids of the runners that are alive; nothing is applied where
    there is no database yet, or one that will be refused when it is opened.
    """
    if not isinstance(place.backend, ExaminedBackend):
        return SchemaState(0, 0), ()
    try:
        examiner = await place.backend.examine(place.url, StoreOptions(schema=place.schema))
    except (StoreOpenError, StoreReadOnlyError):
        return SchemaState(0, 0), ()
    try:
        fleet = await examiner.fleet()
        return await examiner.schema(), Liveness(fleet, this_process()).alive(fleet.runners)
    finally:
        await examiner.close()
