"""The JSON forms of answers about one run: commands and tools give the same.

Shapes what was read or done already; asks no client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cloaca_core.observe.listing import RunLine
    from cloaca_core.observe.tree import RunTree
    from cloaca_core.runner.handles import RunHandle
    from cloaca_core.runner.history import AttemptInfo
    from cloaca_core.runner.results import Steered

Form: TypeAlias = dict[str, Any]


def shown_form(
    line: RunLine, tree: RunTree, submitted_by: str | None, runners: Sequence[Form] = ()
) -> Form:
    """A run with all that a look at it tells, and beside that its tasks and children. ``runners``
    are those that have run its attempts, in the form of ``ran_in``.
    """
    below = {name: each for name, each in tree.to_dict().items() if name != "run"}
    return {**line.to_dict(), "submitted_by": submitted_by, "ran_in": list(runners), **below}


def ran_in(attempts: Iterable[AttemptInfo]) -> list[Form]:
    """The runners that have run these attempts, each once, with their processes and hosts."""
    found = {each.runner: each for each in attempts if each.runner is not None}
    return [
        {"runner": runner, "process": each.process, "host": each.host}
        for runner, each in found.items()
    ]


def submitted_form(run: RunHandle) -> Form:
    """A run that was submitted; not ``created`` if its key had been submitted before."""
    return {"id": run.id, "created": run.created}


def forked_form(run: RunHandle, source_id: str) -> Form:
    """A run that was made of another one."""
    return {**submitted_form(run), "forked_from": source_id}


def steered_form(run_id: str, done: Steered) -> Form:
    """A run, its state after an order, and whether the order has changed it."""
    return {"id": run_id, "status": done.status, "changed": done.changed}
