"""``cloaca workflows``: what can be run, and how it goes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from cloaca_core.values.wording import duration, first_line
from cloaca_tools.cli import exits
from cloaca_tools.cli.arguments import act_options
from cloaca_tools.cli.columns import counts_text, number
from cloaca_tools.cli.completion import WORKFLOWS
from cloaca_tools.cli.known_workflows import note_unrecorded
from cloaca_tools.cli.output import Column, Form, Output, note, output_options, table_lines
from cloaca_tools.cli.where import (
    BrokenProgram,
    Where,
    app_options,
    database_options,
    pass_where,
)
from cloaca_tools.cli.words import ago
from cloaca_tools.views.workflows.inputs import input_keys

if TYPE_CHECKING:
    from cloaca_core.definition.registry import Registry
    from cloaca_core.definition.workflow import Workflow
    from cloaca_tools.views import WorkflowStatistics


@click.group("workflows")
def command() -> None:
    """List, show, draw, check, pause and resume workflows.

    They are known from their runners, which record the definitions in the database.
    """


@command.command("list")
@database_options
@output_options
@pass_where
def list_(where: Where, out: Output) -> None:
    """List the workflows that runners have recorded, with their newest runs."""
    with where.observing() as observer:
        found = observer.workflows().wait()
    rows = [each.to_dict() for each in found]
    out.listing("workflows", rows, _COLUMNS, empty="No runner has recorded a workflow here.")


_COLUMNS = (
    Column("WORKFLOW", lambda row: row["workflow_name"], lambda row: row["workflow"], True),
    Column("TASKS", lambda row: str(row["tasks"]), right=True),
    Column("STATE", lambda row: _state(row)),
    Column("LAST RUN", lambda row: _last(row)),
    Column("RUNS", lambda row: counts_text(row["counts"]), gives_way=True),
)


def _state(row: Form) -> str:
    if not row["paused"]:
        return ""
    by = row["paused_by"]
    return "paused" if by is None else f"paused by {by}"


def _last(row: Form) -> str:
    run = row["last_run"]
    return "" if run is None else f"{run['status']} {ago(run['created_at'])}"


@command.command()
@click.argument("workflow", shell_complete=WORKFLOWS)
@click.option("--last", type=click.IntRange(1, 1000), default=50, show_default=True)
@database_options
@output_options
@pass_where
def show(where: Where, out: Output, workflow: str, last: int) -> None:
    """Show how the LAST runs of a workflow went: durations, failures, each task."""
    with where.observing() as observer:
        found = observer.statistics(workflow, last=last).wait()
    out.one("workflow", found.to_dict(), lambda: _shown(found))


def _shown(found: WorkflowStatistics) -> Iterator[str]:
    yield f"{found.workflow} {found.version}"
    if found.paused:
        yield f"paused    {_pause(found)}"
    yield f"runs      {counts_text(found.counts) or 'none'}"
    yield f"duration  p50 {duration(found.p50) or '-'}, p95 {duration(found.p95) or '-'}"
    if len(found.versions) > 1:
        yield f"versions  {', '.join(found.versions)}"
    if found.merges:
        yield f"merges    {', '.join(f'{key} by {rule}' for key, rule in found.merges.items())}"
    if keys := input_keys(found.input_schema):
        yield ""
        yield from table_lines([each._asdict() for each in keys], _INPUT, None)
    yield ""
    yield from table_lines([each.to_dict() for each in found.tasks], _TASKS, None)
    for task in found.tasks:
        if task.invokes is not None:
            yield f"{task.task} invokes the computation graph {task.invokes}"
        if task.transactional:
            yield f"{task.task} is transactional: its rows commit with its success"
    for run in found.failures:
        yield f"{run.id} failed {ago(run.ended_at)}: {first_line(run.error_message)}"


def _pause(found: WorkflowStatistics) -> str:
    """By whom, since when and why a workflow is paused, and until when."""
    by = f"by {found.paused_by} " if found.paused_by is not None else ""
    reason = f": {first_line(found.pause_reason)}" if found.pause_reason else ""
    return f"{by}since {found.paused_since}, until {found.paused_until or 'it is resumed'}{reason}"


_INPUT: Sequence[Column] = (
    Column("INPUT", lambda row: row["key"]),
    Column("TYPE", lambda row: row["wanted"]),
    Column("DEFAULT", lambda row: row["default"] or ("needed" if row["needed"] else "")),
)


_TASKS: Sequence[Column] = (
    Column("TASK", lambda row: row["task"]),
    *[number(name) for name in ("completed", "failed", "skipped", "attempts")],
    Column("P50", lambda row: duration(row["p50"]), right=True),
    Column("P95", lambda row: duration(row["p95"]), right=True),
)


@command.command()
@click.argument("workflow", shell_complete=WORKFLOWS)
@database_options
@output_options
@pass_where
def graph(where: Where, out: Output, workflow: str) -> None:
    """Draw a workflow as a Mermaid flowchart."""
    with where.observing() as observer:
        found = observer.workflow_graph(workflow).wait()
    out.one("graph", found.to_dict(), lambda: [found.mermaid()])


@command.command()
@app_options
@output_options
@pass_where
@click.pass_context
def check(ctx: click.Context, where: Where, out: Output) -> None:
    """Import the workflows of -A, which checks their definitions; opens no database.

    Warnings tell of tasks that may run although a task that they depend on failed, and of limits
    that are not defined here: a runner opens only if its database knows them.
    """
    try:
        registry = where.needed_registry()
    except BrokenProgram as error:
        note(error.message)
        ctx.exit(exits.FOUND)
    found = registry.workflows()
    warnings = {
        each.namespace: [*each.warnings(), *_undefined_limits(registry, each)] for each in found
    }
    rows = [
        {
            "workflow_name": each.name,
            "workflow": each.namespace,
            "tasks": len(each.tasks),
            "warnings": warnings[each.namespace],
        }
        for each in found
    ]
    out.listing("workflows", rows, _CHECKED, empty=f"{where.app_name()} defines no workflow.")
    for workflow, told in warnings.items():
        for each in told:
            note(f"warning: {workflow}: {each}")
    ctx.exit(exits.OK if rows else exits.FOUND)


def _undefined_limits(registry: Registry, workflow: Workflow) -> list[str]:
    from cloaca_core.definition.limits.known import unknown_limits

    unknown = unknown_limits([workflow], registry.limits())
    return [
        f"limit {each.name!r} of {', '.join(each.users)} is not defined in this program"
        for each in unknown
    ]


_CHECKED = (
    Column("WORKFLOW", lambda row: row["workflow"]),
    Column("TASKS", lambda row: str(row["tasks"]), right=True),
)


@command.command()
@click.argument("workflow", shell_complete=WORKFLOWS)
@click.option("--until", metavar="INSTANT", help="Go on by itself then: RFC 3339.")
@act_options
@database_options
@output_options
@pass_where
def pause(
    where: Where, out: Output, workflow: str, until: str | None, reason: str | None, by: str | None
) -> None:
    """Start no more runs of a workflow, in any process, until it is resumed."""
    from cloaca_core.features.steering.operations import PauseWorkflow

    with where.client("rw") as client:
        changed = client._do(PauseWorkflow(workflow, until, reason, by))
        note_unrecorded(client, workflow)
    _tell(out, workflow, "paused", changed)


@command.command()
@click.argument("workflow", shell_complete=WORKFLOWS)
@act_options
@database_options
@output_options
@pass_where
def resume(where: Where, out: Output, workflow: str, reason: str | None, by: str | None) -> None:
    """Let runs of a paused workflow start again."""
    from cloaca_core.features.steering.operations import ResumeWorkflow

    with where.client("rw") as client:
        changed = client._do(ResumeWorkflow(workflow, reason, by))
        note_unrecorded(client, workflow)
    _tell(out, workflow, "resumed", changed)


def _tell(out: Output, workflow: str, verb: str, changed: bool) -> None:
    form = {"workflow_name": workflow, "changed": changed}
    out.one("workflow", form, lambda: [f"{workflow}: {verb if changed else 'as it was'}"])
