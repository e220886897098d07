"""Tells errors of executors apart: a worker died under the call, or anything else."""

from __future__ import annotations

from concurrent.futures import BrokenExecutor
from typing import Final

from cloaca_core.errors import WorkerLost
from cloaca_core.features.executors.traits import Foreign, is_one_of

_LOSSES: Final = (
    Foreign("distributed", "KilledWorker"),
    Foreign("ray", "WorkerCrashedError"),
    Foreign("ray", "NodeDiedError"),
    Foreign("ray", "LocalRayletDiedError"),
    Foreign("ray", "OutOfMemoryError"),
)
"""Errors of Dask and Ray that derive from no error of ``concurrent.futures``; loky's do."""


def is_worker_lost(error: BaseException) -> bool:
    """Whether this error, which a future of an executor holds, says that its worker died."""
    return isinstance(error, BrokenExecutor | WorkerLost) or is_one_of(error, *_LOSSES)
