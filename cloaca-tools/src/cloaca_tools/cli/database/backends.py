"""``cloaca backends``: which databases can be opened here."""

from __future__ import annotations

from dataclasses import asdict

import click

from cloaca_tools.cli.columns import text
from cloaca_tools.cli.output import Column, Output, output_options


@click.command("backends")
@output_options
def command(out: Output) -> None:
    """List the installed backends, and why one cannot be used."""
    from cloaca_core.store.backends import available_backends

    rows = [asdict(each) for each in available_backends()]
    out.listing("backends", rows, _COLUMNS, empty="No backend is installed.")


_COLUMNS = (
    text("name"),
    text("version"),
    Column("STATE", lambda row: "usable" if row["usable"] else "not usable"),
    Column("REASON", lambda row: row["reason"] or "", gives_way=True),
)
