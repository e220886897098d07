"""How tasks end: with a line and an exit code, never with a traceback of ours."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from dev.console import TaskFailed, environment, readable_failures, run
from dev.project import ROOT


@pytest.mark.parametrize(
    ("code", "told", "ended_by"),
    [
        (1, "failed: no network", TaskFailed("no network")),
        (1, "failed: [Errno 28] No space left: 'dist'", OSError(28, "No space left", "dist")),
        (130, "interrupted", KeyboardInterrupt()),
    ],
)
def test_a_task_that_fails_ends_with_a_line_and_an_exit_code(
    capsys: pytest.CaptureFixture[str], code: int, told: str, ended_by: BaseException
) -> None:
    with pytest.raises(SystemExit) as caught, readable_failures():
        raise ended_by
    assert caught.value.code == code
    assert capsys.readouterr().err == f"{told}\n"


@pytest.fixture
def handlers() -> Iterator[None]:
    """Restores the handlers of signals after the test."""
    kept = {each: signal.getsignal(each) for each in (signal.SIGHUP, signal.SIGTERM)}
    yield
    for each, handler in kept.items():
        signal.signal(each, handler)


@contextmanager
def _told_again_while_tidying_up() -> Iterator[None]:
    """As the shell does, which passes on what the system sent as well."""
    try:
        yield
    finally:
        signal.raise_signal(signal.SIGHUP)


@pytest.mark.usefixtures("handlers")
def test_a_terminal_that_is_closed_interrupts_once() -> None:
    with pytest.raises(SystemExit) as caught, readable_failures(), _told_again_while_tidying_up():
        signal.raise_signal(signal.SIGHUP)
    assert caught.value.code == 130
    assert isinstance(caught.value.__context__, KeyboardInterrupt)
    assert caught.value.__context__.__context__ is None  # nothing came in between


@pytest.mark.usefixtures("handlers")
def test_what_nohup_started_goes_on_without_its_terminal() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with readable_failures():
        signal.raise_signal(signal.SIGHUP)


def test_a_reader_that_had_enough_sees_no_traceback() -> None:
    """As in ``demo | head``."""
    code = (
        "from dev.console import readable_failures, say\n"
        "with readable_failures():\n    input()\n    say('one more line')\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as task:
        assert task.stdin is not None
        assert task.stdout is not None
        assert task.stderr is not None
        task.stdout.close()
        task.stdin.write(b"\n")
        task.stdin.close()
        assert task.stderr.read() == b""
    assert task.returncode == 1


@pytest.mark.parametrize(
    "name",
    [
        "PYTHONPATH",  # sources instead of wheels
        "CLOACA_BACKEND",
        "PYTHONDONTWRITEBYTECODE",  # each process would compile the tests anew
    ],
)
def test_what_the_persons_shell_says_of_it_is_kept_from_programs(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "theirs")
    assert name not in environment()
    assert environment({name: "ours"})[name] == "ours"


def test_a_failed_program_is_named_with_its_output() -> None:
    code = "import sys; print('what it said'); sys.exit(3)"
    with pytest.raises(TaskFailed, match=r"(?s)what it said.*exit code 3 from: "):
        run([sys.executable, "-c", code], quiet=True)
