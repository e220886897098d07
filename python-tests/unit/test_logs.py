"""The library says nothing on its own, and everything when asked."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from cloaca_core.config import DefaultRunnerConfig
from cloaca_core.errors import ConfigError

PROGRAM = "import logging, cloaca_core; logging.getLogger('cloaca.engine').warning('all is lost')"


def stderr_of(program: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stderr


def test_a_warning_is_not_shown_by_itself() -> None:
    assert stderr_of(PROGRAM, CLOACA_LOG="") == ""


def test_the_switch_shows_it() -> None:
    assert stderr_of(PROGRAM, CLOACA_LOG="info").endswith("WARNING cloaca.engine: all is lost\n")


def test_the_switch_sets_the_level() -> None:
    assert stderr_of(PROGRAM, CLOACA_LOG="error") == ""


def test_an_unknown_level_shows_nothing_at_import() -> None:
    assert stderr_of(PROGRAM, CLOACA_LOG="inof") == ""


@pytest.mark.parametrize("level", ["inof", "2", "info,debug"])
def test_an_unknown_level_is_refused_with_the_known_ones(
    monkeypatch: pytest.MonkeyPatch, level: str
) -> None:
    monkeypatch.setenv("CLOACA_LOG", level)

    with pytest.raises(ConfigError, match=r"^CLOACA_LOG: .*debug, info, warning, error, critical$"):
        DefaultRunnerConfig()


@pytest.mark.parametrize("level", ["", "info", "INFO", " Debug ", "warn"])
def test_a_level_is_known_in_any_case(monkeypatch: pytest.MonkeyPatch, level: str) -> None:
    monkeypatch.setenv("CLOACA_LOG", level)

    DefaultRunnerConfig()


@pytest.mark.parametrize(
    ("configuration", "times"),
    [
        pytest.param("basicConfig()", 1, id="it writes to the terminal itself"),
        pytest.param("basicConfig(stream=sys.stdout)", 0, id="or to stdout"),
        pytest.param("basicConfig(filename=os.devnull)", 1, id="a file is no terminal"),
        pytest.param(
            "basicConfig(); import cloaca_core; sys.stderr = sys.stdout",
            1,
            id="also when sys.stderr is another one by then",
        ),
        pytest.param(
            "getLogger('cloaca').addHandler(logging.StreamHandler())", 1, id="a nearer one"
        ),
        pytest.param(
            "getLogger('cloaca').addHandler(logging.StreamHandler());"
            "logging.getLogger('cloaca').handlers[-1].setLevel('ERROR')",
            1,
            id="one that does not want this record",
        ),
    ],
)
def test_a_line_is_on_the_terminal_once(configuration: str, times: int) -> None:
    program = f"import logging, os, sys; logging.{configuration}; {PROGRAM}"

    assert stderr_of(program, CLOACA_LOG="info").count("all is lost") == times


def test_a_program_that_configures_logging_gets_the_records() -> None:
    program = "import logging; logging.basicConfig(format='%(message)s'); " + PROGRAM
    assert stderr_of(program, CLOACA_LOG="") == "all is lost\n"
