"""Finds functions by module and name, as the workers of an executor do."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import MethodType
from typing import TYPE_CHECKING, Final, cast

from cloaca_core.errors import ExecutorError

if TYPE_CHECKING:
    from cloaca_core.definition.computation.invoked_graph import GraphBody
    from cloaca_core.definition.task import Task

HOW_TO_GIVE: Final = (
    "give it in a program as DefaultRunner(..., executors={...}), to cloaca worker in [executors] "
    "of cloaca.toml"
)
"""The end of an error about an executor that a runner lacks."""


def found(module: str, name: str) -> Callable[..., object]:
    """The function of this name in this process; imports its module. ``ExecutorError`` if it is not
    there.
    """
    try:
        function = attribute(sys.modules.get(module) or import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ExecutorError(
            f"the worker finds no {name} in the module {module}: {error}"
        ) from error
    except (Exception, SystemExit) as error:
        raise ExecutorError(
            f"the worker cannot import the module {module}: {type(error).__name__}: {error}"
        ) from error
    if not callable(function):
        raise ExecutorError(f"{name} of the module {module} is no function in the worker")
    return function


def attribute(holder: object, name: str) -> object:
    """The attribute of this dotted name; AttributeError if there is none."""
    for each in name.split("."):
        holder = getattr(holder, each)
    return holder


def why_task_not_by_name(task: Task) -> str | None:
    """The reason why another process cannot import the functions of a task, which are several if it
    invokes a computation graph; None if it can.
    """
    functions: tuple[Callable[..., object], ...] = (task.function,)
    if task.invokes is not None:
        functions = cast("GraphBody", task.function).functions
    return next((reason for each in functions if (reason := why_not_by_name(each))), None)


def why_not_by_name(function: Callable[..., object]) -> str | None:
    """The reason why another process cannot import this function; None if it can."""
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str):
        return f"{function!r:.200} is no function of a module"
    if "<" in name:
        return f"{name} is defined within a function"
    try:
        here = attribute(sys.modules[module], name)
    except (KeyError, AttributeError):
        return f"the module {module} has no {name}"
    if isinstance(function, MethodType):  # each look at a classmethod makes another object
        return None if here == function else f"{name} is bound to {function.__self__!r:.200}"
    if here is not function:
        return f"{name} of the module {module} is another object: it was defined again or wrapped"
    return None


def why_main_cannot_be_imported() -> str | None:
    """The reason why a spawned process has no functions of the program's main module; None if it
    has them. The rules are those of ``multiprocessing.spawn``.
    """
    main = sys.modules["__main__"]
    if (spec := getattr(main, "__spec__", None)) is not None:  # python -m
        name: str = spec.name
        return f"{name} is not imported by them" if name.split(".")[-1] == "__main__" else None
    file = getattr(main, "__file__", None)
    if file is None or not Path(file).exists():
        return "the program is no file that they can import"
    return None


def cannot_travel(task_id: str, executor: str, reason: str) -> str:
    """The error text for a task whose body no other process can import."""
    return (
        f"task {task_id!r} cannot run on executor {executor!r}, whose workers import it by name: "
        f"{reason}. Define it at the top of a module, under a name of its own, or give the "
        "executor as cloaca.executors.by_value(...), which sends functions with cloudpickle"
    )
