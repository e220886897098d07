"""What the parts of ``SqlStore`` share: the statements, and how one of them is run."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import NamedTuple

from cloaca_core.store.package_files import package_files
from cloaca_core.store.sql.dialect import Dialect, Step
from cloaca_core.store.sql.queries import Row, Statement, load_statements


class Queries(NamedTuple):
    """The statements that must exist, in ``runs.sql`` or in the dialect's overrides."""

    insert_run: Statement
    insert_unowned_run: Statement
    insert_tag: Statement
    owned_runs: Statement
    find_keys: Statement
    fence_runs: Statement
    record_attempt: Statement
    end_run: Statement
    start_next: Statement
    claim: Statement
    has_claimable: Statement
    load_attempts: Statement
    shut_out: Statement
    release: Statement
    register: Statement
    get_runner: Statement
    beat: Statement
    unregister: Statement
    list_runners: Statement
    fence: Statement
    count_crashes: Statement
    take_over_runs: Statement
    remove_emptied_runner: Statement
    get_run: Statement
    list_runs: Statement
    list_active_runs: Statement
    list_waiting: Statement
    list_ended_runs: Statement
    list_runs_of_workflow: Statement
    list_runs_of_tag: Statement
    ended_runs: Statement
    lock_schedules: Statement
    lock_runs: Statement
    insert_tick: Statement
    take_dropped_tick: Statement
    insert_tick_run: Statement
    insert_lost: Statement
    cancel_run: Statement
    advance_schedule: Statement
    outdate_schedule: Statement
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


class SqlPart:
    """The operations on one noun, each in one transaction. Contracts: see ``Store``."""

    def __init__(self, dialect: Dialect, queries: Queries) -> None:
        self._dialect = dialect
        self._queries = queries

    async def _write(self, statement: Statement, **values: object) -> list[Row]:
        (rows,) = await self._dialect.write([Step(statement, statement.bind(**values))])
        return rows

    async def _read(self, statement: Statement, **values: object) -> list[Row]:
        (rows,) = await self._dialect.read([Step(statement, statement.bind(**values))])
        return rows


def load_queries(dialect: Dialect) -> Queries:
    """The statements as this dialect words them."""
    return _compiled(dialect.overrides, dialect.placeholder)


@lru_cache(maxsize=8)
def _compiled(overrides: str, placeholder: str) -> Queries:
    """Once for all runners of a process: it would be two fifths of opening a file."""
    shared = package_files(__package__).joinpath("runs.sql").read_text("utf-8")
    return Queries(**load_statements(shared, overrides, Queries._fields, placeholder))


def pair(first: str, second: str | None) -> str:
    """Two texts as one item of an array parameter."""
    return json.dumps([first, second])
