"""The reference of the command line, made from the commands themselves.

``python -m cloaca_tools.cli.reference`` writes it to stdout.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Final

import click

from cloaca_tools.cli.exits import MEANINGS
from cloaca_tools.cli.root import cli

MARK: Final = "<!-- From here on `python tasks.py docs.cli` makes the page from the commands. -->"
_SHARED: Final = {
    "app": "-A",
    "database_url": "--database-url",
    "schema": "--schema",
    "json": "--json",
    "fields": "--fields",
}
"""Options of many commands, which the head of the page describes."""


def reference() -> str:
    """The page from its mark on."""
    codes = [f"| {code} | {meaning} |" for code, meaning in MEANINGS.items()]
    table = "\n".join([MARK, "", "| exit code | means |", "|---|---|", *codes, ""])
    return "\n".join([table, *[_section(context, command) for context, command in commands()]])


def commands() -> Iterator[tuple[click.Context, click.Command]]:
    """All commands with their contexts, in the order of the help, groups before theirs."""
    yield from _below(cli.make_context("cloaca", [], resilient_parsing=True), cli)


def _below(
    context: click.Context, group: click.Group
) -> Iterator[tuple[click.Context, click.Command]]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, "a group has what it lists"
        own = click.Context(command, info_name=name, parent=context)
        yield own, command
        if isinstance(command, click.Group):
            yield from _below(own, command)


def _section(context: click.Context, command: click.Command) -> str:
    level = "##" if context.parent is None or context.parent.parent is None else "###"
    lines = [f"{level} {context.command_path}", "", inspect.cleandoc(command.help or ""), ""]
    if isinstance(command, click.Group):
        return "\n".join(lines)
    usage = " ".join(command.collect_usage_pieces(context))
    options = [each for each in command.get_params(context) if isinstance(each, click.Option)]
    own = [each for each in options if each.name not in _SHARED and "--help" not in each.opts]
    rows = [_row(context, each) for each in own]
    names = [each.name for each in options]
    shared = [f"`{flag}`" for name, flag in _SHARED.items() if name in names]
    table = ["| option | meaning |", "|---|---|", *rows, ""] if rows else []
    also = [f"Also {', '.join(shared)}.", ""] if shared else []
    return "\n".join([*lines, f"    {context.command_path} {usage}", "", *table, *also])


def _row(context: click.Context, option: click.Option) -> str:
    names, text = option.get_help_record(context) or ("", "")
    return f"| {_names(names)} | {_cell(text)} |"


def _names(names: str) -> str:
    return f"`{_cell(names)}`"


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", r"\|")


if __name__ == "__main__":
    click.echo(reference(), nl=False)
