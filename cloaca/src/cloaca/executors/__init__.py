"""Executors for the bodies of tasks: more cores than one process has, or more machines."""

from cloaca_core.features.executors.by_value import ByValue as ByValue, by_value as by_value
from cloaca_core.features.executors.kinds import ExecutorLike as ExecutorLike
from cloaca_core.features.executors.process import (
    ProcessExecutor as ProcessExecutor,
    process as process,
)
from cloaca_core.features.executors.ray import RayExecutor as RayExecutor, ray as ray

__all__ = [
    "process",
    "ProcessExecutor",
    "ray",
    "RayExecutor",
    "by_value",
    "ByValue",
    "ExecutorLike",
]
