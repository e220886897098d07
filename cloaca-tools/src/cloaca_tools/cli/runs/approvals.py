"""``cloaca approvals``: what waits for a person."""

from __future__ import annotations

import click

from cloaca_tools.cli.columns import when
from cloaca_tools.cli.completion import WORKFLOWS
from cloaca_tools.cli.output import Column, Output, output_options
from cloaca_tools.cli.where import Where, database_options, pass_where


@click.group("approvals")
def command() -> None:
    """List what waits for a person's decision; `cloaca runs approve` decides."""


@command.command("list")
@click.option(
    "--workflow", metavar="WORKFLOW", shell_complete=WORKFLOWS, help="Only those of this workflow."
)
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@database_options
@output_options
@pass_where
def list_(where: Where, out: Output, workflow: str | None, limit: int) -> None:
    """List the approvals that are open, the oldest first."""
    from cloaca_core.values.payloads.json_forms import json_form

    with where.looking() as client:
        found = client.waiting_for_people(workflow_name=workflow, limit=limit + 1)
    rows = [json_form(each) for each in found]
    out.listing("approvals", rows, _COLUMNS, limit=limit, empty="Nothing waits for a person.")


_COLUMNS = (
    Column("RUN", lambda row: row["run_id"]),
    Column("APPROVAL", lambda row: row["name"]),
    Column("WORKFLOW", lambda row: row["workflow_name"], gives_way=True),
    when("SINCE", "opened_at"),
    when("UNTIL", "expires_at"),
    Column("CHOICES", lambda row: "|".join(row["choices"])),
    Column("PROMPT", lambda row: row["prompt"], gives_way=True),
)
