"""Commands that look at runs; they change nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from cloaca_core.values.queue_names import DEFAULT_QUEUE
from cloaca_core.values.wording import duration, first_line
from cloaca_tools.cli import exits
from cloaca_tools.cli.arguments import DURATION, CommandWithTerms
from cloaca_tools.cli.columns import fact_lines, moment, run_columns, tags_text, wait_text, when
from cloaca_tools.cli.completion import RUNS, TERMS
from cloaca_tools.cli.output import (
    Column,
    Output,
    json_text,
    note,
    output_options,
    terminal_width,
    write_file,
)
from cloaca_tools.cli.runs.leaving import leaving
from cloaca_tools.cli.where import Where, database_options, pass_where
from cloaca_tools.cli.words import clock
from cloaca_tools.views.lists.filters import listed, parse

if TYPE_CHECKING:
    from cloaca_tools.cli.output import Form
    from cloaca_tools.views import RunLine
    from cloaca_tools.views.run.shown_run import RanIn, ShownRun

LIMIT = 20
_OF_TREE = 1_000


@click.command("list", cls=CommandWithTerms)
@click.argument("terms", nargs=-1, metavar="[TERM]...", shell_complete=TERMS)
@click.option("--limit", type=click.IntRange(1, 10_000), default=LIMIT, show_default=True)
@click.option("--before", metavar="RUN", help="Only runs older than this one.", shell_complete=RUNS)
@click.option(
    "--group",
    type=click.Choice(["error"]),
    help="In place of runs: the failed ones by their errors, how many and since when.",
)
@database_options
@output_options
@pass_where
def list_(
    where: Where,
    out: Output,
    terms: tuple[str, ...],
    limit: int,
    before: str | None,
    group: str | None,
) -> None:
    """List runs, newest first; those that meet all TERMs.

    Without a TERM the list has the runs at the top, which no other run has begun: parent:any lists
    all runs, parent:RUN the children of one, and `cloaca runs tree RUN` all runs below it.
    """
    if group is not None:
        if before is not None:
            raise click.UsageError("--group takes the newest runs, and no --before")
        _list_groups(where, out, terms, limit)
        return
    with where.observing() as observer:
        page = observer.runs(listed(parse(*terms)), limit=limit, before=before).wait()
    rows = [run.to_dict() for run in page.runs]
    out.listing("runs", rows, run_columns(rows), following=page.next, empty="No such runs.")


def _list_groups(where: Where, out: Output, terms: tuple[str, ...], limit: int) -> None:
    with where.observing() as observer:
        found = observer.failures(*terms).wait()
    rows = [each.to_dict() for each in found.groups]
    out.listing("failures", rows, _GROUPS, limit=limit, empty="No such run has failed.")
    if not found.is_all and not out.as_json:
        note("There are more failed runs: narrow them down, as by ended-since:1d")


_GROUPS = (
    Column("RUNS", lambda row: str(row["runs"]), right=True),
    when("SINCE", "since"),
    when("LAST", "last"),
    Column("WORKFLOWS", lambda row: ", ".join(row["workflows"]), gives_way=True),
    Column("NEWEST", lambda row: row["newest"]),
    Column("ERROR", lambda row: row["error"], gives_way=True),
)


@click.command()
@click.argument("run", shell_complete=RUNS)
@click.option("--depth", type=click.IntRange(0, 20), default=3, show_default=True)
@database_options
@output_options
@pass_where
def show(where: Where, out: Output, run: str, depth: int) -> None:
    """Show a run with its tasks and the runs below it."""
    with where.observing() as observer:
        found = observer.show(run, depth=depth).wait()
    out.one("run", found.to_dict(), lambda: _shown(found))


def _shown(found: ShownRun) -> Iterator[str]:
    from cloaca_tools.cli.runs.lines import laid_out, tree_lines

    run = found.tree.run
    yield from header(run, found.submitted_by, found.ran_in)
    yield ""
    yield from laid_out(tree_lines(found.tree), terminal_width())
    if run.status not in ("Completed", "Cancelled"):
        yield ""
        yield f"Why it is so: cloaca runs explain {run.id}"


def header(run: RunLine, submitted_by: str | None, ran: Sequence[RanIn] = ()) -> list[str]:
    """The facts of a run, a line each; those that it has not are left out."""
    return fact_lines(
        {
            "run": run.id,
            "workflow": f"{run.workflow} {run.version}".rstrip(),
            "ran by": _other_version(run),
            "ran in": ", ".join([_place(each) for each in ran]) or None,
            "status": f"{run.status}{f', round {run.round}' if run.round > 1 else ''}",
            "runner": "is gone; another one takes the run over" if run.runner_gone else None,
            "reason": run.reason,
            "waits": None if run.waits_for is None else wait_text(_wait_form(run)),
            "error": first_line(run.error_message),
            "created": moment(run.created_at),
            "by": submitted_by,
            "started": run.started_at,
            "ended": run.ended_at,
            "took": duration(run.seconds),
            "due": run.due_at,
            "priority": str(run.priority) if run.priority else None,
            "singleton": run.singleton,
            "queue": run.queue if run.queue != DEFAULT_QUEUE else None,
            "tags": tags_text(run.tags),
            "parent": run.parent_id,
            "follows": run.follows,
            "forked from": run.forked_from,
            "schedule": run.schedule_id,
        }
    )


def _other_version(run: RunLine) -> str | None:
    """The version that the run ran by, if it was submitted with another version."""
    return None if run.ran_version in (None, run.version) else f"version {run.ran_version}"


def _place(ran: RanIn) -> str:
    return f"process {ran.process} on {ran.host} (runner {ran.runner})"


def _wait_form(run: RunLine) -> Form:
    form: Form = run.to_dict()["waits_for"]
    return form


@click.command()
@click.argument("run", shell_complete=RUNS)
@click.option("--limit", type=click.IntRange(1, 100_000), default=_OF_TREE, show_default=True)
@database_options
@output_options
@pass_where
def tree(where: Where, out: Output, run: str, limit: int) -> None:
    """Draw the runs below a run, each under the run that has begun it.

    Each has the task that has begun it, and the number of the item, iteration or call. It is the
    nearest runs that are shown, at most --limit, and the others are counted.
    """
    from cloaca_tools.cli.runs.lines import branch_lines, laid_out
    from cloaca_tools.observer import Observer

    with where.looking() as client:
        run_id = Observer(client).resolve(run).wait()
        found = client.get_run(run_id).tree(limit=limit)
    out.one("tree", found.to_dict(), lambda: laid_out([*branch_lines(found)], terminal_width()))


@click.command()
@click.argument("run", shell_complete=RUNS)
@database_options
@output_options
@pass_where
def tail(where: Where, out: Output, run: str) -> None:
    """Write the events of a run, and each new one as it comes, until the run has ended.

    Ctrl-C ends the command, and the run goes on.
    """
    from cloaca_core.values.payloads.json_forms import json_form

    told = 0
    with where.observing() as observer:
        run_id = observer.resolve(run).wait()
        with leaving(run_id, "tail"):
            for _ in observer.watch(run_id, depth=0):
                events = observer.events(run_id).wait()
                for event in events[told:]:
                    out.event(json_form(event), _event_line(json_form(event)))
                told = len(events)


def _event_line(event: Form) -> str:
    task = event["task_id"] or ""
    attempt = f" (attempt {event['attempt']})" if (event["attempt"] or 0) > 1 else ""
    words = (clock(event["at"]), event["kind"], f"{task}{attempt}", first_line(event["detail"]))
    return "  ".join([each for each in words if each])


@click.command()
@click.argument("run", shell_complete=RUNS)
@click.option("--task", metavar="TASK", help="Only those of this task.")
@database_options
@output_options
@pass_where
def attempts(where: Where, out: Output, run: str, task: str | None) -> None:
    """List the attempts of a run's tasks, those of earlier rounds as well."""
    from cloaca_core.values.payloads.json_forms import json_form

    with where.observing() as observer:
        found = observer.attempts(run).wait()
    rows = [json_form(each) for each in found if task in (None, each.task_id)]
    out.listing("attempts", rows, _ATTEMPTS, empty="No attempts.")


