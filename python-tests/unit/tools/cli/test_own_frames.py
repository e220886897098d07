"""The traceback of a program that cannot be imported has its own frames, the error last."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from traceback import FrameSummary, StackSummary

from tables import each_row

import cloaca
from cloaca_tools.cli.own_frames import own, told


def error_of(raises: Callable[[], object]) -> Exception:
    try:
        raises()
    except Exception as error:
        return error
    raise AssertionError("it raised nothing")


def read_nothing() -> object:
    return json.loads("{")


def read_and_forget() -> object:
    try:
        return read_nothing()
    except ValueError as error:
        raise LookupError("no order") from error


def task_without_a_name() -> object:
    return cloaca.WorkflowBuilder("")


@each_row(
    ("expected", "raises"),
    [
        # of Python
        (["error_of", "read_nothing"], read_nothing),
        # of an installed package, or of cloaca from its sources
        (["error_of", "task_without_a_name"], task_without_a_name),
        # those of its cause first
        (["read_and_forget", "read_nothing", "error_of", "read_and_forget"], read_and_forget),
    ],
)
def test_frames_of_others_are_left_out(expected: list[str], raises: Callable[[], object]) -> None:
    error = error_of(raises)

    text = told(error)

    frames = [line for line in text.splitlines() if line.startswith("  File ")]
    assert [line.rpartition(" in ")[2] for line in frames] == expected
    assert text.endswith(f"{type(error).__name__}: {error}")


def stack(*files: str) -> StackSummary:
    return StackSummary.from_list([FrameSummary(file, 1, "f") for file in files])


FROZEN = "<frozen importlib._bootstrap>"


@each_row(
    ("expected", "files"),
    [
        (["/srv/shop.py"], [FROZEN, "/srv/shop.py", "/venv/site-packages/x.py"]),
        # a program that is itself installed
        (["/venv/site-packages/shop.py"], [FROZEN, "/venv/site-packages/shop.py"]),
        (["/usr/lib/dist-packages/shop.py"], ["/usr/lib/dist-packages/shop.py"]),
        # it could not be compiled
        ([], [FROZEN]),
    ],
)
def test_the_frames_of_a_program_are_known_by_their_files(
    expected: list[str], files: list[str]
) -> None:
    assert [each.filename for each in own(stack(*files))] == expected


def test_a_file_that_is_no_python_is_told_with_its_line(tmp_path: Path) -> None:
    error = error_of(lambda: compile("def x(:", "shop.py", "exec"))

    assert told(error).splitlines()[-1] == "SyntaxError: invalid syntax"
    assert 'File "shop.py", line 1' in told(error)


def test_each_error_of_a_group_is_shortened() -> None:
    text = told(ExceptionGroup("both", [error_of(read_nothing)]))

    assert [line.rpartition(" in ")[2] for line in text.splitlines() if " File " in line] == [
        "error_of",
        "read_nothing",
    ]
