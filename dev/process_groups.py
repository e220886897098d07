"""Processes in groups of their own, which end with everything that they started."""

from __future__ import annotations

import os
import signal
import subprocess


def wait(process: subprocess.Popen[bytes], seconds: float) -> int | None:
    """Wait for its exit code, then end what is left of its group: a process may forget what it
    started. None when it took longer, and was killed.
    """
    try:
        return process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        kill(process)
        process.wait()


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and everything in its group."""
    if os.name == "nt":
        process.kill()
        return
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