def _process(attempt: Form) -> str:
    """The process of the runner that ran an attempt, and its host."""
    return "" if attempt["host"] is None else f"{attempt['process']}@{attempt['host']}"


_ATTEMPTS = (
    Column("TASK", lambda row: row["task_id"], gives_way=True),
    Column("ATTEMPT", lambda row: str(row["attempt"]), right=True),
    Column("ROUND", lambda row: str(row["round"]), right=True),
    Column("STATUS", lambda row: row["status"], is_status=True),
    when("STARTED", "started_at"),
    when("ENDED", "ended_at"),
    Column("PROCESS", lambda row: _process(row), gives_way=True),
    Column("ABOUT", lambda row: first_line(row["error"] or row["skip_reason"]), gives_way=True),
)


@click.command()
@click.argument("run", shell_complete=RUNS)
@database_options
@output_options
@pass_where
def graph(where: Where, out: Output, run: str) -> None:
    """Draw a run's tasks as a Mermaid flowchart, with their states."""
    with where.observing() as observer:
        found = observer.graph(run).wait()
    out.one("graph", found.to_dict(), lambda: [found.mermaid()])


@click.command()
@click.argument("run", shell_complete=RUNS)
@database_options
@output_options
@pass_where
def explain(where: Where, out: Output, run: str) -> None:
    """Say why a run and its tasks are as they are, who may execute it and why no runner does."""
    from cloaca_core.values.payloads.json_forms import json_form

    with where.observing() as observer:
        found = observer.explain(run).wait()
    out.one("explanation", json_form(found), lambda: [str(found)])


