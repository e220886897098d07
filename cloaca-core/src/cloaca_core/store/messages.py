"""The rows of messages to runs; forms as in ``run.rows``.

A run counts its messages in its own row; commits of the run read that count. The feature that waits
for a message decides its effect.
"""

from typing import Final, NamedTuple

from cloaca_core.run.rows import THE_TASK
from cloaca_core.store.batch import Kind


class NewMessage(NamedTuple):
    """A message to a run. The caller makes the ``id``: the same message, repeated, changes nothing;
    nor does another message of this kind and name with the same ``dedupe_key``. ``payload`` is JSON
    text; ``sent_by`` names a person, or is None. ``reason`` is the text for people in the list of
    acts, None for the message's name. ``for_task`` and ``for_item`` name the task, or the item of a
    map, that gets it; without ``for_task`` the first that waits does. A decision names its task.
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
    for_task: str | None = None
    for_item: int = THE_TASK


MESSAGES: Final = Kind[NewMessage]("messages", lambda message: len(message.payload))
"""First messages to new runs of the batch, at most one to each."""


class MessageRow(NamedTuple):
    """A message of a run. ``number`` is its place in the order of the run's messages, from 1; it is
    0 for a message without a number, which a user's transaction or the end of a child has
    written. ``taken_by`` is the task whose wait has consumed it, None for an unread message.
    ``for_task`` and ``for_item`` are as in ``NewMessage``.
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
    for_task: str | None = None
    for_item: int = THE_TASK


class Sent(NamedTuple):
    """The effect of a message. ``status`` is the status of its run at that time. ``number`` is the
    number of the message, or of the earlier message with its key (0 if it has none yet, in a user's
    transaction); None if it was refused, because of ``refusal``: "ended" (the run is over), "full"
    (too many are unread), "not_open" (no such decision is open) or "decided" (it was taken
    already). ``changed`` is false for a message that was sent before.
    """

    status: str
    number: int | None
    changed: bool
    refusal: str = ""
