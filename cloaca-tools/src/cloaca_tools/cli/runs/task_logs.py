"""``cloaca runs logs``: the lines that bodies of a run have logged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cloaca_tools.cli.arguments import item_of, item_options
from cloaca_tools.cli.completion import RUNS
from cloaca_tools.cli.output import Output, json_text, note, output_options
from cloaca_tools.cli.runs.leaving import leaving
from cloaca_tools.cli.where import Where, database_options, pass_where
from cloaca_tools.cli.words import clock

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cloaca_core.features.task_logs.views import LogLine
    from cloaca_tools.observer import Observer

PAGE = 10_000


@click.command("logs")
@click.argument("run", shell_complete=RUNS)
@click.option("-f", "--follow", is_flag=True, help="Go on with each new line, until the run ends.")
@click.option(
    "--task", metavar="TASK", help="Only lines of this task, or of an item, 'TASK[ITEM]'."
)
@item_options
@click.option("--attempt", type=click.IntRange(1), help="Only lines of this attempt.")
@click.option(
    "--level",
    type=click.Choice(["debug", "info", "warning", "error", "critical"], case_sensitive=False),
    help="Only lines of this level or above.",
)
@click.option("--find", metavar="TEXT", help="Only lines with TEXT in them, in any case.")
@click.option(
    "--after", type=click.IntRange(0), default=0, metavar="POSITION", help="Go on after this line."
)
@database_options
@output_options
@pass_where
def command(
    where: Where,
    out: Output,
    run: str,
    follow: bool,
    task: str | None,
    index: int | None,
    label: str | None,
    attempt: int | None,
    level: str | None,
    find: str | None,
    after: int,
) -> None:
    """Write what the bodies of a run have logged, in the order in which it was written.

    With --json each line is a document in a line of its own; its position is what --after takes.
    Ctrl-C ends --follow, and the run goes on.
    """
    from cloaca_core.values.payloads.json_forms import json_form
    from cloaca_tools.views.run.log_window import LogSearch

    item = item_of(task, index, label)
    wanted = LogSearch(level=level or "", text=find or "")
    with where.observing() as observer:
        run_id = observer.resolve(run).wait()
        with leaving(run_id, "logs -f"):
            lines: Iterable[LogLine]
            if follow:
                lines = observer.follow_logs(run_id, task, attempt=attempt, after=after, item=item)
            else:
                lines = _so_far(observer, run_id, task, attempt, after, item)
            is_empty = True
            for line in lines:
                if wanted.has(line, lambda line: line.message):
                    out.event(json_form(line), _shown(line))
                    is_empty = False
    if is_empty and not (out.as_json or out.fields):
        note("No lines.")


def _so_far(
    observer: Observer,
    run_id: str,
    task: str | None,
    attempt: int | None,
    after: int,
    item: int | str | None,
) -> Iterator[LogLine]:
    """All lines that there are by now, page by page."""

    def read(after: int) -> list[LogLine]:
        asked = observer.logs(run_id, task, attempt=attempt, after=after, limit=PAGE, item=item)
        return asked.wait()

    while page := read(after):
        yield from page
        after = page[-1].position


def _shown(line: LogLine) -> str:
    """A line for people; what a message has below its first line is indented."""
    task = line.task_id if line.item is None else f"{line.task_id}[{line.item}]"
    if line.attempt > 1:
        task = f"{task} (attempt {line.attempt})"
    message = "\n  ".join(line.message.splitlines())
    fields = json_text(line.fields) if line.fields else ""
    words = (clock(line.at), f"{line.level:7}", task, message, fields)
    missing = f"  … {line.dropped:,} not kept\n" if line.dropped else ""
    return missing + "  ".join([each for each in words if each])
