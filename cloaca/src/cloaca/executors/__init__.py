"""Executors for the bodies of tasks: more cores than one process has, or more machines."""

from cloaca_core.executors import (
    ByValue as ByValue,
    ExecutorLike as ExecutorLike,
    ProcessExecutor as ProcessExecutor,
    RayExecutor as RayExecutor,
    by_value as by_value,
    process as process,
    ray as ray,
)

__all__ = [
    "process",
    "ProcessExecutor",
    "ray",
    "RayExecutor",
    "by_value",
    "ByValue",
    "ExecutorLike",
]
