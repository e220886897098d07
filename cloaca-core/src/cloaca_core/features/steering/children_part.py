"""Children of runs: the contract of how they follow their parents."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from cloaca_core.features.steering.records import Act, ChildRow, Parent, StoppedWithParent
from cloaca_core.store.protocol import KernelStore


class ChildStore(KernelStore, Protocol):
    """Runs and their children, which are cancelled, paused and resumed with them.

    An act on a run only marks it as one whose children have still to follow: ``News.parents`` has
    it until they do, or none is left. Children of an attached child that has ended follow it too,
    at any depth.
    """

    async def children(self, parent_ids: Collection[str]) -> list[ChildRow]:
        """The runs that these have submitted, without detached ones, in the order of the parents'
        ids, then of theirs. Only reads.
        """

    async def stopped_with_parents(self, run_ids: Collection[str]) -> list[StoppedWithParent]:
        """Those of these runs, without detached ones, whose parent is to be cancelled with its
        children, or was, by their ids. Of one whose parent has ended in its first round, and is
        not to be, it may be a run above that. Only reads.
        """

    async def paused_with_parents(self, run_ids: Collection[str]) -> list[StoppedWithParent]:
        """Those of these runs, by their ids, that have a parent and are paused; and those, without
        detached ones, whose parent is paused with its children and to which this pause has not
        come yet. Only reads.
        """

    async def ended_parents(self, run_ids: Collection[str]) -> list[Parent]:
        """Those of these runs that have ended and whose children are still to be cancelled, by
        their ids. Only reads.
        """

    async def children_under_way(
        self, parent_ids: Collection[str], limit: int
    ) -> list[tuple[str, str]]:
        """Up to ``limit`` (parent, child) of runs that these have submitted, and that have not
        ended, are not detached and not to be cancelled, in the order of the ids. Only reads.
        """

    async def descendants_under_way(
        self, parent_ids: Collection[str], limit: int
    ) -> list[tuple[str, str]]:
        """The same of runs whose own parents have ended: (run, descendant), where all between
        them have ended and are attached, and none is one of ``parent_ids``. Only reads.
        """

    async def children_out_of_step(
        self, parent_ids: Collection[str], limit: int
    ) -> list[tuple[str, str]]:
        """Up to ``limit`` (parent, child) of runs that these have submitted, that have not ended,
        are not detached and not to be cancelled, in the order of the ids. Only reads.

        Of a run that is paused with its children: those that are not paused on their own, and to
        which this pause has not come yet. Of any other: those that are paused with it still.
        """

    async def descendants_out_of_step(
        self, parent_ids: Collection[str], limit: int
    ) -> list[tuple[str, str]]:
        """The same of runs whose own parents have ended, as in ``descendants_under_way``. Only
        reads.
        """

    async def bring_into_step(self, parent_id: str, child_ids: Collection[str], act: Act) -> None:
        """Pause those of these children of a run, or of ended ones, that are out of step, with
        their own children and until the same instant, or resume them, as the run itself is. The
        others stay as they are.
        """

    async def forget_children(self, parent_ids: Collection[str]) -> None:
        """Note that the children of these runs, and of ended ones, are being cancelled, unless
        there are more of them under way, or the run has not ended. And that they are paused or go
        on as the runs do, unless some are out of step, or the run is paused and has an owner: its
        bodies may submit some.
        """
