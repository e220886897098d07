"""The common part of the classes of ``SqlStore``: loads the statements, and runs one of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple, TypeVar

from cloaca_core.store.acts import Acted, ActRow
from cloaca_core.store.package_files import package_files
from cloaca_core.store.sql.dialect import Dialect, Step
from cloaca_core.store.sql.queries import Row, Statement, Wording, load_statements

S = TypeVar("S", bound="Statements")


class Statements:
    """The statements of one noun, by the names that a subclass lists.

    No named tuple: Python takes half a millisecond to make the class of one with forty fields, and
    every program makes all of these before it reads its first row.
    """

    def __init__(self, **statements: Statement) -> None:
        vars(self).update(statements)

    def __iter__(self) -> Iterator[Statement]:
        return iter(vars(self).values())

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The names that must have a statement, in their order."""
        return tuple(cls.__annotations__)


class RunQueries(Statements):
    """The statements of ``runs.sql``."""

    insert_plain_run: Statement
    insert_run: Statement
    insert_unowned_run: Statement
    lock_roots: Statement
    find_parents: Statement
    free_key: Statement
    insert_tag: Statement
    note_submission: Statement
    owned_runs: Statement
    find_keys: Statement
    lock_runs: Statement
    fence_runs: Statement
    record_attempt: Statement
    end_run: Statement
    park_run: Statement
    pause_exhausted: Statement
    note_exhausted: Statement
    claim: Statement
    has_claimable: Statement
    set_ran_version: Statement
    note_unserved: Statement
    forget_ended: Statement
    leave_run: Statement
    list_left: Statement
    count_left: Statement
    forget_unserved: Statement
    next_due_run: Statement
    make_due_claimable: Statement
    make_claimable_after_set_back: Statement
    load_attempts: Statement
    list_outcomes: Statement
    get_run: Statement
    ended_runs: Statement
    list_runs: Statement
    list_active_runs: Statement
    count_active_runs: Statement
    list_ended_runs: Statement
    list_runs_of_workflow: Statement
    list_runs_of_parent: Statement
    list_runs_of_tag: Statement
    list_waiting: Statement


class RunnerQueries(Statements):
    """The statements of ``runners.sql``."""

    register: Statement
    name_runner: Statement
    runner_names: Statement
    get_runner: Statement
    list_runners: Statement
    drain: Statement
    note_drain: Statement
    beat: Statement
    shut_out: Statement
    release: Statement
    unregister: Statement
    forget_runner: Statement
    fence: Statement
    count_crashes: Statement
    take_over_runs: Statement
    remove_emptied_runner: Statement
    lock_schedules_of_owned: Statement
    lock_owned: Statement
    mark_cancelled: Statement
    start_after_cancelled: Statement
    end_cancelled: Statement


class ScheduleQueries(Statements):
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
    note_put_schedule: Statement
    note_schedule_act: Statement
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


class TriggerQueries(Statements):
    """The statements of ``triggers.sql``."""

    lock_triggers: Statement
    insert_event: Statement
    insert_event_run: Statement
    take_poll: Statement
    add_trigger: Statement
    note_trigger_act: Statement
    change_trigger: Statement
    triggers_named: Statement
    list_triggers: Statement
    known_events: Statement
    list_events: Statement


class SteeringQueries(Statements):
    """The statements of ``steering.sql``."""

    lock_schedules_of: Statement
    lock_steered: Statement
    note_cancel: Statement
    cancel_unowned: Statement
    cancel_owned: Statement
    note_pause: Statement
    pause_runs: Statement
    note_resume: Statement
    insert_replacement: Statement
    resume_runs: Statement
    conclude_act: Statement
    forget_act: Statement
    acted: Statement
    list_wishes: Statement
    next_steered: Statement
    list_not_begun: Statement
    note_expiry: Statement
    expire_runs: Statement
    list_pauses_over: Statement
    note_act: Statement
    list_acts: Statement
    list_asked_acts: Statement
    list_acts_of_kind: Statement
    list_acts_of_person: Statement
    kinds_of_person: Statement
    list_acts_of_run: Statement
    list_replacements: Statement


