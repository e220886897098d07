"""Reads the executors that a program gives its runner, and checks that its tasks can use them."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor
from importlib import import_module
from typing import TYPE_CHECKING, Final, TypeAlias, cast

from cloaca_core.errors import ConfigError, ConfigTypeError
from cloaca_core.features.executors.by_value import ByValue
from cloaca_core.features.executors.kinds import ExecutorLike
from cloaca_core.features.executors.names import (
    HOW_TO_GIVE,
    attribute,
    cannot_travel,
    why_main_cannot_be_imported,
    why_task_not_by_name,
)
from cloaca_core.features.executors.supply import Supply
from cloaca_core.values.arguments import nearest_name

if TYPE_CHECKING:
    from cloaca_core.config import DefaultRunnerConfig
    from cloaca_core.definition.registry import Registry
    from cloaca_core.definition.task import Task

Executors: TypeAlias = Mapping[str, ExecutorLike | ByValue]
"""The argument ``executors`` of a runner."""

NAMED: Final = 5
"""Tasks that an error names at most."""


def supplies(
    executors: Executors | None,
    executor_slots: Mapping[str, int] | None,
    config: DefaultRunnerConfig,
) -> tuple[Supply, ...]:
    """The executors of a runner, not open yet. Arguments win over the settings of that name."""
    given: dict[str, object] = {
        name: _imported(name, path) for name, path in config.executors.items()
    }
    given |= _mapping("executors", executors)
    slots: dict[str, object] = {
        **config.executor_slots,
        **_mapping("executor_slots", executor_slots),
    }
    for name in slots:
        if name not in given:
            near = nearest_name(name, given)
            hint = f", did you mean {near!r}?" if near else ""
            raise ConfigError(
                f"executor_slots: there is no executor {name!r}{hint}", field="executor_slots"
            )
    return tuple(
        Supply(_name(name), _executor(name, each), _slots(name, slots.get(name)))
        for name, each in given.items()
    )


def refuse_unfit(found: tuple[Supply, ...], registry: Registry) -> None:
    """Refuse tasks that want an executor which is not there, or which cannot be sent to it."""
    known = {supply.name: supply for supply in found}
    unknown: dict[str, list[str]] = {}
    for workflow in registry.workflows():
        for task in workflow.tasks:
            if task.executor is None:
                continue
            if (supply := known.get(task.executor)) is None:
                unknown.setdefault(task.executor, []).append(f"{workflow.namespace}::{task.id}")
            elif not supply.by_value:
                _refuse_unsendable(task, supply)
    if unknown:
        raise ConfigError(_unknown(unknown, list(known)), field="executors")


def _unknown(unknown: Mapping[str, list[str]], known: list[str]) -> str:
    wanted = "; ".join(f"{name!r} for {_named(tasks)}" for name, tasks in unknown.items())
    there = f"there are {', '.join(map(repr, known))}" if known else "none is given"
    return (
        f"executors: tasks want executors that this runner has not: {wanted}; {there}: "
        f"{HOW_TO_GIVE}"
    )


def _named(tasks: list[str]) -> str:
    more = [f"{len(tasks) - NAMED} more"] if len(tasks) > NAMED else []
    return ", ".join(tasks[:NAMED] + more)


def _refuse_unsendable(task: Task, supply: Supply) -> None:
    reason = why_task_not_by_name(task)
    if reason is None and supply.imports_main and task.function.__module__ == "__main__":
        reason = why_main_cannot_be_imported()
    if reason is not None:
        raise ConfigError(cannot_travel(task.id, supply.name, reason), field="executors")


# -- the arguments -------------------------------------------------------------------------------


def _mapping(field: str, given: object) -> dict[str, object]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise ConfigTypeError(
            f"{field} must be a mapping by name, not {type(given).__name__}", field=field
        )
    return dict(given)


def _name(name: object) -> str:
    if not isinstance(name, str):
        raise ConfigTypeError(
            f"executors: a name must be a str, not {type(name).__name__}", field="executors"
        )
    return name


def _executor(name: str, given: object) -> ExecutorLike | ByValue:
    inner = given.executor if isinstance(given, ByValue) else given
    if not isinstance(inner, Executor) and not callable(inner):
        raise ConfigTypeError(
            f"executors: {name!r} must be a concurrent.futures.Executor or a function that makes "
            f"one, not {type(inner).__name__}",
            field="executors",
        )
    return cast("ExecutorLike | ByValue", given)


def _slots(name: str, given: object) -> int | None:
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int):
        raise ConfigTypeError(
            f"executor_slots: {name!r} must be an int, not {type(given).__name__}",
            field="executor_slots",
        )
    if given < 1:
        raise ConfigError(
            f"executor_slots: {name!r} must be at least 1, got {given}", field="executor_slots"
        )
    return given


def _imported(name: str, path: str) -> object:
    """The object at ``package.module:name``."""
    module, _, name_there = path.partition(":")
    try:
        return attribute(import_module(module), name_there)
    except Exception as error:  # the module is the user's
        raise ConfigError(
            f"executors: {name!r} cannot be imported from {path!r}: {error}", field="executors"
        ) from error
