"""Judges a database by facts that were read before. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from cloaca_core.features.transfer.examination import SEVERITIES, Finding
from cloaca_core.store.schema_state import SchemaState
from cloaca_core.values.namespace import short_name
from cloaca_core.values.times.instants import instant_text, nearest_shown
from cloaca_core.values.wording import first_line, slot_wait
from cloaca_tools.doctor.facts import LEAVING_LONG, OVERDUE, Late, Work
from cloaca_tools.shell import command

MOST_APART: Final = 2_000_000
"""µs by which the clock of this computer may differ from the database's."""
PRUNE_LATE: Final = 2 * 24 * 3600 * 1_000_000
"""µs. A prune is due every hour; one that is late by so much does not happen."""
_SHOWN: Final = 3
"""So many runs are named in a text."""


def worst_first(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The findings by severity, and within a severity in the order in which they were found."""
    return tuple(sorted(findings, key=lambda each: SEVERITIES.index(each.severity)))


def of_schema(schema: SchemaState) -> list[Finding]:
    """Findings about the tables."""
    return [*_of_version(schema), *_of_missing(schema)]


def of_work(work: Work) -> list[Finding]:
    """Findings about runs, runners, schedules, triggers and upkeep."""
    return [
        *_of_runners(work),
        *_of_backlogs(work),
        *_of_unserved(work),
        *_of_late(work),
        *_of_pauses(work),
        *_of_limits(work),
        *_of_upkeep(work),
        *_of_clock(work),
    ]


def of_strays(strays: Mapping[str, int]) -> list[Finding]:
    """Findings about rows, by table, whose run is not there."""
    return [
        Finding(
            "stray_rows",
            "warning",
            f"{number} row{_s(number)} of {table} have no run any more",
            "they do no harm; if no rows were deleted by hand, please report it",
        )
        for table, number in strays.items()
        if number
    ]


# -- tables --------------------------------------------------------------------------------------


def _of_version(schema: SchemaState) -> Iterator[Finding]:
    if schema.refusal is not None:
        yield Finding(
            "schema_unknown",
            "error",
            schema.refusal,
            "install the version of cloaca that the other programs of this database have",
        )
    elif schema.pending:
        text = (
            f"the tables are of schema {schema.applied}, this version needs {schema.known}"
            if schema.applied
            else "there are no tables of cloaca yet"
        )
        yield Finding("schema_older", "error", text, "cloaca db upgrade, or open it with a runner")


def _of_missing(schema: SchemaState) -> Iterator[Finding]:
    for table in schema.missing_tables:
        yield Finding(
            "missing_table",
            "error",
            f"the table {table} is not there, though the migration that makes it was applied",
            "restore a backup",
        )
    for index in schema.missing_indexes:
        yield Finding(
            "missing_index",
            "error",
            f"the index {index} is not there: what it is for reads the whole table",
            "make it again, by its line in migrations/head.sql of the backend's package",
        )


# -- runners and work ----------------------------------------------------------------------------


def _of_runners(work: Work) -> Iterator[Finding]:
    for owner, owned in work.ownerless.items():
        yield Finding(
            "owner_missing",
            "error",
            f"{owned} run{_s(owned)} belong to runner {owner}, which is not registered",
            "retry or cancel them; rows were changed by hand, or a restore was incomplete",
        )
    for each in work.runners:
        if not each.owned and not each.is_alive:
            continue  # it is gone, and there is nothing to take over
        if each.process_ended or each.fenced:
            yield Finding(
                "runner_ended",
                "warning",
                f"the process of runner {each.id} has ended; {each.owned} of its runs are left",
                "start a runner on this database: it takes them over",
            )
        elif each.lease_over:
            yield Finding(
                "lease_over",
                "warning",
                f"runner {each.id} has not renewed its lease, and owns {each.owned} runs",
                "see whether its process hangs or was suspended; any other runner takes them over",
            )
        elif each.draining_since is not None and each.draining_since + LEAVING_LONG < work.now:
            yield Finding(
                "draining_long",
                "warning",
                f"runner {each.id} was asked to leave at {_at(each.draining_since)}, and has not",
                "see which bodies it waits for; a second signal to its process ends it at once",
            )


def _of_backlogs(work: Work) -> Iterator[Finding]:
    alive = [each for each in work.runners if each.is_alive]
    for each in alive:
        idle = [other.id for other in alive if other.asks and other is not each]
        if each.backlog and idle:
            yield Finding(
                "runs_beside_idle",
                "notice",
                slot_wait(each.id, each.backlog, idle),
                "the idle runner is given some within seconds; if this lasts, see whether it has "
                "their tasks and executors: cloaca runs explain",
            )


def _of_unserved(work: Work) -> Iterator[Finding]:
    alive = any(each.is_alive for each in work.runners)
    for row in work.waiting:
        # Without a runner nothing will change soon: a run that waits is a finding at once.
        patience = OVERDUE if alive or row.kind == "schedule" else 0
        if row.due_at + patience >= work.now:
            continue
        workflow = short_name(row.workflow)
        count = f"{row.found} run{_s(row.found)} of {workflow}"
        if row.kind == "run":
            yield Finding(
                "runs_unserved",
                "warning",
                f"{count} wait{_verb_s(row.found)} for a runner since {_at(row.due_at)}"
                f"{'' if alive else ', and none is alive'}",
                f"start a runner whose program has the workflow {workflow!r}",
            )
        elif row.kind == "schedule":
            yield Finding(
                "schedule_late",
                "warning",
                f"{row.found} schedule{_s(row.found)} of {workflow} should have fired at "
                f"{_at(row.due_at)}",
                f"start a runner whose program has the workflow {workflow!r}",
            )
        else:
            yield Finding(
                "tasks_unserved",
                "warning",
                f"{count} need{_verb_s(row.found)} tasks, or a version, that no runner has",
                "start a runner with the program that has them, or cancel the runs",
            )
    for each in work.unserved_queues:
        yield Finding(
            "queue_unserved",
            "warning",
            f"{each.waiting} run{_s(each.waiting)} wait{_verb_s(each.waiting)} in queue "
            f"{each.name!r} since {_at(each.since)}, which no living runner serves",
            f"start a runner that serves it: cloaca worker --queues {each.name}",
        )
    for name in work.late_triggers:
        yield Finding(
            "trigger_late",
            "warning",
            f"the trigger {name!r} has not been polled when it should have been",
            "start a runner whose program declares it, or disable it",
        )
    for failing in work.failing_triggers:
        yield Finding(
            "trigger_failing",
            "warning",
            f"the trigger {failing.name!r} has failed in {failing.failed_polls} poll"
            f"{_s(failing.failed_polls)} in a row: {first_line(failing.last_error)}",
            "correct its function or what it reads; it starts nothing meanwhile",
        )


def _of_late(work: Work) -> Iterator[Finding]:
    if work.cancelling:
        yield Finding(
            "cancelling_long",
            "warning",
            f"{_runs(work.cancelling)} should have been Cancelled by {_first(work.cancelling)}",
            "start a runner on this database: it ends them",
        )
    if work.overdue:
        yield Finding(
            "waiting_overdue",
            "warning",
            f"{_runs(work.overdue)} should have gone on at {_first(work.overdue)}",
            "start a runner whose program has their workflows; cloaca runs explain says more",
        )
    if work.forgotten:
        yield Finding(
            "waiting_long",
            "notice",
            f"{_runs(work.forgotten)} wait{_verb_s(len(work.forgotten))} "
            f"since {_first(work.forgotten)}",
            "cloaca runs explain says for what; cancel runs that are not needed any more",
        )


def _of_pauses(work: Work) -> Iterator[Finding]:
    for workflow in work.paused_workflows:
        yield Finding(
            "workflow_paused",
            "notice",
            f"the workflow {short_name(workflow)} is paused: none of its runs begins",
            command(["workflows", "resume"], [short_name(workflow)]),
        )


def _of_limits(work: Work) -> Iterator[Finding]:
    for each in work.limits:
        waits = f"{each.waiting} wait{_verb_s(each.waiting)} for it"
        if each.is_stopped:
            by = f" by {each.changed_by}" if each.changed_by else ""
            yield Finding(
                "limit_stopped",
                "warning" if each.waiting else "notice",
                f"the limit {each.name} has a total of 0{by}: nothing that needs it begins"
                f"{f', {waits}' if each.waiting else ''}",
                command(["limits", "set"], [each.name]) + " --total, with a number",
            )
        elif each.since is not None:
            key = f" with the key {each.key}" if each.key else ""
            yield Finding(
                "limit_full_long",
                "warning",
                f"a place of limit {each.name}{key} is waited for since {_at(each.since)}; {waits}",
                command(["limits", "show"], [each.name]),
            )


# -- upkeep and clock ----------------------------------------------------------------------------


def _of_upkeep(work: Work) -> Iterator[Finding]:
    if work.upkeep.keeps_all:
        yield Finding(
            "retention_not_set",
            "notice",
            "an earlier version made this database: its runs are kept for ever",
            "set retention_days, or NO_LIMIT to say so",
        )
    elif work.has_runs and 0 < work.upkeep.due_at < work.now - PRUNE_LATE:
        yield Finding(
            "prune_late",
            "warning",
            f"no runner has pruned since {_at(work.upkeep.due_at)}: old runs pile up",
            "start a runner, or: cloaca db prune",
        )


def _of_clock(work: Work) -> Iterator[Finding]:
    apart = work.here - work.now
    if abs(apart) > MOST_APART:
        yield Finding(
            "clock_difference",
            "warning",
            f"the clock of this computer is {abs(apart) / 1e6:,.1f} s "
            f"{'ahead of' if apart > 0 else 'behind'} the database's",
            "let NTP set the clocks of both",
        )


# -- words ---------------------------------------------------------------------------------------


def _runs(late: Sequence[Late]) -> str:
    named = ", ".join(each.run_id for each in late[:_SHOWN])
    more = f" and {len(late) - _SHOWN} more" if len(late) > _SHOWN else ""
    return f"run{_s(len(late))} {named}{more}"


def _first(late: Sequence[Late]) -> str:
    return _at(min(each.since for each in late))


def _at(instant: int) -> str:
    return instant_text(nearest_shown(instant)) or ""


def _s(number: int) -> str:
    return "" if number == 1 else "s"


def _verb_s(number: int) -> str:
    return "s" if number == 1 else ""