class ChildQueries(Statements):
    """The statements of ``children.sql``."""

    list_children: Statement
    list_strays: Statement
    list_paused_strays: Statement
    list_ended_parents: Statement
    parents_to_follow: Statement
    children_under_way: Statement
    descendants_under_way: Statement
    children_out_of_step: Statement
    descendants_out_of_step: Statement
    pause_new_children: Statement
    note_pause_of_children: Statement
    pause_children: Statement
    note_resume_of_children: Statement
    forget_children: Statement
    forget_pauses: Statement


class RerunQueries(Statements):
    """The statements of ``reruns.sql``."""

    note_retry: Statement
    keep_round: Statement
    restart_tasks: Statement
    set_planned_version: Statement
    serve_again: Statement
    reopen_run: Statement
    forget_waits: Statement
    list_restarts: Statement
    list_rounds: Statement
    insert_fork: Statement
    free_fork_key: Statement
    copy_results: Statement
    copy_replacements: Statement
    copy_messages: Statement
    note_fork: Statement
    copy_forks: Statement
    note_forking: Statement
    find_fork: Statement
    list_forks: Statement


class PausedWorkflowQueries(Statements):
    """The statements of ``paused_workflows.sql``."""

    lock_paused_workflows: Statement
    note_workflow_act: Statement
    pause_workflow: Statement
    resume_workflow: Statement
    workflow_acted: Statement
    list_paused_workflows: Statement
    list_pauses: Statement


class DefinitionQueries(Statements):
    """The statements of ``definitions.sql``."""

    insert_definition: Statement
    put_workflow: Statement
    newest_definitions: Statement
    definitions_named: Statement
    list_definitions: Statement
    get_definition: Statement


class FollowUpQueries(Statements):
    """The statements of ``follow_ups.sql``."""

    insert_when_ended: Statement
    insert_follow_up: Statement
    follow_ends: Statement
    follow_cancelled: Statement
    list_follow_ups: Statement


class MemoQueries(Statements):
    """The statements of ``memos.sql``."""

    record_memo: Statement
    load_memos: Statement
    copy_memos: Statement


class TaskLogQueries(Statements):
    """The statements of ``task_logs.sql``."""

    record_lines: Statement
    drop_lines: Statement
    record_progress: Statement
    list_lines: Statement
    list_progress: Statement


class WaitQueries(Statements):
    """The statements of ``waits.sql``."""

    record_wait: Statement
    time_out_wait: Statement
    list_timed_out: Statement
    drop_waits: Statement
    take_message: Statement
    close_wait: Statement
    insert_first_message: Statement
    count_first_message: Statement
    insert_message: Statement
    note_message: Statement
    wake_waiting: Statement
    count_messages: Statement
    message_sent: Statement
    number_messages: Statement
    drop_repeated: Statement
    list_unnumbered: Statement
    list_waits: Statement
    list_unread: Statement
    list_sent: Statement
    list_open_approvals: Statement


class StandingQueries(Statements):
    """The statements of ``standing.sql``, in the order in which they are read."""

    run_as_it_stands: Statement
    pause_of_workflow: Statement
    claimable_ahead: Statement
    outline_attempts: Statement
    restarts_of_run: Statement
    unended_children: Statement
    runner_loads: Statement
    suspect_before: Statement
    runners_without_tasks: Statement
    open_waits_of_run: Statement
    unread_of_run: Statement
    kept_steps: Statement
    progress_of_run: Statement


class GaugeQueries(Statements):
    """The statements of ``gauges.sql``."""

    read_gauges: Statement


class UpkeepQueries(Statements):
    """The statements of ``upkeep.sql``."""

    get_upkeep: Statement
    take_upkeep: Statement
    hold_upkeep: Statement
    leave_upkeep: Statement
    list_kept_workflows: Statement
    list_expired: Statement
    lock_expired: Statement
    hide_trees: Statement
    weigh_trees: Statement
    list_doomed: Statement
    lock_ticked_schedules: Statement
    raise_marks: Statement
    erase_ticks_of: Statement
    erase_events_of: Statement
    erase_attempts: Statement
    erase_tags: Statement
    erase_acts: Statement
    erase_rounds: Statement
    erase_restarts: Statement
    erase_forks: Statement
    erase_replacements: Statement
    erase_unserved: Statement
    erase_memos: Statement
    erase_lines: Statement
    erase_progress: Statement
    erase_waits: Statement
    erase_messages: Statement
    erase_runs: Statement
    erase_tombstones: Statement
    trim_attempts: Statement
    trim_acts: Statement
    trim_restarts: Statement
    trim_replacements: Statement
    trim_memos: Statement
    trim_lines: Statement
    trim_progress: Statement
    trim_waits: Statement
    trim_messages: Statement
    list_ticking: Statement
    list_deleted_schedules: Statement
    lock_mark: Statement
    raise_mark: Statement
    note_gone: Statement
    erase_names: Statement
    erase_ticks: Statement
    erase_lost: Statement


