"""The commands ``enable`` and ``disable``, of schedules and of triggers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from cloaca_tools.cli.arguments import by_option
from cloaca_tools.cli.output import Form, Output, output_options
from cloaca_tools.cli.where import Where, database_options, pass_where

if TYPE_CHECKING:
    from cloaca_core.client.client import Client
    from cloaca_tools.cli.completion import Complete


@dataclass(frozen=True, slots=True)
class Switched:
    """A kind of things that can be enabled and disabled. ``noun`` is the key of an answer, ``find``
    returns the row of a name, ``switch`` changes it, and ``title`` is its name in a line.
    """

    noun: str
    names: Complete
    find: Callable[[Client, str], Form]
    switch: Callable[[Client, Form, bool, str | None], None]
    title: Callable[[Form], str]


def add_switches(group: click.Group, kind: Switched, *, enable: str, disable: str) -> None:
    """Give a group both commands, with these lines of help."""
    group.add_command(_switch("enable", enable, kind, enabled=True))
    group.add_command(_switch("disable", disable, kind, enabled=False))


def _switch(verb: str, line: str, kind: Switched, *, enabled: bool) -> click.Command:
    @click.command(verb, help=line)
    @click.argument("name", metavar=kind.noun.upper(), shell_complete=kind.names)
    @by_option
    @database_options
    @output_options
    @pass_where
    def command(where: Where, out: Output, name: str, by: str | None) -> None:
        with where.client("rw") as client:
            kind.switch(client, kind.find(client, name), enabled, by)
            row = kind.find(client, name)
        out.one(kind.noun, row, lambda: [f"{kind.title(row)} is {state(row)}"])

    return command


def state(row: Form) -> str:
    """Whether it is enabled, in a word."""
    return "enabled" if row["enabled"] else "disabled"
