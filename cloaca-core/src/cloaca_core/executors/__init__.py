"""Executors for the bodies of tasks: more cores than one process has, or more machines.

``process`` makes worker processes on this host, ``ray`` calls of a Ray cluster. A runner takes any
other ``concurrent.futures.Executor`` as well; ``by_value`` has functions sent to it with
cloudpickle. This package knows no engine.
"""

from cloaca_core.executors.by_value import ByValue as ByValue, by_value as by_value
from cloaca_core.executors.kinds import ExecutorLike as ExecutorLike
from cloaca_core.executors.process import ProcessExecutor as ProcessExecutor, process as process
from cloaca_core.executors.ray import RayExecutor as RayExecutor, ray as ray

__all__ = [
    "ByValue",
    "ExecutorLike",
    "ProcessExecutor",
    "RayExecutor",
    "by_value",
    "process",
    "ray",
]
