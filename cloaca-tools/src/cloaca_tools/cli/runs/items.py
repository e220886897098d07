"""``cloaca runs items``: the items of a map of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import click

from cloaca_core.values.option_names import TaskStatus
from cloaca_core.values.wording import duration, first_line
from cloaca_tools.cli.columns import counts_text, when
from cloaca_tools.cli.completion import RUNS
from cloaca_tools.cli.output import Column, Output, json_text, note, output_options
from cloaca_tools.cli.where import Where, database_options, pass_where

if TYPE_CHECKING:
    from cloaca_tools.cli.output import Form


@click.command("items")
@click.argument("run", shell_complete=RUNS)
@click.argument("task")
@click.option(
    "--status",
    type=click.Choice(get_args(TaskStatus), case_sensitive=False),
    help="Only items in this state.",
)
@click.option("--after", type=click.IntRange(0), metavar="INDEX", help="Go on after this item.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@database_options
@output_options
@pass_where
def command(
    where: Where,
    out: Output,
    run: str,
    task: str,
    status: str | None,
    after: int | None,
    limit: int,
) -> None:
    """List the items of TASK, which is a map, in their order, with results and errors."""
    with where.observing() as observer:
        found = observer.items(run, task, status=status, after=after, limit=limit).wait()
    rows = [item.to_dict() for item in found.items]
    if not (out.as_json or out.fields):
        note(f"{task}: {found.total:,} items: {counts_text(found.counts) or 'none'}")
    following = None if found.next is None else str(found.next)
    out.listing("items", rows, _ITEMS, following=following, go_on="--after", empty="No such items.")


def _about(row: Form) -> str:
    if row["error"] is not None:
        return first_line(row["error"])
    return json_text(row["result"]) if row["status"] == "Completed" else ""


_ITEMS = (
    Column("INDEX", lambda row: str(row["index"]), right=True),
    Column("LABEL", lambda row: str(row["label"]), gives_way=True),
    Column("STATUS", lambda row: row["status"], is_status=True),
    Column("ATTEMPTS", lambda row: str(row["attempts"] or ""), right=True),
    when("STARTED", "started_at"),
    Column("TOOK", lambda row: duration(row["seconds"]), right=True),
    Column("RESULT OR ERROR", _about, gives_way=True),
)
