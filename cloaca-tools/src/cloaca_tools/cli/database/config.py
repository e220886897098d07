"""``cloaca config``: the settings of runners that start here."""

from __future__ import annotations

import click

from cloaca_tools.cli.columns import text
from cloaca_tools.cli.output import Column, Output, json_text, output_options
from cloaca_tools.cli.where import Where, database_options, pass_where


@click.group("config")
def command() -> None:
    """Show the settings and where they come from."""


@command.command()
@database_options
@output_options
@pass_where
def show(where: Where, out: Output) -> None:
    """Show each setting with its value, and the option, variable or file that gives it.

    These are the settings of programs that start in this folder with these variables. The password
    in a URL is not shown.
    """
    from cloaca_core.config import DefaultRunnerConfig, origins

    known = origins() | where.options()
    named = {"app": where.app_name(), "database_url": _url(where), "schema": where.schema_name()}
    rows = [
        {"setting": name, "value": value, "origin": known.get(name)}
        for name, value in (DefaultRunnerConfig().to_dict() | named).items()
    ]
    out.listing("settings", rows, _COLUMNS, empty="No settings.")


_COLUMNS = (
    text("setting"),
    Column("VALUE", lambda row: _value(row["value"]), gives_way=True),
    Column("FROM", lambda row: row["origin"] or "", gives_way=True),
)


def _value(value: object) -> str:
    return "none" if value is None else value if isinstance(value, str) else json_text(value)


def _url(where: Where) -> str | None:
    from cloaca_tools.cli.where import without_password

    try:
        return without_password(where.url())
    except click.UsageError:
        return None