class SearchQueries(Statements):
    """The statements of ``search.sql``."""

    newest_ids: Statement
    active_ids: Statement
    count_active: Statement
    ended_ids: Statement
    workflow_ids: Statement
    child_ids: Statement
    list_family: Statement
    list_children_of_family: Statement
    tagged_ids: Statement
    acted_ids: Statement
    match_runs: Statement
    list_actors: Statement
    count_newest: Statement
    count_made: Statement
    count_owned: Statement
    failed_ids: Statement
    list_failures: Statement
    longest_claimable: Statement


class PayloadQueries(Statements):
    """The statements of a backend's ``payloads.sql``, if it has one; see ``payloads.py``."""

    insert_input: Statement
    insert_final_context: Statement
    copy_input: Statement
    erase_payloads: Statement


class Queries(NamedTuple):
    """The statements that must exist, in the core's file of their noun or in the backend's."""

    runs: RunQueries
    runners: RunnerQueries
    schedules: ScheduleQueries
    triggers: TriggerQueries
    steering: SteeringQueries
    children: ChildQueries
    reruns: RerunQueries
    paused_workflows: PausedWorkflowQueries
    definitions: DefinitionQueries
    follow_ups: FollowUpQueries
    memos: MemoQueries
    task_logs: TaskLogQueries
    waits: WaitQueries
    standing: StandingQueries
    upkeep: UpkeepQueries
    search: SearchQueries
    gauges: GaugeQueries
    payloads: PayloadQueries | None


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

    def of(noun: str, kind: type[S]) -> S:
        name = f"{noun}.sql"
        shared, override = ours.joinpath(name), theirs.joinpath(name)
        texts = [shared.read_text("utf-8")]
        if override.is_file():
            texts.append(override.read_text("utf-8"))
        return kind(**load_statements(texts, kind.names(), wording))

    def of_payloads() -> PayloadQueries | None:
        file, names = theirs.joinpath("payloads.sql"), PayloadQueries.names()
        if not file.is_file():
            return None
        return PayloadQueries(**load_statements([file.read_text("utf-8")], names, wording))

    return Queries(
        runs=of("runs", RunQueries),
        runners=of("runners", RunnerQueries),
        schedules=of("schedules", ScheduleQueries),
        triggers=of("triggers", TriggerQueries),
        steering=of("steering", SteeringQueries),
        children=of("children", ChildQueries),
        reruns=of("reruns", RerunQueries),
        paused_workflows=of("paused_workflows", PausedWorkflowQueries),
        definitions=of("definitions", DefinitionQueries),
        follow_ups=of("follow_ups", FollowUpQueries),
        memos=of("memos", MemoQueries),
        task_logs=of("task_logs", TaskLogQueries),
        waits=of("waits", WaitQueries),
        standing=of("standing", StandingQueries),
        upkeep=of("upkeep", UpkeepQueries),
        search=of("search", SearchQueries),
        gauges=of("gauges", GaugeQueries),
        payloads=of_payloads(),
    )


def pair(first: str, second: str | None) -> str:
    """Two texts as one item of an array parameter."""
    return json.dumps([first, second])


def steps_of(statements: Iterable[Statement], known: Mapping[str, object]) -> list[Step]:
    """A step of each statement, with those of the known values that it takes."""
    return [Step.of(each, known) for each in statements]


def of_act(act: ActRow) -> dict[str, object]:
    """The values of an act that is about no run, by the names that statements have for them."""
    return {
        "act_id": act.id,
        "act_workflow": act.workflow,
        "act_kind": act.kind,
        "asked_by": act.asked_by,
        "act_reason": act.reason,
        "acted_at": act.created_at,
    }


def acted(rows: Iterable[Row]) -> dict[str, Acted]:
    """The states of runs after an act, out of the answer of the statement ``acted``."""
    return {run_id: Acted(status, bool(changed)) for run_id, status, changed in rows}
