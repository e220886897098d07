"""Follow-ups: the contract of runs that follow the ends of others."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from cloaca_core.features.follow_ups.records import FollowUpRow
from cloaca_core.store.protocol import KernelStore


class FollowUpStore(KernelStore, Protocol):
    """Runs that follow the ends of others.

    The transaction that ends a run inserts one for each ``WhenEndedRow`` of the run's final status;
    once in each round of the run, also if that transaction is repeated. It has no owner, no parent,
    no tags and priority 0, and is claimable since the end. Its input is the row's content with the
    run's id, its status and its error; its version is the newest recorded one, or empty.

    For the ends of a commit, the rows are in ``Batch.follow_ups``. All other operations that end a
    run (``cancel``, ``expire``, the cancellations of a commit, ``release``, ``unregister``,
    ``take_over``) use the rows of the newest recorded version of its workflow.
    """

    async def follow_ups(self, run_ids: Collection[str]) -> list[FollowUpRow]:
        """The runs that follow ends of these runs, and the runs among these that follow others; by
        id.
        """
