"""Command lines that people copy into a shell."""

from __future__ import annotations

import shlex
import shutil
import subprocess

from tables import each_row

from cloaca_tools.shell import command, quoted

BASH = shutil.which("bash")
HOSTILE = (
    "every night",
    "it's",
    "$(touch x)",
    "`touch x`",
    '";touch x;"',
    "';touch x;'",
    "$HOME !! * ~ #",
    "a\\",
    "",
    "blåbær",
)


@each_row("name", HOSTILE)
def test_each_argument_arrives_as_it_is(name: str) -> None:
    line = command(["schedules", "delete", "--by", name], [name])

    assert shlex.split(line) == ["cloaca", "schedules", "delete", "--by", name, name]


def test_a_name_that_begins_with_a_dash_is_no_option() -> None:
    assert command(["runs", "list", "-status:failed"], ["--all"]) == (
        "cloaca runs list -status:failed -- --all"
    )


@each_row("name", ["a\x03touch x\r", "\x1b[201~\n'\\$(touch x)", "\x7f\u0085\u202e"])
def test_a_terminal_gets_no_control_character(name: str) -> None:
    word = quoted(name)

    assert word.isprintable()
    if BASH is not None:
        read = subprocess.run(
            [BASH, "-c", f"printf %s {word}"], capture_output=True, check=True, timeout=60
        )
        assert read.stdout.decode() == name
