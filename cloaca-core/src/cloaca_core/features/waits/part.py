"""Waits and messages: the contract of what runs wait for, and of how it comes."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from cloaca_core.features.steering.part import SteeringStore
from cloaca_core.features.waits.records import OpenApprovalRow, WaitRow
from cloaca_core.store.messages import MessageRow, NewMessage, Sent


class WaitStore(SteeringStore, Protocol):
    """Waits and messages.

    ``commit`` writes them. A wait replaces one with its key. A timeout is written, and named in the
    answer, unless more messages than the ``seen`` ones were sent to the run, or one of it has no
    number yet. A closed wait is deleted, and its message is read; deletions come before timeouts,
    and these before new waits. A message to a new run is number 1 of it, and is written only with
    the run: one that was there before, or that has its key, does not get it.

    The messages of a run have an order, which is given under the lock of the run: of a message and
    a commit of the run's owner the second sees the first. A message stays unread until the commit
    that closes a wait with it.
    """

    async def waits(self, run_ids: Collection[str]) -> list[WaitRow]:
        """The open waits of these runs, by their keys. Only reads."""

    async def messages(self, run_ids: Collection[str], after: int = 0) -> list[MessageRow]:
        """The unread messages of these runs that have a number above ``after``, by run and number.
        Only reads.
        """

    async def sent(self, run_id: str, limit: int) -> list[MessageRow]:
        """The first messages of a run, read ones included, by number; those without one are last,
        by id. Only reads.
        """

    async def send(self, message: NewMessage, most: int) -> Sent | None:
        """Add a message to a run, with the next number after those that ``number_messages`` gives
        to messages of the run; None if there is no such run, or its tree is being pruned.

        Refused, in this order, unless the message is there: if the run has ended ("ended"); if it
        is an ``approval`` that is not open: one of this kind and name is unread, or its wait has
        timed out, or it has no open wait and the latest attempt of its task is final ("decided"),
        else without an open wait ("not_open"); if ``most`` messages of the run are unread ("full").
        A run without an owner that has an open wait of this kind and name is due now, in the order
        of claims since ``sent_at``; it may still be paused. An owner is told by ``News.mail`` and
        by ``Committed.messages``.

        A message that was added is an act on its run, with its own id: ``send``, or ``approve`` for
        an ``approval``, by ``sent_by`` (or the empty text), its ``reason`` or its name being that
        of the act. The first message of a new run is none, it is a part of the submission.
        """

    async def open_approvals(
        self, limit: int, workflow: str | None = None
    ) -> list[OpenApprovalRow]:
        """Up to ``limit`` open approvals of runs that have not ended and are not to be cancelled,
        oldest first: no message of their kind and name came since they were opened, and their time
        is not over. Only reads.
        """
