"""Waits and messages: the contract of the waits of runs, and of how they end."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from cloaca_core.features.maps.part import MapStore
from cloaca_core.features.steering.part import SteeringStore
from cloaca_core.features.waits.records import OpenApprovalRow, WaitRow
from cloaca_core.store.messages import MessageRow, NewMessage, Sent


class WaitStore(SteeringStore, Protocol):
    """Waits and messages.

    ``commit`` writes them. A wait replaces a wait with its key. A timeout is written, and named in
    the answer, unless more than ``seen`` messages were sent to the run, or one of its messages has
    no number yet. A closed wait is deleted, and its message is read; one without a number gets the
    number of the next message, which orders nothing. Deletions come before timeouts, and timeouts
    before new waits. A message to a new run has number 1, and is written
    only with the run: an earlier run, or an earlier run with the same key, does not get it.

    The messages of a run are ordered by numbers, which are given under the lock of the run: of a
    message and a commit of the run's owner the second sees the first. A message stays unread until
    the commit that closes a wait with it.
    """

    async def waits(self, run_ids: Collection[str]) -> list[WaitRow]:
        """The open waits of these runs, by their keys. Only reads."""

    async def messages(self, run_ids: Collection[str], after: int = 0) -> list[MessageRow]:
        """The unread messages of these runs that have a number above ``after``, by run and number.
        Only reads.
        """

    async def sent(self, run_id: str, limit: int) -> list[MessageRow]:
        """The first messages of a run, read ones included, by number; messages without a number are
        last, by id. Only reads.
        """

    async def send(self, message: NewMessage, most: int) -> Sent | None:
        """Add a message to a run. Its number follows the numbers that ``number_messages`` gives to
        other messages of the run. None if there is no such run, or its tree is being pruned.

        Refused, in this order, unless the message was added before: if the run has ended ("ended");
        if it is an ``approval`` that was decided ("decided"): of the task or the item that it is
        for as many messages of this kind and name are unread as waits are open, and there are some;
        or its wait has timed out; or it has no open wait and the latest attempt of the node of its
        name is final; if it is an ``approval`` without an open wait ("not_open"); if ``most``
        messages of the run are unread ("full").

        A run without an owner that has an open wait that the message may end is due now, in the
        order of claims since ``sent_at``; it may still be paused. An owner is notified by
        ``News.mail`` and by ``Committed.messages``.

        A message that was added is an act on its run, with the message's id: ``send``, or
        ``approve`` for an ``approval``, by ``sent_by`` (or the empty text); the act's reason is the
        message's ``reason`` or its name. The first message of a new run is no act, it is a part of
        the submission.
        """

    async def open_approvals(
        self, limit: int, workflow: str | None = None
    ) -> list[OpenApprovalRow]:
        """Up to ``limit`` open approvals of runs that have not ended and are not being cancelled,
        oldest first. No unread message is for them, and their time is not over. Only reads.
        """


class AddressStore(WaitStore, MapStore, Protocol):
    """Messages, and the maps to whose items they may be sent."""