@click.command()
@click.argument("run", shell_complete=RUNS)
@click.option("-o", "--output", metavar="FILE", default="-", help="A file; stdout if not given.")
@click.option("--mask", multiple=True, metavar="KEY", help="Hide its values; * hides all values.")
@database_options
@pass_where
def export(where: Where, run: str, output: str, mask: tuple[str, ...]) -> None:
    """Write a run as a JSON file: input, results, memos, messages and error.

    `harness.load(FILE)` of the test kit calls its failed task with exactly that.
    """
    from cloaca_tools.observer import Observer
    from cloaca_tools.transfer.case import export_case

    with where.looking() as client:
        run_id = Observer(client).resolve(run).wait()
        found = export_case(client, run_id, mask=mask)
    text = json_text(found, 2)
    if output == "-":
        click.echo(text)
    else:
        write_file(output, f"{text}\n")
        note(f"{output}: {_use(output, found)}")


def _use(file: str, case: Form) -> str:
    """The use of the file of a run, in words."""
    failed = [name for name, task in case["tasks"].items() if task["status"] == "Failed"]
    if failed:
        return f"harness.load({file!r}) in a test calls its failed task again."
    return "no task of this run has failed."


@click.command()
@click.argument("run", shell_complete=RUNS)
@click.option("--timeout", type=DURATION, help="Wait at most so long; then exit 7.")
@database_options
@output_options
@pass_where
@click.pass_context
def wait(ctx: click.Context, where: Where, out: Output, run: str, timeout: float | None) -> None:
    """Wait for the end of a run; the exit code says how it ended.

    Ctrl-C ends the wait, and the run goes on.
    """
    from cloaca_tools.observer import Observer

    with where.looking() as client:
        observer = Observer(client)
        run_id = observer.resolve(run).wait()
        with leaving(run_id, "wait"):
            client.get_run(run_id).wait(timeout)
        line = observer.run(run_id).wait()
    out.one("run", line.to_dict(), lambda: [ended_line(line)])
    ctx.exit(exits.of_status(line.status))


def ended_line(run: RunLine) -> str:
    """How a run has ended, in one line."""
    took = "" if run.seconds is None else f" after {duration(run.seconds)}"
    why = f": {first_line(run.error_message)}" if run.error_message else ""
    return f"{run.workflow_name} {run.id} {run.status}{took}{why}"
