"""Follow-ups: the contract of runs that follow the ends of others."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from cloaca_core.features.follow_ups.records import FollowUpRow
from cloaca_core.store.protocol import KernelStore


class FollowUpStore(KernelStore, Protocol):
    """Runs that follow the ends of others.

    One is inserted by the transaction that ends a run, for each ``WhenEndedRow`` of the state in
    which it ends, once in each round of the run, also if that transaction is sent again. It has no
    owner, no parent, no tags and priority 0, and is claimable since the end. Its input is the
    row's content with the run's id, its state and its error; its version is the newest that is
    recorded, or empty.

    The rows are those of ``Batch.follow_ups`` for the ends of a commit. All else that ends a run
    (``cancel``, ``expire``, the cancellations of a commit, ``release``, ``unregister``,
    ``take_over``) goes by those of the newest recorded version of its workflow.
    """

    async def follow_ups(self, run_ids: Collection[str]) -> list[FollowUpRow]:
        """The runs that follow ends of these runs, and those of these runs that follow others; by
        id.
        """
