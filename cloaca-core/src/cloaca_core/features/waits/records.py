"""The rows of what runs wait for, and of messages to them; forms as in ``runs``."""

from typing import Final, NamedTuple

from cloaca_core.store.batch import Kind


class WaitRow(NamedTuple):
    """An open wait of a run. Its key is (run_id, task_id, kind, name, number).

    ``name`` is the event, for an approval the node's id or what a body calls it, for a sleep empty.
    ``number`` says how often a body has met that kind and name in one attempt, from 1; it is 0 for
    a node. ``attempt`` is that of the task, and ``input_hash`` as in ``MemoRow``, empty for a node.
    It ends at ``due_at``, or (None) only by a message. ``detail`` is a JSON object that people need
    who answer it: an approval's prompt, choices, schema and default. ``timed_out`` is 1 once it was
    decided that its time is over: no message ends it any more.
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

    @property
    def is_of_node(self) -> bool:
        """Whether a node waits, not a body."""
        return self.number == 0


class WaitTimeout(NamedTuple):
    """Decides that the time of an open wait is over, unless more messages than the ``seen`` ones
    were sent to its run.
    """

    run_id: str
    task_id: str
    kind: str
    name: str
    number: int
    seen: int


class ClosedWait(NamedTuple):
    """Ends a wait: by the message of this number in its run, or (None) by time, or because its task
    has ended.
    """

    run_id: str
    task_id: str
    kind: str
    name: str
    number: int
    message: int | None


class NewMessage(NamedTuple):
    """A message to a run. ``id`` is made by the caller: the same message, sent again, changes
    nothing; nor does another one of this kind and name with the same ``dedupe_key``. ``payload`` is
    JSON text; ``sent_by`` names a person, or is None. ``reason`` is the text with which people read
    it among the acts, None for its name.
    """

    id: str
    run_id: str
    kind: str
    name: str
    payload: str
    dedupe_key: str | None
    sent_by: str | None
    sent_at: int
    reason: str | None = None


WAITS: Final = Kind[WaitRow]("waits", lambda wait: len(wait.detail))
TIMEOUTS: Final = Kind[WaitTimeout]("timeouts")
"""A commit answers with those of which it is decided now, or was, that their time is over."""
CLOSED: Final = Kind[ClosedWait]("closed")
"""These three are fenced. In a transaction waits that end come before timeouts, and both before
new waits.
"""
MESSAGES: Final = Kind[NewMessage]("messages", lambda message: len(message.payload))
"""First messages to new runs of the batch, at most one to each."""


class MessageRow(NamedTuple):
    """A message of a run, by the ``number`` that it has in its order, from 1. It is 0 for a message
    that a user's transaction has written and that has no number yet. ``taken_by`` is the task whose
    wait has consumed it, None for one that is unread.
    """

    run_id: str
    number: int
    id: str
    kind: str
    name: str
    payload: str
    dedupe_key: str | None
    sent_by: str | None
    sent_at: int
    taken_by: str | None


class Sent(NamedTuple):
    """What came of a message. ``status`` is that of its run then. ``number`` is that of the
    message, or of the earlier one with its key (0 if it has none yet, in a user's transaction);
    None if it was refused, because of ``refusal``: "ended" (the run is over), "full" (too many are
    unread), "not_open" (no such decision is open) or "decided" (it was taken already). ``changed``
    is false for a message that was there already.
    """

    status: str
    number: int | None
    changed: bool
    refusal: str = ""


class OpenApprovalRow(NamedTuple):
    """A decision that people have to take; ``detail`` and ``name`` are as in ``WaitRow``."""

    run_id: str
    workflow: str
    task_id: str
    name: str
    opened_at: int
    due_at: int | None
    detail: str
    run_status: str
    tags: str
