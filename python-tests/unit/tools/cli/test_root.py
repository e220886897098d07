"""All commands can be found, and their help imports little."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import click
import pytest
from click.testing import CliRunner
from tables import each_row

from cloaca_core.errors import StoreDataError
from cloaca_tools.cli.reference import commands
from cloaca_tools.cli.root import cli

MAY_BE_IMPORTED = {
    "cloaca_core",
    "cloaca_tools",
    "cloaca_core._version",
    "cloaca_core.clean_records",
    "cloaca_tools.cli",
    "cloaca_tools.cli.exits",
    "cloaca_tools.cli.failures",
    "cloaca_tools.cli.lazy",
    "cloaca_tools.cli.root",
    "cloaca_tools.cli.where",
    "cloaca_core.errors",
    "cloaca_core.logs",
}
PROGRAM = """
import json, sys
from cloaca_tools.cli.root import cli
cli.main(sys.argv[1:], standalone_mode=False)
json.dump([name for name in sys.modules], sys.stderr)
"""


def imported_by(*arguments: str) -> set[str]:
    """The modules that a program has after this command."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(json.loads(done.stderr))


@each_row("arguments", [["--help"], ["runs", "--help"]])
def test_the_help_imports_nothing_that_opens_a_database(arguments: list[str]) -> None:
    """It is there in 150 ms; what takes time are imports, so they are counted."""
    found = imported_by(*arguments)
    ours = {name for name in found if name.startswith("cloaca")}

    of_runs = {"cloaca_tools.cli.runs", "cloaca_tools.cli.runs.runs"}
    assert ours - MAY_BE_IMPORTED == (of_runs if "runs" in arguments else set())
    assert found & {"asyncio", "sqlite3", "aiosqlite", "psycopg", "rich", "logging.config"} == set()


@each_row(
    ("context", "command"),
    list(commands()),
)
def test_each_command_has_the_name_under_which_it_is_found_and_a_help(
    context: click.Context, command: click.Command
) -> None:
    assert context.info_name == command.name
    assert command.help
    assert CliRunner().invoke(cli, [*context.command_path.split()[1:], "--help"]).exit_code == 0


def test_an_option_before_the_command_counts_as_one_behind_it() -> None:
    for arguments in (
        ["--database-url", "nosuch://x", "runs", "list"],
        ["runs", "list", "--database-url", "nosuch://x"],
    ):
        done = CliRunner().invoke(cli, arguments)

        assert (done.exit_code, "nosuch" in done.stderr) == (4, True)


def broken(*_: Any, **__: Any) -> None:
    raise StoreDataError("the value is refused")


def test_an_error_of_cloaca_is_a_message_and_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloaca_core.store.backends.available_backends", broken)

    done = CliRunner().invoke(cli, ["backends"])

    assert (done.exit_code, done.stdout, done.stderr) == (1, "", "Error: the value is refused\n")


def interrupted() -> None:
    raise KeyboardInterrupt


def test_ctrl_c_ends_a_command_with_its_own_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloaca_core.store.backends.available_backends", interrupted)

    assert CliRunner().invoke(cli, ["backends"]).exit_code == 130


def left_unanswered() -> None:
    raise click.Abort  # as click does for Ctrl-C where it asks


def test_ctrl_c_at_a_question_has_the_same_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloaca_core.store.backends.available_backends", left_unanswered)

    assert CliRunner().invoke(cli, ["backends"]).exit_code == 130
