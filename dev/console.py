"""Output of tasks and their way to run programs and to fail.

A task that cannot go on raises ``TaskFailed`` with a sentence for the user, who never sees a
traceback of our own tooling instead.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType


class TaskFailed(Exception):  # noqa: N818  reads as an event: "raise TaskFailed"
    """A task could not do its work; the message says why."""


def say(text: str) -> None:
    """Print one line for the user, at once even when piped."""
    print(text, flush=True)


def step(text: str) -> None:
    """Announce the next step of a task."""
    say(f"==> {text}")


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    quiet: bool = False,
    seconds: float | None = None,
) -> None:
    """Run a program to its end; a failure names the command and, if quiet, shows its output.

    A program that takes longer than ``seconds`` is killed, which is a failure too.
    """
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words,
            cwd=cwd,
            env=environment(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if quiet else None,
            stderr=subprocess.STDOUT if quiet else None,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise TaskFailed(f"not done after {seconds:.0f} s: {shlex.join(words)}") from None
    if done.returncode:
        shown = f"{done.stdout.rstrip()}\n" if quiet else ""
        raise TaskFailed(f"{shown}exit code {done.returncode} from: {shlex.join(words)}")


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without variables by which sources would shadow the wheels."""
    inherited = {key: value for key, value in os.environ.items() if key not in _LEAKS}
    return inherited | dict(extra or {})


# Settings of the user's own shell that would change tests or output, or make each of a test run's
# hundreds of processes compile the same modules again.
_LEAKS = frozenset(
    {
        "PYTHONPATH",
        "PYTHONHOME",
        "PYTHONDONTWRITEBYTECODE",
        "VIRTUAL_ENV",
        "CLOACA_BACKEND",
        "CLOACA_LOG",
        "DATABASE_URL",
    }
)


@contextmanager
def readable_failures() -> Iterator[None]:
    """Turn the expected ends of a task into a line and an exit code.

    SIGTERM is as Ctrl-C, and so is a terminal that is closed, unless ``nohup`` says otherwise.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if sys.platform != "win32" and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _hung_up)
    try:
        yield
    except BrokenPipeError:  # the reader of our lines, such as ``head``, has ended
        _say_nothing_more()
        raise SystemExit(1) from None
    except (TaskFailed, OSError) as failure:
        _end(f"failed: {failure}", 1)
    except KeyboardInterrupt:
        _end("interrupted", 130)


def _hung_up(number: int, _: FrameType | None) -> None:
    """React once: shell and system both send the signal, which must not interrupt clean-up."""
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _end(text: str, code: int) -> None:
    """Print the last line, if the terminal still exists."""
    try:
        sys.stdout.flush()
        print(text, file=sys.stderr, flush=True)
    except OSError:
        _say_nothing_more()
    raise SystemExit(code)


def _say_nothing_more() -> None:
    """Discard output, or the interpreter would complain at exit that it cannot write it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())
