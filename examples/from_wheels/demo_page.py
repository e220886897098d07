"""The web page of the demo: ``cloaca ui`` on its database, while it runs and until Ctrl-C."""

from __future__ import annotations

import signal
import subprocess
import sys
import webbrowser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from dev.console import TaskFailed, environment, run, say, step
from dev.project import COMMANDS

NEEDED = COMMANDS["ui"]
"""Requirements of the page beside those of the demo."""
_SECONDS = 10


@contextmanager
def page(python: Path, database: Path) -> Iterator[None]:
    """Serve the page around the block and after it, until Ctrl-C. The database is made first, so
    that the run can be watched from its beginning.
    """
    url = f"sqlite:///{database}"
    run(_command(python, "db", "upgrade", "--database-url", url), quiet=True)
    step("the web page of this database: the address counts once")
    with _served(_command(python, "ui", "--database-url", url)) as process:
        yield
        step("the page stays until Ctrl-C")
        _wait_for_ctrl_c(process)


def _command(python: Path, *words: str) -> list[str]:
    return [str(python), "-X", "utf8", "-m", "cloaca", *words]


@contextmanager
def _served(command: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    """Start the command, show the address that it prints, and end it after the block."""
    process = subprocess.Popen(
        command,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is for the demo, which then ends it
    )
    try:
        assert process.stdout is not None
        _show(process.stdout.readline().strip(), process)
        yield process
    finally:
        _end(process)


def _show(address: str, process: subprocess.Popen[str]) -> None:
    """Print the address, and open it if there is somebody at the terminal."""
    if not address:
        _, reason = process.communicate()
        raise TaskFailed(f"{reason.rstrip()}\ncloaca ui did not start")
    say(f"    {address}")
    if sys.stdout.isatty():
        webbrowser.open(address)


def _wait_for_ctrl_c(process: subprocess.Popen[str]) -> None:
    try:
        process.wait()
    except KeyboardInterrupt:
        say("")


def _end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.communicate(timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
