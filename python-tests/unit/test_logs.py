"""The library says nothing on its own, and everything when asked."""

from __future__ import annotations

import os
import subprocess
import sys

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


def test_an_unknown_level_shows_nothing() -> None:
    assert stderr_of(PROGRAM, CLOACA_LOG="loud") == ""


def test_a_program_that_configures_logging_gets_the_records() -> None:
    program = "import logging; logging.basicConfig(format='%(message)s'); " + PROGRAM
    assert stderr_of(program, CLOACA_LOG="") == "all is lost\n"
