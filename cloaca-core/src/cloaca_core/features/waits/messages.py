"""Sends messages to runs: events, and people's decisions.

The store gives each message its number in its run, and wakes the run. A run of this program
receives it before the call returns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cloaca_core.engine.runtime import failpoints
from cloaca_core.errors import ConfigError, no_run
from cloaca_core.features.waits.decisions import Decision, asked_in, refuse_wrong
from cloaca_core.features.waits.message_refusals import MessageRefusals
from cloaca_core.values.waits import APPROVAL

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloaca_core.engine.observe.run_reader import RunReader
    from cloaca_core.engine.subjects import Subjects
    from cloaca_core.features.waits.part import WaitStore
    from cloaca_core.features.waits.records import WaitRow
    from cloaca_core.store.messages import NewMessage, Sent
    from cloaca_core.values.ids import RunIds

MOST_UNREAD: Final = 10_000
"""The largest number of unread messages of a run."""


class Messages:
    """Belongs to the engine's loop. ``came`` is called with each new message and its number: its
    run may belong to this program.
    """

    def __init__(
        self,
        store: WaitStore,
        reader: RunReader,
        ids: RunIds,
        came: Callable[[NewMessage, int], None],
        subjects: Subjects,
    ) -> None:
        self._store = store
        self._refusals = MessageRefusals(store, reader, MOST_UNREAD)
        self._ids = ids
        self._came = came
        self._subjects = subjects

    async def send(self, message: NewMessage) -> Sent:
        """Send a message, or find that it was sent before. Raises ``RunNotFoundError``,
        ``RunEndedError`` or ``MailboxFullError`` if the run takes none.
        """
        if failpoints.watches:
            failpoints.hit("send.before_commit")
        sent = await self._store.send(message, MOST_UNREAD)
        if failpoints.watches:
            failpoints.hit("send.after_commit")
        if sent is None:
            raise no_run(message.run_id)
        if sent.number is None:
            raise await self._refusals.of(message, sent)
        if sent.changed:
            self._came(message, sent.number)
        self._subjects.claimable.publish()
        return sent

    async def decide(self, run_id: str, decision: Decision) -> Sent:
        """Send the decision of an open approval, which must offer it."""
        wait = await self._open_wait(run_id, decision.name)
        if wait is None or wait.timed_out:
            raise await self._refusals.of_decision(run_id, decision.name, wait)
        try:
            refuse_wrong(decision, asked_in(wait.detail))
        except ConfigError as wrong:
            raise await self._refusals.of_wrong_decision(run_id, decision.name, wrong) from None
        return await self.send(decision.message(self._ids.next(), run_id, self._store.wall()))

    async def _open_wait(self, run_id: str, name: str) -> WaitRow | None:
        """The first approval with this name; an approval whose time is over only if there is no
        other.
        """
        waits = await self._store.waits([run_id])
        asked = [each for each in waits if (each.kind, each.name) == (APPROVAL, name)]
        return min(asked, key=lambda each: each.timed_out, default=None)
