"""Runs that follow the ends of a workflow's runs: the arguments of ``WorkflowBuilder.when_ended``.

Refuses wrong arguments at that call, but for the name of a workflow that is registered nowhere: a
program that has it may come later.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from cloaca_core.definition.context import ContextLike, items_of
from cloaca_core.errors import DefinitionError
from cloaca_core.values.arguments import one_of, text, wrong_type
from cloaca_core.values.namespace import SEPARATOR, check_name
from cloaca_core.values.option_names import RunStatus

_ENDS: Final[dict[str, RunStatus]] = {
    "Completed": "Completed",
    "Failed": "Failed",
    "Cancelled": "Cancelled",
}
_OF_THE_END: Final = ("run_id", "workflow_name", "status", "error")
"""Keys of the input with facts about the run that has ended."""


@dataclass(frozen=True, slots=True)
class WhenEnded:
    """A run of ``submit`` follows each run of a workflow that ends in one of ``statuses``.

    ``submit`` is a full name. The input of the new run is ``context``, and ``run_id``,
    ``workflow_name``, ``status`` and ``error`` of the run that has ended.
    """

    statuses: tuple[RunStatus, ...]
    submit: str
    context: Mapping[str, Any]


def read_when_ended(
    namespace: str, statuses: object, submit: object, context: ContextLike
) -> WhenEnded:
    """Check what is to follow runs of the workflow with this full name."""
    items = items_of(context)
    if taken := [key for key in _OF_THE_END if key in items]:
        raise DefinitionError(
            f"context must not have the keys {', '.join(_OF_THE_END)}, which tell of the run that "
            f"has ended; it has {', '.join(taken)}"
        )
    found = WhenEnded(_statuses(statuses), _full_name(namespace, submit), MappingProxyType(items))
    if found.submit == namespace and "Cancelled" in found.statuses:
        raise DefinitionError(
            f"submit={submit!r}: a run that follows the cancel of a run of its own workflow could "
            "never be stopped, as each cancel would make the next one"
        )
    return found


def _statuses(given: object) -> tuple[RunStatus, ...]:
    if isinstance(given, str):
        return (one_of("statuses", given, _ENDS),)
    if isinstance(given, bytes | Mapping) or not isinstance(given, Iterable):
        raise wrong_type("statuses", f"one or several of {', '.join(_ENDS)}", given)
    found = dict.fromkeys([one_of("statuses", each, _ENDS) for each in given])
    if not found:
        raise DefinitionError(f"statuses must name one or several of {', '.join(_ENDS)}")
    return tuple(found)


def _full_name(namespace: str, submit: object) -> str:
    """The full name of a workflow; a short one is of the same tenant and package."""
    name = text("submit", submit)
    if SEPARATOR not in name:
        tenant, package, _ = namespace.split(SEPARATOR)
        return SEPARATOR.join((tenant, package, check_name(name, "submit")))
    parts = name.split(SEPARATOR)
    if len(parts) != 3:
        raise DefinitionError(
            f"submit must be a workflow's name, or its full one, tenant::package::workflow; "
            f"got {name!a:.300}"
        )
    return SEPARATOR.join([check_name(part, "submit") for part in parts])
