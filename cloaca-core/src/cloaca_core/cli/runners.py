"""``cloaca runners``: who executes runs."""

from __future__ import annotations

import click

from cloaca_core.cli.columns import number, when
from cloaca_core.cli.output import Column, Output, output_options
from cloaca_core.cli.where import Where, database_options, pass_where


@click.group("runners")
def command() -> None:
    """List the runners of a database."""


@command.command("list")
@database_options
@output_options
@pass_where
def list_(where: Where, out: Output) -> None:
    """List the runners that are registered, alive or gone, with the runs that they own."""
    with where.observing() as observer:
        rows = [each.to_dict() for each in observer.overview().wait().runners]
    out.listing("runners", rows, _COLUMNS, empty="No runner is there: start one, cloaca worker.")


_COLUMNS = (
    Column("RUNNER", lambda row: row["id"], gives_way=True),
    Column("STATE", lambda row: "alive" if row["alive"] else "gone"),
    number("runs"),
    number("pid"),
    when("STARTED", "started_at"),
)
