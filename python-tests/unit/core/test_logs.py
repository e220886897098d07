"""The library says nothing on its own, and everything when asked."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from tables import each_row

from cloaca_core.config import DefaultRunnerConfig
from cloaca_core.errors import ConfigError
from cloaca_core.logs import SafeLogger, warn_person

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


@each_row(
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


# -- for those who must go on ----------------------------------------------------------------------


class Failing(logging.Handler):
    """A handler whose author forgot that it may fail."""

    def emit(self, record: logging.LogRecord) -> None:
        raise ConnectionError(f"cannot send {record.getMessage()!r}")


@pytest.fixture
def failing() -> Iterator[None]:
    logger, handler = logging.getLogger("cloaca.test"), Failing()
    logger.addHandler(handler)
    yield
    logger.removeHandler(handler)


@pytest.mark.usefixtures("failing")
def test_what_a_handler_raises_is_shown_and_stops_nobody(
    capsys: pytest.CaptureFixture[str],
) -> None:
    SafeLogger("cloaca.test").warning("all is %s", "lost")

    assert capsys.readouterr().err.endswith("ConnectionError: cannot send 'all is lost'\n")


@pytest.mark.usefixtures("failing")
def test_it_is_not_shown_where_the_program_wants_to_see_none(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)

    SafeLogger("cloaca.test").warning("all is lost")

    assert capsys.readouterr().err == ""


def test_a_record_is_that_of_a_plain_logger(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="cloaca.test")
    log = SafeLogger("cloaca.test")

    log.info("run %s", 7, extra={"run_id": "7"})
    try:
        raise KeyError("x")
    except KeyError:
        log.exception("it failed")

    told, failed = caplog.records
    assert (told.getMessage(), told.run_id) == ("run 7", "7")  # type: ignore[attr-defined]  # extra
    assert (told.filename, told.funcName) == (
        "test_logs.py", "test_a_record_is_that_of_a_plain_logger"
    )  # fmt: skip
    assert (failed.levelname, failed.exc_info is not None) == ("ERROR", True)
    log.debug("not shown")
    assert len(caplog.records) == 2


def test_a_level_that_is_asked_for_later_is_not_held_to_be_off() -> None:
    log, logger = SafeLogger("cloaca.test.answers"), logging.getLogger("cloaca.test.answers")
    logger.setLevel(logging.WARNING)
    log.info("not shown, and known from now on")
    before = log.answers.get(logging.INFO, True)

    logger.setLevel(logging.INFO)

    assert (before, log.answers.get(logging.INFO, True)) == (False, True)


class _Screen(io.StringIO):
    """Stands for stderr."""

    def __init__(self, *, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


@pytest.mark.parametrize(
    ("is_terminal", "handler", "shown"),
    [
        (True, logging.NullHandler(), "cloaca: a body runs\n"),
        (False, logging.NullHandler(), ""),  # a program's stderr, which it did not ask to write to
        (True, logging.StreamHandler(io.StringIO()), ""),  # the program has a log
    ],
)
def test_a_person_is_told_in_the_log_or_on_the_terminal(
    monkeypatch: pytest.MonkeyPatch, is_terminal: bool, handler: logging.Handler, shown: str
) -> None:
    logger = SafeLogger("alone")
    monkeypatch.setattr(logger.logger, "propagate", False)
    monkeypatch.setattr(logger.logger, "handlers", [handler])
    screen = _Screen(is_terminal=is_terminal)
    monkeypatch.setattr(sys, "stderr", screen)

    warn_person(logger, "a body runs", {})

    assert screen.getvalue() == shown
