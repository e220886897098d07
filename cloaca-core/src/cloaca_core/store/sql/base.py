"""The common part of the classes of ``SqlStore``: loads the statements, and runs one of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from cloaca_core.store.package_files import package_files
from cloaca_core.store.sql.dialect import Dialect, Step
from cloaca_core.store.sql.queries import Row, Statement, Wording, load_statements


class RunQueries(NamedTuple):
    """The statements of ``runs.sql``."""

    insert_run: Statement
    insert_unowned_run: Statement
    insert_tag: Statement
    owned_runs: Statement
    find_keys: Statement
    lock_runs: Statement
    fence_runs: Statement
    record_attempt: Statement
    end_run: Statement
    claim: Statement
    has_claimable: Statement
    load_attempts: Statement
    get_run: Statement
    ended_runs: Statement
    list_runs: Statement
    list_active_runs: Statement
    list_ended_runs: Statement
    list_runs_of_workflow: Statement
    list_runs_of_tag: Statement
    list_waiting: Statement


class RunnerQueries(NamedTuple):
    """The statements of ``runners.sql``."""

    register: Statement
    get_runner: Statement
    list_runners: Statement
    beat: Statement
    shut_out: Statement
    release: Statement
    unregister: Statement
    fence: Statement
    count_crashes: Statement
    take_over_runs: Statement
    remove_emptied_runner: Statement


class ScheduleQueries(NamedTuple):
    """The statements of ``schedules.sql``."""

    lock_schedules: Statement
    insert_tick: Statement
    take_dropped_tick: Statement
    insert_tick_run: Statement
    insert_lost: Statement
    advance_schedule: Statement
    outdate_schedule: Statement
    cancel_run: Statement
    start_next: Statement
    put_schedule: Statement
    get_schedule: Statement
    get_schedule_named: Statement
    list_schedules: Statement
    retime_schedule: Statement
    delete_schedule: Statement
    next_due: Statement
    due_schedules: Statement
    schedules_ahead: Statement
    list_under_way: Statement
    list_ticks: Statement
    find_ticks: Statement
    count_ticks: Statement


class TriggerQueries(NamedTuple):
    """The statements of ``triggers.sql``."""

    lock_triggers: Statement
    insert_event: Statement
    insert_event_run: Statement
    take_poll: Statement
    add_trigger: Statement
    change_trigger: Statement
    triggers_named: Statement
    list_triggers: Statement
    known_events: Statement
    list_events: Statement


class Queries(NamedTuple):
    """The statements that must exist, in the core's file of their noun or in the backend's."""

    runs: RunQueries
    runners: RunnerQueries
    schedules: ScheduleQueries
    triggers: TriggerQueries


class SqlPart:
    """The operations on one noun, each in one transaction."""

    def __init__(self, dialect: Dialect, queries: Queries) -> None:
        self._dialect = dialect
        self._queries = queries

    async def _write(self, statement: Statement, **values: object) -> list[Row]:
        (rows,) = await self._dialect.write([Step(statement, statement.bind(**values))])
        return rows

    async def _read(self, statement: Statement, **values: object) -> list[Row]:
        (rows,) = await self._dialect.read([Step(statement, statement.bind(**values))])
        return rows


@lru_cache(maxsize=8)
def load_queries(package: str, wording: Wording) -> Queries:
    """The statements as the dialect with this ``sql_package`` words them. Cached, since loading
    takes two fifths of the time of opening a file.
    """
    ours, theirs = package_files(__package__), package_files(package)

    def of(noun: str, required: Sequence[str]) -> Mapping[str, Statement]:
        name = f"{noun}.sql"
        shared, override = ours.joinpath(name), theirs.joinpath(name)
        texts = [shared.read_text("utf-8")]
        if override.is_file():
            texts.append(override.read_text("utf-8"))
        return load_statements(texts, required, wording)

    return Queries(
        runs=RunQueries(**of("runs", RunQueries._fields)),
        runners=RunnerQueries(**of("runners", RunnerQueries._fields)),
        schedules=ScheduleQueries(**of("schedules", ScheduleQueries._fields)),
        triggers=TriggerQueries(**of("triggers", TriggerQueries._fields)),
    )


def pair(first: str, second: str | None) -> str:
    """Two texts as one item of an array parameter."""
    return json.dumps([first, second])
