"""The tables, each a list of columns, and rows in the order of a key.

A copy of a database consists of these tables. The rows are the same for all backends: a payload is
in the row of its run, wherever a backend stores it. Runners, and their notes for each other, belong
to one database and are not copied.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple, TypeAlias

Key: TypeAlias = tuple[Any, ...]
"""The values of a table's key: texts, which are ordered by their bytes, and numbers."""
Kind: TypeAlias = Literal["text", "int", "real"]
"""The kind of a column's values."""


class Table(NamedTuple):
    """The columns and the key of a table, and the kind of each column.

    ``may_have_others``: a target that is otherwise empty may have rows of its own in it, and a row
    that it has already is not changed.
    """

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    kinds: Mapping[str, Kind]
    may_have_others: bool = False

    @property
    def beginning(self) -> Key:
        """A key before every other."""
        return tuple(["" if self.kinds[name] == "text" else LEAST for name in self.key])

    def key_of(self, row: tuple[Any, ...]) -> Key:
        """The key of a row."""
        return tuple([row[self.columns.index(name)] for name in self.key])


def _table(name: str, key: str, columns: str, *, may_have_others: bool = False) -> Table:
    """``columns`` are written ``name:kind``; one without a kind holds texts."""
    kinds: dict[str, Any] = {}
    for column in columns.split():
        name_of, _, kind = column.partition(":")
        kinds[name_of] = kind or "text"
    return Table(name, tuple(kinds), tuple(key.split()), kinds, may_have_others)


LEAST: Final = -(2**63)
"""The least number that a database holds."""

TABLES: Final = (
    _table("tombstone", "root_id", "root_id hidden_at:int"),
    _table(
        "runner_name",
        "number",
        "number:int id host process:int gone_at:int",
        may_have_others=True,  # of a runner that opened it before
    ),
    _table("paused_workflow", "workflow", "workflow paused_at:int paused_until:int"),
    _table("queue", "workflow name", "workflow name"),
    _table(
        "limit",
        "name",
        "name content changes family recorded_at:int changed_at:int changed_by",
        may_have_others=True,  # a runner that opened it before has recorded them
    ),
    # No run that is copied has an owner: these are the places of runs, and what waits in line.
    _table(
        "limit_line",
        "id",
        "id name key held:int tat:int given:int opens_at:int first_rank:int first_at:int "
        "oldest_at:int edition:int keys_rank:int keys_at:int keys_oldest:int looked_at:int",
    ),
    _table(
        "limit_waiter",
        "run_id task_id item",
        "run_id task_id item:int line runner_id rank:int since:int units:int needs",
    ),
    _table(
        "limit_grant",
        "id",
        "id name number:int run_id task_id item:int runner_id needs given_at:int",
    ),
    _table("definition", "workflow version", "workflow version name content recorded_at:int"),
    _table("workflow", "workflow", "workflow version name short_name retention:int queue"),
    _table(
        "when_ended",
        "workflow version place status",
        "workflow version place:int status submits content",
    ),
    _table(
        "run",
        "id",
        "id workflow version status owner epoch:int recoveries:int created_at:int started_at:int "
        "ended_at:int parent_id idempotency_key tags error_message input final_context "
        "schedule_id behind context_hash reason_code limit_seconds:int priority:int "
        "claimable_at:int due_at:int start_by:int came_due:int round:int cancel_at:int "
        "paused_at:int paused_until:int stood_still:int steer_reason detached:int children_at:int "
        "time_limit:int deadline_at:int reason_tasks pause_id paused_with pause_follows:int "
        "follows follows_round:int follows_place:int replacements:int root_id "
        "cancels_children:int messages:int rests_since:int trace ran_version queue child_kind "
        "singleton_key asked_queue overdue_at:int",
    ),
    _table("run_tag", "run_id tag", "run_id tag content"),
    _table(
        "attempt",
        "run_id task_id item attempt",
        "run_id task_id attempt:int epoch:int status started_at:int ended_at:int retry_at:int "
        "crashes:int error_type error_message skip_reason change error_traceback reason_code "
        "replacements:int runner:int item:int",
    ),
    _table(
        "round",
        "run_id round",
        "run_id round:int status error_message reason_code limit_seconds:int final_context "
        "started_at:int ended_at:int",
    ),
    _table(
        "restart",
        "run_id task_id item first_attempt",
        "run_id task_id first_attempt:int round:int with_children:int item:int",
    ),
    _table(
        "map",
        "run_id task_id",
        "run_id task_id attempt:int epoch:int version items:int digest decision:int labels again",
    ),
    _table(
        "fork",
        "run_id from_task from_item",
        "run_id forked_from from_task content created_at:int from_item:int",
    ),
    _table("replacement", "run_id number", "run_id number:int content created_at:int"),
    _table(
        "memo",
        "run_id task_id item kind name number",
        "run_id task_id kind name number:int input_hash attempt:int value calls:int "
        "created_at:int item:int",
    ),
    _table(
        "wait",
        "run_id task_id item kind name number",
        "run_id task_id kind name number:int attempt:int input_hash opened_at:int due_at:int "
        "detail timed_out:int item:int",
    ),
    _table(
        "message",
        "run_id id",
        "run_id id number:int kind name payload dedupe_key sent_by sent_at:int taken_by "
        "taken_item:int for_task for_item:int",
    ),
    _table(
        "task_log",
        "run_id position",
        "run_id position:int task_id attempt:int number:int size:int lines item:int",
    ),
    _table(
        "progress",
        "run_id task_id item attempt",
        "run_id task_id attempt:int done:real total:real detail told_at:int item:int",
    ),
    _table(
        "act",
        "run_id id",
        "id run_id workflow round:int kind asked_by reason changed:int created_at:int",
    ),
    _table("event", "id", "id trigger_id event_key context_hash run_id created_at:int"),
    _table("tick", "schedule_id tick", "schedule_id tick:int run_id outcome created_at:int"),
    _table(
        "lost",
        "schedule_id decided_until",
        "schedule_id decided_until:int ticks:int created_at:int",
    ),
    _table(
        "schedule",
        "id",
        "id name workflow cron_expression timezone enabled:int catchup_policy overlap_policy "
        "jitter_seconds:int start_date:int end_date:int params decided_until:int next_tick:int "
        "due_at:int last_tick:int generation:int created_at:int updated_at:int time_limit:int "
        "pruned_until:int queue",
    ),
    _table(
        "trigger",
        "id",
        "id name workflow poll_interval_ms:int cron_expression timezone allow_concurrent:int "
        "enabled:int last_poll_at:int next_poll_at:int generation:int created_at:int "
        "updated_at:int last_error failing_since:int failed_polls:int error_at:int",
    ),
)
"""In the order in which they are copied: tables that hide or hold runs come before the runs, and
tables that make runs last, so that a database which is opened too early does nothing wrong.
"""
BY_NAME: Final = {table.name: table for table in TABLES}
OF_RUNS: Final = (
    "attempt",
    "run_tag",
    "round",
    "restart",
    "map",
    "fork",
    "replacement",
    "memo",
    "wait",
    "message",
    "task_log",
    "progress",
)
"""Tables whose rows are deleted with their run."""
