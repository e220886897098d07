"""The rows of child runs that the journal writes; forms as in ``run.rows``."""

from typing import Final, NamedTuple

from cloaca_core.store.batch import Kind
from cloaca_core.values.queue_names import DEFAULT_QUEUE


class ToldEnd(NamedTuple):
    """The parent of ``run_id`` is to be told of the end that this batch writes."""

    run_id: str


TOLD_ENDS: Final = Kind[ToldEnd]("told_ends")


class FailedParent(NamedTuple):
    """``run_id`` has waited for children. If this batch ends it as Failed, they are cancelled."""

    run_id: str


FAILED_PARENTS: Final = Kind[FailedParent]("failed_parents")


class NodeChild(NamedTuple):
    """The child run of a node of ``run_id``. It counts if its parent is still the runner's. It gets
    an ``owner`` as a ``NewRun`` does, unless its parent is to pause. ``queue``, ``asked_queue`` and
    ``trace`` are as in ``NewRun``. With ``replacements`` an ``OpenedNode`` comes with it: then it
    does not count if its parent is to pause, or has had another number of its keys replaced.
    """

    run_id: str
    id: str
    workflow: str
    version: str
    input: str
    tags: str
    idempotency_key: str
    created_at: int
    priority: int
    time_limit: int | None
    deadline_at: int | None
    queue: str = DEFAULT_QUEUE
    asked_queue: str | None = None
    trace: str | None = None
    owner: str | None = None
    replacements: int | None = None


NODE_CHILDREN: Final = Kind[NodeChild]("node_children", lambda child: len(child.input))
"""A commit answers with those that this runner owns."""


class OpenedNode(NamedTuple):
    """A node of ``run_id`` that has never begun opens in the commit that ends the task before it,
    with the child ``child_id`` or not at all. ``detail`` is that of its wait, ``replacements`` as
    in ``AttemptRow``.
    """

    run_id: str
    task_id: str
    attempt: int
    opened_at: int
    child_id: str
    detail: str
    replacements: int


OPENED_NODES: Final = Kind[OpenedNode]("opened_nodes")
"""A commit answers with those whose children the table has."""
