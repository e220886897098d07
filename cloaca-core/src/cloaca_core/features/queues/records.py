"""The rows of queues; forms as in ``run.rows``."""

from typing import Final, NamedTuple

from cloaca_core.store.batch import Kind


class InQueue(NamedTuple):
    """A run is in this queue from now on, and stays with its owner. ``overdue_at`` is as in
    ``Park``.
    """

    run_id: str
    queue: str
    overdue_at: int | None = None


IN_QUEUES: Final = Kind[InQueue]("in_queues")


class Overdue(NamedTuple):
    """A run that waits for a runner, and the instant at which its time limit passes."""

    at: int
    run_id: str


class Backlog(NamedTuple):
    """The claimable runs of a workflow in a queue, as far as they were counted; the first of them
    waits since ``oldest``.
    """

    workflow: str
    queue: str
    waiting: int
    oldest: int


class QueueLoad(NamedTuple):
    """A queue that has runs: how many of them may be claimed, as far as they were counted, and how
    many runners own. ``oldest`` is the instant since which the first claimable run waits, None
    without one.
    """

    name: str
    waiting: int
    running: int
    oldest: int | None
