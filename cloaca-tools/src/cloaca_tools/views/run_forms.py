"""The JSON forms of acts on a run: commands and tools give the same.

Shapes answers; calls no client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from cloaca_core.client.handles import RunHandle
    from cloaca_core.features.steering.results import Steered

Form: TypeAlias = dict[str, Any]


def submitted_form(run: RunHandle) -> Form:
    """A run that was submitted; not ``created`` if its key had been submitted before."""
    return {"id": run.id, "created": run.created}


def forked_form(run: RunHandle, source_id: str) -> Form:
    """A run that was made of another one."""
    return {**submitted_form(run), "forked_from": source_id}


def steered_form(run_id: str, done: Steered) -> Form:
    """A run, its state after an order, and whether the order has changed it."""
    return {"id": run_id, "status": done.status, "changed": done.changed}
