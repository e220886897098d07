"""``cloaca db``: the database itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from cloaca_core.cli import exits
from cloaca_core.cli.doctor import diagnosed
from cloaca_core.cli.output import Output, note, output_options
from cloaca_core.cli.steer_runs import confirm
from cloaca_core.cli.where import Where, database_options, pass_where
from cloaca_core.cli.words import counted

if TYPE_CHECKING:
    from cloaca_core.doctor.diagnosis import Diagnosis
    from cloaca_core.runner.results import PruneResult


@click.group("db")
def command() -> None:
    """Look at the database itself, upgrade and prune it."""


@command.command()
@database_options
@output_options
@pass_where
def status(where: Where, out: Output) -> None:
    """Show the versions of server and driver, the schema and the size; changes nothing."""
    found = diagnosed(where)
    form = {name: value for name, value in found.to_dict().items() if name != "findings"}
    out.one("database", form, lambda: _facts(found))


def _facts(found: Diagnosis) -> Iterator[str]:
    yield f"backend  {found.backend}"
    for name, version in found.versions.items():
        yield f"{name:8} {version}"
    yield f"schema   {found.schema}"
    yield f"size     {_size(found.size)}"


def _size(count: int) -> str:
    units = ("bytes", "KiB", "MiB", "GiB", "TiB")
    size = float(count)
    for unit in units:
        if size < 1024 or unit == units[-1]:
            return f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:,.1f} {unit}"
        size /= 1024
    raise AssertionError("the last unit takes any size")


@command.command()
@database_options
@pass_where
def upgrade(where: Where) -> None:
    """Bring the tables to this version, or make them; safe while runners of this version work."""
    with where.client("rwc"):
        pass
    note("The database is of this version.")


@command.command()
@click.option("--deep", is_flag=True, help="Read all pages and indexes, too: may take minutes.")
@database_options
@output_options
@pass_where
@click.pass_context
def check(ctx: click.Context, where: Where, out: Output, deep: bool) -> None:
    """Exit with 8 if the database is not of this version, or damaged (--deep); changes nothing."""
    found = diagnosed(where, deep=deep)
    errors = [each for each in found.findings if each.severity == "error"]
    form = {"sound": not errors, "findings": [each.to_dict() for each in errors]}
    lines = [line for each in errors for line in (each.text, f"  → {each.cure}")]
    out.one("check", form, lambda: lines or ["The database is sound."])
    ctx.exit(exits.FOUND if errors else exits.OK)


@command.command()
@click.option("--before", metavar="INSTANT", help="Ended before: RFC 3339; no retention counts.")
@click.option("--workflow", metavar="WORKFLOW", help="Only runs of this workflow.")
@click.option("--dry-run", is_flag=True, help="Only count.")
@click.option("--yes", is_flag=True, help="Do not ask.")
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
) -> None:
    """Delete runs that ended before an instant, or as long ago as their retention says."""
    with where.client("rw") as client:
        found = client.prune(before=before, workflow_name=workflow, dry_run=True)
        if not dry_run and found.runs:
            confirm(f"Delete {counted(found.runs, 'run')} with all of their records?", yes=yes)
            found = client.prune(before=before, workflow_name=workflow)
    form = {"runs": found.runs, "rows": found.rows, "bytes": found.bytes}
    out.one("pruned", form, lambda: [_pruned(found, dry_run=dry_run)])


def _pruned(found: PruneResult, *, dry_run: bool) -> str:
    verb = "would be deleted" if dry_run else "deleted"
    freed = f", {_size(found.bytes)} freed" if found.bytes else ""
    return f"{counted(found.runs, 'run')} {verb} with {counted(found.rows, 'row')}{freed}"
