"""Says of an executor that functions are sent to it with cloudpickle."""

from __future__ import annotations

from dataclasses import dataclass

from cloaca_core.executors.kinds import ExecutorLike


@dataclass(frozen=True, slots=True)
class ByValue:
    """An executor whose workers get the functions themselves."""

    executor: ExecutorLike


def by_value(executor: ExecutorLike) -> ByValue:
    """Send functions to this executor with cloudpickle, by value."""
    return ByValue(executor)
