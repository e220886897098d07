"""The limits that a program defines, and those that it uses without a definition. Pure.

A limit is defined by a ``Limit`` that a task or a workflow uses, or that is registered by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from cloaca_core.errors import DefinitionError
from cloaca_core.values.arguments import nearest_name
from cloaca_core.values.namespace import SEPARATOR

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from cloaca_core.definition.limits.limit import Limit, LimitUse

LARGEST_LIST = 5
"""Number of users of a limit that a message names."""


class LimitedTask(Protocol):
    """A task, or the record of one."""

    @property
    def id(self) -> str:
        """Its name in the workflow."""

    @property
    def limits(self) -> tuple[LimitUse, ...]:
        """The limits that it uses."""


class LimitedWorkflow(Protocol):
    """A workflow with its code, or the record of one."""

    @property
    def namespace(self) -> str:
        """Its full name."""

    @property
    def tasks(self) -> Sequence[LimitedTask]:
        """In definition order."""

    @property
    def limits(self) -> tuple[LimitUse, ...]:
        """The limits of its runs."""


class UnknownLimit(NamedTuple):
    """The name of a limit that is not defined here, and the tasks and workflows that use it, by
    their full names.
    """

    name: str
    users: tuple[str, ...]


def limits_of(
    namespace: str, tasks: Iterable[LimitedTask], of_runs: Iterable[LimitUse]
) -> dict[str, Limit]:
    """The limits that a workflow defines, by their names; refuses two of the same name."""
    found: dict[str, Limit] = {}
    users: dict[str, str] = {}
    for user, use in _uses(namespace, tasks, of_runs):
        if use.limit is None:
            continue
        known = found.setdefault(use.name, use.limit)
        if known != use.limit:
            raise _defined_twice((users[use.name], known), (user, use.limit))
        users.setdefault(use.name, user)
    return found


def check_alike(
    owner: str, limits: Mapping[str, Limit], others: Iterable[tuple[str, Mapping[str, Limit]]]
) -> None:
    """Refuse limits of ``owner`` that another owner defines in another way."""
    for other, known in others:
        for name in limits.keys() & known.keys():
            if limits[name] != known[name]:
                raise _defined_twice((other, known[name]), (owner, limits[name]))


def _defined_twice(first: tuple[str, Limit], second: tuple[str, Limit]) -> DefinitionError:
    (owner, limit), (other, differs) = first, second
    return DefinitionError(
        f"limit {limit.name!r} is defined twice: {limit!r} by {owner}, and {differs!r} by {other}; "
        "define it once, and use that object or its name elsewhere"
    )


# -- unknown limits ------------------------------------------------------------------------------


def unknown_limits(
    workflows: Iterable[LimitedWorkflow], defined: Iterable[Limit]
) -> tuple[UnknownLimit, ...]:
    """The limits that workflows use and that are not among the defined ones, by name."""
    known = {limit.name for limit in defined}
    users: dict[str, list[str]] = {}
    for workflow in workflows:
        for user, use in _uses(workflow.namespace, workflow.tasks, workflow.limits):
            if use.name not in known:
                users.setdefault(use.name, []).append(user)
    return tuple([UnknownLimit(name, tuple(users[name])) for name in sorted(users)])


def refused_limits(unknown: Iterable[UnknownLimit], known: Iterable[str]) -> DefinitionError:
    """Make the error for limits that are not defined anywhere; the caller raises it. ``known`` are
    the names of those that are.
    """
    names = list(known)
    return DefinitionError("; ".join([_refused(each, names) for each in unknown]))


def _refused(unknown: UnknownLimit, known: list[str]) -> str:
    near = nearest_name(unknown.name, known)
    hint = f" (did you mean {near!r}?)" if near else ""
    users = ", ".join(unknown.users[:LARGEST_LIST])
    more = len(unknown.users) - LARGEST_LIST
    return (
        f"limit {unknown.name!r} of {users}{f' and {more} more' if more > 0 else ''} is not "
        f"defined{hint}: define it with cloaca.Limit({unknown.name!r}, ...)"
    )


def _uses(
    namespace: str, tasks: Iterable[LimitedTask], of_runs: Iterable[LimitUse]
) -> Iterator[tuple[str, LimitUse]]:
    """Each use of a limit in a workflow, with the full name of its user."""
    for use in of_runs:
        yield namespace, use
    for task in tasks:
        for use in task.limits:
            yield f"{namespace}{SEPARATOR}{task.id}", use
