"""The statements of limits, by their names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cloaca_core.store.changes import Change
from cloaca_core.store.sql.base import Statements

if TYPE_CHECKING:
    from cloaca_core.store.sql.queries import Statement


_NEWS: Final = {
    "insert_foreign_grant": Change.RUNS,
    "wake_granted": Change.RUNS,
    "note_limit_act": Change.ANYTHING,
}


class LimitQueries(Statements, file="limits.sql", news=_NEWS):
    """Statements on limits, their places and those that wait for them."""

    lock_runner: Statement
    lock_gone: Statement
    give_back: Statement
    give_back_all: Statement
    stay_in_line: Statement
    keep_grants: Statement
    find_unclaimed: Statement
    adopt_grants: Statement
    held_above: Statement
    list_waiting_of: Statement
    list_unclaimed: Statement
    wake_granted: Statement
    free_unclaimed: Statement
    leave_ended: Statement
    list_waiting_needs: Statement
    leave_waiters: Statement
    remove_waiters: Statement
    leave_lines: Statement
    lock_limits: Statement
    read_lines: Statement
    open_lines: Statement
    next_opening: Statement
    put_line: Statement
    put_waiter: Statement
    move_waiter: Statement
    insert_grant: Statement
    insert_foreign_grant: Statement
    list_grants: Statement
    record_limit: Statement
    join_families: Statement
    note_limit_act: Statement
    change_limit: Statement
    open_all_lines: Statement
    list_limits: Statement
    limit_waits: Statement
    list_holders: Statement
    awaited_limits: Statement
    limit_waiting: Statement
    awaited_lines: Statement
    waiting_in_lines: Statement
    limit_holders: Statement
    workflows_of_runs: Statement
    first_waiters: Statement
    oldest_waiters: Statement
