"""``cloaca actions``: who has asked what."""

from __future__ import annotations

import click

from cloaca_core.features.steering.records import ACT_KINDS
from cloaca_tools.cli.columns import when
from cloaca_tools.cli.completion import RUNS
from cloaca_tools.cli.output import Column, Output, output_options
from cloaca_tools.cli.where import Where, database_options, pass_where


@click.group("actions")
def command() -> None:
    """List who has asked what of runs, workflows, schedules, triggers and runners."""


@command.command("list")
@click.option("--by", metavar="NAME", help="Only what NAME has asked.")
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice(ACT_KINDS),
    metavar="ACT",
    help=f"Only these acts, of {', '.join(ACT_KINDS)}; may be repeated.",
)
@click.option("--run", metavar="RUN", help="Only what was asked of RUN.", shell_complete=RUNS)
@click.option("--before", metavar="MARK", help="Only older ones; a list that is cut says its MARK.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@database_options
@output_options
@pass_where
def list_(
    where: Where,
    out: Output,
    by: str | None,
    kinds: tuple[str, ...],
    run: str | None,
    before: str | None,
    limit: int,
) -> None:
    """List the acts, newest first. REASON names the schedule, the trigger or the runner."""
    from cloaca_core.values.payloads.json_forms import json_form

    with where.observing() as observer:
        acts = observer.actions(
            limit=limit + 1, by=by, kinds=kinds or None, before=before, run=run
        ).wait()
    more = acts[limit - 1].mark if len(acts) > limit else None
    rows = [json_form(each) for each in acts[:limit]]
    out.listing("actions", rows, _COLUMNS, following=more, empty="No actions.")


_COLUMNS = (
    when("AT", "at"),
    Column("ACT", lambda row: row["kind"]),
    Column("RUN", lambda row: row["run_id"] or "", gives_way=True),
    Column("WORKFLOW", lambda row: row["workflow_name"], gives_way=True),
    Column("BY", lambda row: row["by"], gives_way=True),
    Column("", lambda row: "" if row["changed"] else "as it was"),
    Column("REASON", lambda row: row["reason"] or "", gives_way=True),
)
