"""Child runs as a body asks for them, by ``run_workflow`` and ``start_workflow`` of its handle."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cloaca_core.definition.submission import StartOptions
from cloaca_core.values.namespace import check_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloaca_core.definition.context import ContextLike
    from cloaca_core.values.times.durations import Duration
    from cloaca_core.values.times.no_limit import NoLimit


class ChildCall(NamedTuple):
    """A child run as a body asks for it. ``kind`` is one of ``values.child_kinds``. A body that
    runs again finds the child by ``key``, or (None) by the number of the call and the child's
    input.
    """

    kind: str
    workflow_name: str
    context: ContextLike
    key: str | None
    tags: Mapping[str, str] | None
    time_limit: Duration | NoLimit | None
    priority: int | None
    queue: str | None

    @property
    def start(self) -> StartOptions:
        """The options of its start."""
        return StartOptions(self.priority, queue=self.queue)


class BegunChild(NamedTuple):
    """A child run that is in the table. ``round`` is the one that it was in when the body asked;
    ``is_complete`` says that it had completed by then.
    """

    run_id: str
    round: int
    is_complete: bool = False


def child_call(
    kind: str,
    workflow_name: str,
    context: ContextLike,
    key: str | None,
    tags: Mapping[str, str] | None,
    time_limit: Duration | NoLimit | None,
    priority: int | None,
    queue: str | None,
) -> ChildCall:
    """A call whose key was checked: the rest is checked where runs are submitted."""
    if key is not None:
        check_name(key, "key")
    return ChildCall(kind, workflow_name, context, key, tags, time_limit, priority, queue)
