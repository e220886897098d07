"""Groups of commands that are imported when they are used: the help of a group imports none."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

import click


class Part(NamedTuple):
    """A command: the module and the name in it, and its line in the help of its group."""

    module: str
    name: str
    help: str


class LazyGroup(click.Group):
    """A group whose commands are found by their ``parts``, in their order."""

    def __init__(self, *args: Any, parts: Mapping[str, Part], **more: Any) -> None:
        super().__init__(*args, **more)
        self.parts: Mapping[str, Part] = parts

    def list_commands(self, _: click.Context) -> list[str]:
        """The names of all commands, in the order of the help."""
        return list(self.parts)

    def get_command(self, _: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name; imports it."""
        if (part := self.parts.get(cmd_name)) is None:
            return None
        command: click.Command = getattr(import_module(part.module), part.name)
        return command

    def format_commands(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, part.help) for name, part in self.parts.items()])
