"""Every command line of cloaca that a page shows is one that there is, with options that it has."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
from tables import each_row

from cloaca_tools.cli.root import cli

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(each for each in DOCS.rglob("*.md") if each.name != "cli.md")  # that is generated
FENCED = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(cloaca [a-z][^`]*)`")
OF_A_SERVICE = re.compile(r"^ExecStart=\S*/(cloaca .*)$", re.MULTILINE)
OF_A_CONTAINER = re.compile(r'^\s*command: (\["cloaca".*\])$', re.MULTILINE)
OPTION = re.compile(r"-[A-Za-z]|--[a-z-]+")
IN_A_SHELL = ("sh", "bash", "console", "text")


def lines_of(text: str) -> Iterator[list[str]]:
    """The words of each command line of a page."""
    for language, block in FENCED.findall(text):
        yield from [shlex.split(line) for line in OF_A_SERVICE.findall(block)]
        yield from [json.loads(words) for words in OF_A_CONTAINER.findall(block)]
        if language in IN_A_SHELL:
            commands = [line.removeprefix("$ ") for line in block.splitlines()]
            yield from [shlex.split(each) for each in commands if each.startswith("cloaca ")]
    yield from [shlex.split(each) for each in INLINE.findall(FENCED.sub("", text))]


def fault_of(words: list[str]) -> str | None:
    """What is wrong with a command line: its name, or an option."""
    command: click.Command = cli
    rest = words[1:]
    ctx = click.Context(cli)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        found = command.get_command(ctx, rest[0])
        if found is None:
            return f"there is no {rest[0]!r} in {command.name}"
        command, rest = found, rest[1:]
    known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
    known |= {"--help", "-h"}
    for word in rest:
        if OPTION.fullmatch(name := word.partition("=")[0]) and name not in known:
            return f"{command.name} has no option {name!r}"
    return None


@each_row("page", PAGES)
def test_every_command_that_a_page_shows_exists(page: Path) -> None:
    faults = {
        " ".join(words): fault
        for words in lines_of(page.read_text(encoding="utf-8"))
        if (fault := fault_of(words)) is not None
    }

    assert faults == {}


def test_the_page_about_production_shows_commands_of_each_kind() -> None:
    page = DOCS / "how-to" / "operate-in-production.md"
    shown = [words[1:] for words in lines_of(page.read_text(encoding="utf-8"))]

    assert ["worker"] in shown
    assert ["worker", "--health", "8000", "--ready-file", "/tmp/ready"] in shown  # noqa: S108 - words
    assert ["runs", "retry", "@", "--plan"] in shown
    assert ["runners", "drain", "ID"] in shown
    assert len(shown) > 20


@each_row("line", ["cloaca run list", "cloaca nothing", "cloaca db sql --rows 5"])
def test_a_command_that_is_not_there_is_noticed(line: str) -> None:
    assert (fault_of(shlex.split(line)) is None) == (line == "cloaca run list")  # run takes a name
