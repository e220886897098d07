"""Waits for and kills processes with their groups: with all processes that they started."""

from __future__ import annotations

import os
import signal
import subprocess


def wait(process: subprocess.Popen[bytes], seconds: float) -> int | None:
    """Wait for a process, then kill the rest of its group: it may leave children running.

    Returns its exit code; None when it took longer, and was killed.
    """
    try:
        return process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        kill(process)
        process.wait()


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and its whole group."""
    if os.name == "nt":
        process.kill()
        return
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
