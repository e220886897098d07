"""Says of an executor that functions are sent to it by value, with cloudpickle."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

from cloaca_core.errors import ConfigError
from cloaca_core.features.executors.kinds import ExecutorLike


@dataclass(frozen=True, slots=True)
class ByValue:
    """An executor whose workers get the functions themselves, not their names."""

    executor: ExecutorLike


def by_value(executor: ExecutorLike) -> ByValue:
    """Have functions sent to this executor by value, with cloudpickle.

    So the workers also run closures, lambdas and functions of the program's main module. They must
    have cloudpickle and the same minor version of Python. ``ConfigError`` if cloudpickle is not
    installed here.
    """
    if find_spec("cloudpickle") is None:
        raise ConfigError(
            "executors: by_value sends functions with cloudpickle, which is not installed; "
            "`pip install cloudpickle`, here and where the workers run",
            field="executors",
        )
    return ByValue(executor)
