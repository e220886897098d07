"""``cloaca db``: the database itself."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import chain, count
from typing import TYPE_CHECKING

import click

from cloaca_core.errors import RunsInFlightError
from cloaca_core.values.namespace import short_name
from cloaca_core.values.wording import counted
from cloaca_tools.cli import exits
from cloaca_tools.cli.arguments import DURATION, by_option
from cloaca_tools.cli.columns import counts_text
from cloaca_tools.cli.completion import WORKFLOWS
from cloaca_tools.cli.failures import Failure
from cloaca_tools.cli.output import Column, Output, note, output_options, plain
from cloaca_tools.cli.runs.steer_runs import SHOWN, confirm
from cloaca_tools.cli.where import Where, database_options, opening, pass_where

if TYPE_CHECKING:
    from cloaca_core.features.upkeep.results import PruneResult
    from cloaca_tools.transfer.copy import CopyProgress
    from cloaca_tools.transfer.import_0x import ImportReport
    from cloaca_tools.transfer.status import DatabaseStatus


@click.group("db")
def command() -> None:
    """Look at the database itself; upgrade, check, query, copy, back up and prune it."""


@command.command()
@database_options
@output_options
@pass_where
def status(where: Where, out: Output) -> None:
    """Show versions, schema, size and numbers of runs, also of a database of another version."""
    found = _status(where)
    out.one("database", found.to_dict(), lambda: _facts(found))


def _status(where: Where) -> DatabaseStatus:
    from cloaca_tools.transfer.status import database_status

    url, schema = where.url(), where.schema_name()
    with opening():
        return database_status(url, schema=schema)


def _facts(found: DatabaseStatus) -> Iterator[str]:
    facts = {
        "backend": found.backend,
        **found.versions,
        "schema": f"{found.schema} of {found.known}",
        "size": _size(found.size),
        "runs": counts_text(found.runs) or "none",
        "runners": ", ".join(found.runners) or "none",
    }
    for name, value in facts.items():
        yield f"{name:11}{value}"
    for each in found.pending:
        yield f"{'pending':11}{each.number} {each.name}"
    if found.refusal is not None:
        yield f"{'refused':11}{found.refusal}"


def _size(count: int) -> str:
    units = ("bytes", "KiB", "MiB", "GiB", "TiB")
    size = float(count)
    for unit in units:
        if size < 1024 or unit == units[-1]:
            return f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:,.1f} {unit}"
        size /= 1024
    raise AssertionError("the last unit takes any size")


@command.command()
@click.option("--dump-sql", is_flag=True, help="Only write the statements that it would execute.")
@click.option("--allow-runners", is_flag=True, help="Upgrade also if runners are alive.")
@database_options
@output_options
@pass_where
def upgrade(where: Where, out: Output, dump_sql: bool, allow_runners: bool) -> None:
    """Bring the tables to this version, or make them.

    Stop runners of an earlier version before: tables are not changed while one is alive.
    """
    from cloaca_tools.transfer.status import upgrade_database

    if dump_sql:
        _dump(_status(where))
        return
    url, schema = where.url(), where.schema_name()
    with opening():
        done = upgrade_database(url, schema=schema, allow_runners=allow_runners)
    changed = f"{counted(len(done.applied), 'migration')} applied" if done.before else "tables made"
    out.one("upgrade", done.to_dict(), lambda: [f"{changed}; schema {done.schema}"])


def _dump(found: DatabaseStatus) -> None:
    """Write the statements of an upgrade; a note says why there are none."""
    click.echo(found.sql, nl=False)
    if found.refusal is not None:
        note(f"An upgrade would be refused: {found.refusal}")
    elif not found.pending:
        note(f"Nothing to do: the tables are of this version, schema {found.schema}.")


@command.command()
@click.argument("statement")
@click.option("--limit", type=click.IntRange(1, 100_000), default=1_000, show_default=True)
@click.option("--timeout", type=DURATION, default="30s", show_default=True)
@database_options
@output_options
@pass_where
def sql(where: Where, out: Output, statement: str, limit: int, timeout: float) -> None:
    """Execute a STATEMENT that reads, and write its rows; - reads it from stdin.

    The database is opened to be looked at: nothing can be written. Tables and columns may change
    with each version of cloaca.
    """
    from cloaca_tools.transfer.query import query_database

    text = sys.stdin.read() if statement == "-" else statement
    url, schema = where.url(), where.schema_name()
    found = query_database(url, text, schema=schema, limit=limit, timeout=timeout)
    names = _apart(found.columns)
    rows = [dict(zip(names, row, strict=True)) for row in found.rows]
    out.listing("rows", rows, [_cell(name) for name in names], empty="No rows.")
    if found.more:
        note(f"There are more: --limit {limit * 10}")


def _apart(names: Sequence[str]) -> list[str]:
    """The names of columns, with a number where several have one."""
    found: list[str] = []
    for name in names:
        candidates = chain([name], (f"{name}_{number}" for number in count(2)))
        found.append(next(each for each in candidates if each not in found))
    return found


def _cell(name: str) -> Column:
    return Column(name, lambda row: plain(row[name]), gives_way=True)


@command.command()
@database_options
@output_options
@pass_where
@click.pass_context
def check(ctx: click.Context, where: Where, out: Output) -> None:
    """Find what is damaged: tables, indexes, pages, rows without a run. Reads all of it.

    Exits with 8 if something is.
    """
    from cloaca_tools.doctor.diagnosis import check as checked

    url, schema = where.url(), where.schema_name()
    with opening():
        found = checked(url, schema=schema)
    form = {"sound": not found, "findings": [each.to_dict() for each in found]}
    lines = [line for each in found for line in (each.text, f"  → {each.cure}")]
    out.one("check", form, lambda: lines or ["The database is sound."])
    ctx.exit(exits.FOUND if found else exits.OK)


@command.command()
@click.argument("file")
@database_options
@output_options
@pass_where
def backup(where: Where, out: Output, file: str) -> None:
    """Write a SQLite database as of this moment into a new FILE, and check that; runners go on."""
    from cloaca_tools.transfer.backup import back_up

    url = where.url()
    with opening(must_be_there=True):
        done = back_up(url, file)
    form = {"path": done.path, "size": done.size}
    out.one("backup", form, lambda: [f"{done.path}: {_size(done.size)}"])


@command.command()
@click.argument("source")
@click.argument("target")
@click.option("--paused", is_flag=True, help="Pause workflows whose runs have not ended.")
@click.option("--yes", is_flag=True, help="Do not ask before workflows are paused.")
@click.option("--allow-runners", is_flag=True, help="Copy also if runners of SOURCE are alive.")
@click.option("--source-schema", metavar="NAME", help="The schema of the source on PostgreSQL.")
@click.option("--target-schema", metavar="NAME", help="The schema of the target on PostgreSQL.")
@output_options
def copy(
    out: Output,
    source: str,
    target: str,
    paused: bool,
    yes: bool,
    allow_runners: bool,
    source_schema: str | None,
    target_schema: str | None,
) -> None:
    """Copy the database SOURCE into TARGET, which is empty or the beginning of this copy.

    Both are URLs. Stop the runners of both before: those that are alive are refused. A copy that
    was broken off goes on when it is called again; in the end both are compared row by row. Runs
    that have not ended are refused, unless --paused, which asks before it pauses; workflows that
    are paused until an instant are refused also then. Enabled schedules fire in both databases,
    unless --paused.
    """
    from cloaca_tools.transfer.copy import copy_database, workflows_to_pause

    if paused and not yes:
        with opening(must_be_there=True):
            _ask_to_pause(workflows_to_pause(source, schema=source_schema))
    try:
        with opening(must_be_there=True):
            done = copy_database(
                source,
                target,
                paused=paused,
                allow_runners=allow_runners,
                source_schema=source_schema,
                target_schema=target_schema,
                progress=_Progress(),
            )
    except RunsInFlightError as error:
        if paused:
            raise
        raise Failure(_in_flight(error.runs)) from error
    if done.schedules:
        note(_firing(done.schedules))
    held = f"; paused in both: {', '.join(done.paused)}" if done.paused else ""
    out.one("copy", done.to_dict(), lambda: [f"{counted(done.rows, 'row')} are the same{held}"])


def _ask_to_pause(workflows: Sequence[str]) -> None:
    """Ask before workflows stand still that go on now. Exits as declined otherwise."""
    if workflows:
        more = f" and {len(workflows) - SHOWN:,} more" if len(workflows) > SHOWN else ""
        named = f"{', '.join(map(short_name, workflows[:SHOWN]))}{more}"
        confirm(f"Pause {named} in both databases, until they are resumed?", yes=False)


def _firing(schedules: Sequence[str]) -> str:
    """A warning about schedules that are enabled in both databases."""
    are, them = ("is", "it") if len(schedules) == 1 else ("are", "them")
    more = f" and {len(schedules) - SHOWN:,} more" if len(schedules) > SHOWN else ""
    return (
        f"{counted(len(schedules), 'schedule')} {are} enabled in BOTH databases, and each database "
        f"that has a runner fires {them}: {', '.join(schedules[:SHOWN])}{more}. Disable {them} in "
        "one of the two: cloaca schedules disable"
    )


def _in_flight(runs: int) -> str:
    """The refusal of a copy, with the option in the words of the command line."""
    have, them = ("has", "it") if runs == 1 else ("have", "them")
    return (
        f"{counted(runs, 'run')} of the source {have} not ended: let {them} end, or say --paused, "
        "which pauses their workflows in both databases"
    )


class _Progress:
    """Notes each table that is begun, once."""

    def __init__(self) -> None:
        self._told: tuple[str, str] | None = None

    def __call__(self, progress: CopyProgress) -> None:
        now = (progress.phase, progress.table)
        if now != self._told:
            self._told = now
            note(f"{progress.phase}  {progress.table}")


@command.command("import-0x")
@click.argument("source")
@click.option("--yes", is_flag=True, help="Do it: without, it is a dry run.")
@click.option("--source-schema", metavar="NAME", help="The schema of the source on PostgreSQL.")
@database_options
@output_options
@pass_where
def import_0x(where: Where, out: Output, source: str, yes: bool, source_schema: str | None) -> None:
    """Take over history, schedules and unfinished runs of a database of cloaca 0.2 or 0.12.

    SOURCE is its URL; it is only read. Stop its programs before. Without --yes nothing is written.
    Called again it takes over what is missing: also runs that have been pruned here since, which
    run again if they had not ended there.
    """
    from cloaca_tools.transfer.import_0x import import_0x as imported

    url, schema = where.url(), where.schema_name()
    with opening(must_be_there=True):
        done = imported(
            source, url, dry_run=not yes, source_schema=source_schema, target_schema=schema
        )
    out.one("import", done.to_dict(), lambda: _imported(done))


def _imported(done: ImportReport) -> Iterator[str]:
    verb = "would be taken over" if done.dry_run else "taken over"
    schedules = counted(done.schedules, "schedule")
    yield f"of cloaca {done.release}: {counts_text(done.runs) or 'no runs'}, {schedules} {verb}"
    if done.known:
        yield f"{done.known:,} were taken over before"
    for each in done.refused:
        yield f"refused: {each}"
    if done.dry_run:
        yield "Nothing was written: say --yes to do it."


@command.command()
@click.option("--before", metavar="INSTANT", help="Ended before: RFC 3339; no retention counts.")
@click.option(
    "--workflow", metavar="WORKFLOW", shell_complete=WORKFLOWS, help="Only runs of this workflow."
)
@click.option("--dry-run", is_flag=True, help="Only count.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@by_option
@database_options
@output_options
@pass_where
def prune(
    where: Where,
    out: Output,
    before: str | None,
    workflow: str | None,
    dry_run: bool,
    yes: bool,
    by: str | None,
) -> None:
    """Delete runs that ended before an instant, or as long ago as their retention says."""
    with where.client("ro" if dry_run else "rw") as client:
        found = client.prune(before=before, workflow_name=workflow, dry_run=True)
        if not dry_run and found.runs:
            confirm(f"Delete {counted(found.runs, 'run')} with all of their records?", yes=yes)
            found = client.prune(before=before, workflow_name=workflow, by=by)
    form = {"runs": found.runs, "rows": found.rows, "bytes": found.bytes}
    out.one("pruned", form, lambda: [_pruned(found, dry_run=dry_run)])


def _pruned(found: PruneResult, *, dry_run: bool) -> str:
    verb = "would be deleted" if dry_run else "deleted"
    freed = f", {_size(found.bytes)} freed" if found.bytes else ""
    return f"{counted(found.runs, 'run')} {verb} with {counted(found.rows, 'row')}{freed}"
