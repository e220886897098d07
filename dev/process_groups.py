"""Waits for and kills processes with their groups: with all processes that they started."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable


def wait(
    process: subprocess.Popen[bytes], seconds: float, progress: Callable[[], object] | None = None
) -> int | None:
    """Wait for a process, then kill the rest of its group: it may leave children running.

    Returns its exit code; None when it took longer, and was killed. With ``progress`` the time
    begins anew as long as the answer of that function has changed meanwhile.
    """
    try:
        return _exit_code(process, seconds, progress)
    finally:
        kill(process)
        process.wait()


def _exit_code(
    process: subprocess.Popen[bytes], seconds: float, progress: Callable[[], object] | None
) -> int | None:
    while True:
        before = progress and progress()
        try:
            return process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            if progress is None or progress() == before:
                return None


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and its whole group."""
    if os.name == "nt":
        process.kill()
        return
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
