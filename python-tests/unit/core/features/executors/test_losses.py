"""Which errors of executors say that a worker died."""

from __future__ import annotations

from concurrent.futures import BrokenExecutor, CancelledError
from concurrent.futures.process import BrokenProcessPool

from tables import each_row
from unit.core.features.executors.foreign_classes import foreign, foreign_error

from cloaca_core.errors import WorkerLost
from cloaca_core.features.executors.losses import is_worker_lost

TERMINATED = foreign("loky.process_executor", "TerminatedWorkerError", BrokenProcessPool)


@each_row(
    "error",
    [
        WorkerLost("gone"),  # our own executors
        BrokenExecutor("broken"),
        BrokenProcessPool("broken"),  # the standard library
        TERMINATED("broken"),
        foreign_error("distributed.scheduler", "KilledWorker"),
        foreign_error("ray.exceptions", "WorkerCrashedError"),
        foreign_error("ray.exceptions", "NodeDiedError"),
        foreign_error("ray.exceptions", "LocalRayletDiedError"),
        foreign_error("ray.exceptions", "OutOfMemoryError"),
    ],
)
def test_a_lost_worker(error: BaseException) -> None:
    assert is_worker_lost(error)


@each_row(
    "error",
    [
        RuntimeError("cannot schedule new futures after shutdown"),
        CancelledError(),
        MemoryError(),
        foreign_error("ray.exceptions", "TaskCancelledError"),
        foreign_error("ray.exceptions", "RayTaskError"),  # the call's own error
        foreign_error("mine", "KilledWorker"),
    ],
)
def test_another_error(error: BaseException) -> None:
    assert not is_worker_lost(error)
