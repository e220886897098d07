"""``cloaca doctor``: what is wrong, and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from cloaca_core.values.wording import counted
from cloaca_tools.cli import exits
from cloaca_tools.cli.output import Output, output_options
from cloaca_tools.cli.where import Where, database_options, opening, pass_where

if TYPE_CHECKING:
    from cloaca_tools.doctor.diagnosis import Diagnosis


@click.command("doctor")
@click.option("--deep", is_flag=True, help="Read all pages and indexes, too: may take minutes.")
@database_options
@output_options
@pass_where
@click.pass_context
def command(ctx: click.Context, where: Where, out: Output, deep: bool) -> None:
    """Find what is wrong with a database, its runners and what is installed; changes nothing.

    Each finding has a line that says what to do. Exits with 8 if there is one.
    """
    from cloaca_tools.doctor.diagnosis import diagnose

    url, schema = where.url(), where.schema_name()
    with opening():
        found = diagnose(url, schema=schema, deep=deep)
    out.one("diagnosis", found.to_dict(), lambda: _lines(found))
    ctx.exit(exits.OK if found.is_sound else exits.FOUND)


def _lines(found: Diagnosis) -> Iterator[str]:
    versions = ", ".join([f"{name} {version}" for name, version in found.versions.items()])
    yield f"{found.backend}: {versions or 'versions not known'}; schema {found.schema}"
    for each in found.findings:
        yield f"{each.severity:8} {each.text} [{each.code}]"
        yield f"{'':8} → {each.cure}"
    yield counted(len(found.findings), "finding") if found.findings else "Nothing is wrong."
