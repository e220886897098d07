"""Sends messages to runs: events, and people's decisions.

The store gives each message its number in its run, and wakes the run. A run of this program
receives it before the call returns.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from cloaca_core.engine.runtime import failpoints
from cloaca_core.errors import ConfigError, TaskNotFoundError, no_run
from cloaca_core.features.maps.names import item_at
from cloaca_core.features.waits.decisions import Decision, asked_in, refuse_wrong
from cloaca_core.features.waits.message_refusals import MessageRefusals, Subject
from cloaca_core.run.rows import THE_TASK

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloaca_core.engine.observe.run_reader import RunReader
    from cloaca_core.engine.subjects import Subjects
    from cloaca_core.features.maps.names import ItemAt, ItemRef
    from cloaca_core.features.waits.part import AddressStore
    from cloaca_core.features.waits.records import WaitRow
    from cloaca_core.store.messages import NewMessage, Sent
    from cloaca_core.values.ids import RunIds

MOST_UNREAD: Final = 10_000
"""The largest number of unread messages of a run."""


class Messages:
    """Belongs to the engine's loop. ``came`` is called with each new message and its number: its
    run may belong to this program. It returns whether the run is here and has heard of the message.
    """

    def __init__(
        self,
        store: AddressStore,
        reader: RunReader,
        ids: RunIds,
        came: Callable[[NewMessage, int], bool],
        subjects: Subjects,
    ) -> None:
        self._store = store
        self._refusals = MessageRefusals(store, reader, MOST_UNREAD)
        self._ids = ids
        self._came = came
        self._subjects = subjects

    async def send(self, message: NewMessage, item: ItemRef | None = None) -> Sent:
        """Send a message, to an ``item`` of a map if one is given; or find that it was sent before.
        Raises ``RunNotFoundError``, ``RunEndedError`` or ``MailboxFullError`` if the run takes
        none, ``TaskNotFoundError`` if it has no such item.
        """
        if item is not None:
            to = await self._item(message.run_id, item)
            reason = f"{message.name} for {to.name}"
            message = message._replace(for_task=to.task, for_item=to.item, reason=reason)
        sent = await self._add(message)
        if sent.number is None:
            raise self._refusals.of(message, sent)
        return sent

    async def decide(self, run_id: str, decision: Decision, item: ItemRef | None = None) -> Sent:
        """Send the decision of an open approval, which must offer it: of an ``item`` of a map, or
        of the first that is not decided.
        """
        to = None if item is None else await self._item(run_id, item)
        subject = Subject(run_id, decision.name, to)
        undecided = await self._undecided(subject)
        waits = undecided or await self._asked(subject)
        refused: list[WaitRow] = []
        while True:
            wait = min(waits, key=lambda each: each.timed_out, default=None)
            if wait is None or wait.timed_out:
                raise await self._refusals.of_decision(subject, wait)
            try:
                refuse_wrong(decision, asked_in(wait.detail))
            except ConfigError as wrong:
                if wait in undecided:
                    raise
                raise await self._refusals.of_wrong_decision(subject, wrong) from None
            message = decision.message(self._ids.next(), wait, self._store.wall(), _name(wait, to))
            sent = await self._add(message)
            if sent.number is not None:
                return sent
            refused.append(wait)
            if sent.refusal in ("decided", "not_open"):  # since it was found open
                open_now = await self._undecided(subject)
                waits = undecided = [each for each in open_now if each not in refused]
            if not waits or sent.refusal not in ("decided", "not_open"):
                raise await self._refusals.of_refused(subject, sent)

    async def _add(self, message: NewMessage) -> Sent:
        """Have a message stored, and tell its run of it."""
        if failpoints.watches:
            failpoints.hit("send.before_commit")
        sent = await self._store.send(message, MOST_UNREAD)
        if failpoints.watches:
            failpoints.hit("send.after_commit")
        if sent is None:
            raise no_run(message.run_id)
        if sent.number is None:
            return sent
        if sent.changed and self._came(message, sent.number):
            self._subjects.display_changed.publish()
        else:
            self._subjects.claimable.publish()
        return sent

    async def _item(self, run_id: str, item: ItemRef) -> ItemAt:
        try:
            return await item_at(self._store, run_id, item)
        except TaskNotFoundError:
            if await self._store.get_run(run_id) is None:
                raise no_run(run_id) from None
            raise

    async def _asked(self, subject: Subject) -> list[WaitRow]:
        """The approvals that are meant, the first ones first; also those whose time is over."""
        return [wait for wait in await self._store.waits([subject.run_id]) if subject.is_of(wait)]

    async def _undecided(self, subject: Subject) -> list[WaitRow]:
        """The approvals that are meant and have no unread decision."""
        unread = await self._store.messages([subject.run_id])
        decided = Counter((each.for_task, each.for_item) for each in unread if subject.names(each))
        left = []
        for wait in await self._asked(subject):
            if wait.timed_out:
                continue
            if decided[wait.task_id, wait.item]:
                decided[wait.task_id, wait.item] -= 1
            else:
                left.append(wait)
        return left


def _name(wait: WaitRow, item: ItemAt | None) -> str | None:
    """The name of the item whose body waits; None for a node or another body."""
    if item is not None:
        return item.name
    return None if wait.item == THE_TASK else f"{wait.task_id}[{wait.item}]"
