"""Tells errors of executors apart: a worker has died under a call, or else."""

from __future__ import annotations

from concurrent.futures import BrokenExecutor

from cloaca_core.errors import WorkerLost


def is_worker_lost(error: BaseException) -> bool:
    """Whether a worker has died under this call."""
    return isinstance(error, BrokenExecutor | WorkerLost)
