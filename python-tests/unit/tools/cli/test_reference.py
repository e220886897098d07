"""The reference of the command line has all commands, as they are."""

from __future__ import annotations

import click
from documents import DOCS

from cloaca_tools.cli.reference import commands, reference


def test_the_page_is_what_the_commands_make() -> None:
    """If not: python tasks.py docs.cli."""
    page = (DOCS / "reference" / "cli.md").read_text(encoding="utf-8")
    made = reference()

    assert page[page.index(made.partition("\n")[0]) :] == made


def test_each_command_is_there_with_each_of_its_own_options() -> None:
    made = reference()
    for context, command in commands():
        assert f"# {context.command_path}\n" in made
        if isinstance(command, click.Group):
            continue
        section = made.partition(f"# {context.command_path}\n")[2].partition("\n#")[0]
        for option in command.params:
            if isinstance(option, click.Option):
                assert any(each in section for each in option.opts)
