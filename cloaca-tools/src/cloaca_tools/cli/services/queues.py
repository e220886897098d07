"""``cloaca queues``: the runs that wait in each queue, and the runners that serve it."""

from __future__ import annotations

import click

from cloaca_tools.cli.columns import number, when
from cloaca_tools.cli.output import Column, Output, note, output_options
from cloaca_tools.cli.where import Where, database_options, pass_where


@click.group("queues")
def command() -> None:
    """List the queues of a database."""


@command.command("list")
@database_options
@output_options
@pass_where
def list_(where: Where, out: Output) -> None:
    """List the queues that have runs or that a living runner names.

    WAITING counts the runs that may be claimed, RUNNING those that runners have claimed from the
    queue; OLDEST is since when the first of those that wait may be claimed.
    """
    with where.observing() as observer:
        found = observer.queues().wait()
    rows = [each.to_dict() for each in found]
    out.listing("queues", rows, _COLUMNS, empty="No queue has a run.")
    for each in found:
        if each.is_unserved:
            note(f"No living runner serves queue {each.name}: cloaca worker --queues {each.name}")


_COLUMNS = (
    Column("QUEUE", lambda row: row["name"]),
    number("waiting"),
    number("running"),
    when("OLDEST", "oldest"),
    Column("RUNNERS", lambda row: ", ".join(row["runners"]), gives_way=True),
)
