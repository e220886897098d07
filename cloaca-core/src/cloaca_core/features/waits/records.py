"""The rows of waits; forms as in ``run.rows``. Rows of messages are in ``store``."""

from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final, NamedTuple

from cloaca_core.run.rows import THE_TASK
from cloaca_core.store.batch import Kind


class WaitRow(NamedTuple):
    """An open wait of a run. Its key is (run_id, task_id, item, kind, name, number).

    ``name`` is the event; for an approval the node's id or the name that a body gives; for a sleep
    it is empty. ``number`` counts the waits of this kind and name in one attempt of a body, from 1;
    it is 0 for a node. ``attempt`` is the number of the task's attempt, ``input_hash`` is as in
    ``MemoRow``, empty for a node. The wait ends at ``due_at``, or (None) only by a message.
    ``detail`` is a JSON object for the people who answer it: an approval's prompt, choices, schema
    and default. ``timed_out`` is 1 once it was decided that its time is over: then no message ends
    it. ``answered`` is 1 if the message that ends a wait for an event or a person has come, and no
    runner has taken it yet; that is not stored, but read.
    """

    run_id: str
    task_id: str
    kind: str
    name: str
    number: int
    attempt: int
    input_hash: str
    opened_at: int
    due_at: int | None
    detail: str = "{}"
    timed_out: int = 0
    item: int = THE_TASK
    answered: int = 0

    @property
    def is_of_node(self) -> bool:
        """Whether a node waits, not a body."""
        return self.number == 0


class WaitTimeout(NamedTuple):
    """Decides that the time of an open wait is over, unless more than ``seen`` messages were sent
    to its run.
    """

    run_id: str
    task_id: str
    kind: str
    name: str
    number: int
    seen: int
    item: int = THE_TASK


class ClosedWait(NamedTuple):
    """Ends a wait: by the message with this id, or (None) by time, or because its task has
    ended.
    """

    run_id: str
    task_id: str
    kind: str
    name: str
    number: int
    message: str | None
    item: int = THE_TASK


key_of_wait: Final[Callable[[WaitRow | WaitTimeout | ClosedWait], tuple[Any, ...]]] = attrgetter(
    "run_id", "task_id", "item", "kind", "name", "number"
)
"""The key of a wait. Without a call of Python, as it is asked for each row."""

WAITS: Final = Kind[WaitRow]("waits", lambda wait: len(wait.detail))
TIMEOUTS: Final = Kind[WaitTimeout]("timeouts")
"""A commit answers with those that are timed out, now or before."""
CLOSED: Final = Kind[ClosedWait]("closed")
"""All three kinds are fenced. In a transaction waits that end come before timeouts, and timeouts
before new waits.
"""


class OpenApprovalRow(NamedTuple):
    """An open decision of people. ``detail``, ``name`` and ``item`` are as in ``WaitRow``."""

    run_id: str
    workflow: str
    task_id: str
    name: str
    opened_at: int
    due_at: int | None
    detail: str
    run_status: str
    tags: str
    item: int = THE_TASK
