"""``cloaca stats``: numbers over all workflows."""

from __future__ import annotations

import click

from cloaca_core.values.wording import counted, duration
from cloaca_tools.cli.arguments import CommandWithTerms
from cloaca_tools.cli.columns import number
from cloaca_tools.cli.completion import TERMS
from cloaca_tools.cli.output import Column, Output, note, output_options
from cloaca_tools.cli.where import Where, database_options, pass_where


@click.group("stats")
def command() -> None:
    """Count and measure over all workflows; `cloaca workflows show` does for one."""


@command.command(cls=CommandWithTerms)
@click.argument("terms", nargs=-1, metavar="[TERM]...", shell_complete=TERMS)
@click.option(
    "--since", default="1d", show_default=True, help="Only runs made since then: 2h, 1d, a date."
)
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True)
@database_options
@output_options
@pass_where
def tasks(where: Where, out: Output, terms: tuple[str, ...], since: str, limit: int) -> None:
    """Name the slowest tasks of the newest 2,000 runs that meet all TERMs, by their p95.

    Tasks without a body are left out; a wait in a body counts.
    """
    with where.observing() as observer:
        found = observer.slowest_tasks(f"since:{since}", *terms).wait()
    rows = [each.to_dict() for each in found.tasks]
    out.listing("tasks", rows, _COLUMNS, limit=limit, empty="No task has completed since then.")
    if not found.is_all and not out.as_json:
        note(f"There are more runs than the {counted(found.runs, 'run')} that were looked at.")


_COLUMNS = (
    Column("TASK", lambda row: row["task_id"]),
    Column("WORKFLOW", lambda row: row["workflow_name"], gives_way=True),
    number("completed"),
    Column("P50", lambda row: duration(row["p50"]), right=True),
    Column("P95", lambda row: duration(row["p95"]), right=True),
    Column("LONGEST", lambda row: duration(row["longest"]), right=True),
    Column("RUN", lambda row: row["run_id"]),
)
