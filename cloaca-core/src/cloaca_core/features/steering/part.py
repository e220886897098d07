"""Steering: the contract of acts on runs and workflows, of how owners are notified, and of how
children follow their parents.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from cloaca_core.features.steering.records import (
    Act,
    ActSearch,
    ChildRow,
    News,
    Parent,
    PauseRow,
    StoppedWithParent,
)
from cloaca_core.run.rows import ReplacementRow
from cloaca_core.store.acts import Acted, ActRow
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


class PausedWorkflowStore(KernelStore, Protocol):
    """Acts on workflows, which are noted as those on runs are (see ``SteeringStore``)."""

    async def pause_workflow(self, workflow: str, act: Act, until: int | None) -> bool:
        """Have no run of this workflow claimed; false if that was so already. Runs keep their
        states and owners, new ones are inserted without owner. A claim or commit that is under way
        may still take some.
        """

    async def resume_workflow(self, workflow: str, act: Act) -> bool:
        """Let runs of this workflow be claimed again; false if it was not paused."""

    async def end_pause_of_workflow(self, workflow: str, act: Act) -> bool:
        """Resume it if its pause has come to its end by ``act.now``; else that is not noted."""

    async def paused_workflows(self) -> dict[str, int | None]:
        """Workflows that are paused, and until when. Only reads."""

    async def pauses(self) -> list[PauseRow]:
        """The pauses of workflows, by workflow, each with the act that began it. Only reads."""


class SteeringStore(ChildStore, PausedWorkflowStore, Protocol):
    """Wishes about runs.

    An act is noted once for each run, under the id that its caller made; sent again it changes
    nothing. Answers have no entry for a run that is not there. Of two concurrent acts on one run
    the second sees the first; of an act and a commit of the owner as well.
    """

    async def cancel(
        self,
        run_ids: Collection[str],
        act: Act,
        deadline: int,
        *,
        children: bool,
        parent_id: str | None = None,
    ) -> dict[str, Acted]:
        """Cancel runs.

        One without an owner that has not ended is Cancelled now: its input is the final context,
        ``act.because`` its error, epoch + 1, and what waits behind it may start. One with an owner
        is Cancelling, and its owner is to end it by ``deadline``; an earlier deadline holds, and a
        second act changes nothing else. With ``children``, ``News.parents`` has the run as long as
        children of it are under way. With ``parent_id``, nothing is done once that run is not among
        those parents any more: then its next round may have begun.
        """

    async def not_begun(self, now: int, limit: int) -> list[str]:
        """Up to ``limit`` runs that have not begun by their ``start_by``, which is ``now`` or
        earlier, those first that were to begin first. Only reads.
        """

    async def expire(self, run_ids: Collection[str], act: Act) -> dict[str, Acted]:
        """Cancel each of these runs that has not begun by its ``start_by``, which is ``act.now`` or
        earlier; other runs are not in the answer. Either a claim or this call wins.
        """

    async def pause(
        self, run_ids: Collection[str], act: Act, until: int | None, *, children: bool
    ) -> dict[str, Acted]:
        """Pause runs that have not ended, are not paused and not to be cancelled: no runner claims
        them, and an owner starts nothing more of them and parks them. ``until`` is an instant.

        With ``children``, ``News.parents`` has the run as long as children of it are out of step,
        and ``commit`` inserts children of it as Paused.
        """

    async def resume(
        self, run_ids: Collection[str], act: Act, content: str | None = None
    ) -> dict[str, Acted]:
        """Let paused runs go on, with their owner or, without one, once they are claimed.

        One without an owner is Pending if it has not started, Waiting if it is not due, else
        Running; it is claimable since then, in the order of claims. The pause counts in
        ``stood_still`` from the start on, unless the run rests, and moves its deadline by as much.
        Children of one that was paused with them are to go on: ``News.parents`` has it. One that
        was paused with its parent is not paused again by the same pause of its parent. ``content``,
        a JSON object, is kept for each run that this changes, as its newest replacement of keys;
        the epoch of one without an owner is then 1 higher.
        """

    async def replacements(self, run_ids: Collection[str]) -> list[ReplacementRow]:
        """The keys of these runs that were replaced, by run, oldest first. Only reads."""

    async def pauses_over(self, now: int, limit: int) -> list[str]:
        """Up to ``limit`` paused runs whose pause ends by ``now``, those first that end first."""

    async def end_pauses(self, run_ids: Collection[str], act: Act) -> dict[str, Acted]:
        """Resume those of these runs whose pause has an end that has come by ``act.now``. A run
        that was paused anew since it was read stays paused. The act is noted only where it has
        changed the run: each runner does this when the time has come.
        """

    async def news(self, runner_id: str, workflows: Collection[str], limit: int) -> News:
        """The work of steering. Only reads.

        ``wishes``: what is asked of runs that this runner owns, in the order of their ids.
        ``replaced``: those of its runs whose keys were replaced, and how often.
        ``mail``: those of its runs that have unread messages with a number, and how many were sent
        to each. ``unnumbered``: up to ``limit`` runs with messages that have none.
        ``parents``: up to ``limit`` runs whose children are to be cancelled, those of the earliest
        deadline first; one that has not ended only if children of it are under way: it may still
        submit some. Then those whose children are to be paused or resumed, without a deadline; a
        paused one with an owner only if children are out of step. ``next_timer``: when the first
        run of these workflows comes due that waits for its time, the first pause of any run or
        workflow ends, or the first run expires that has not begun.
        """

    async def number_messages(self, run_ids: Collection[str], now: int) -> None:
        """Give numbers to the messages of these runs that users' transactions have committed, in
        the order of their ids, and wake the runs as ``send`` does. Ended runs get them as well.
        Sent again it changes nothing.
        """

    async def note(self, act: ActRow) -> None:
        """Note an act on no run, unless it was noted already."""

    async def acts(self, run_id: str | None, limit: int) -> list[ActRow]:
        """All acts, newest first; or the acts on one run without its messages, which ``sent`` has,
        messages that are no acts included.
        """

    async def search_acts(self, search: ActSearch, limit: int) -> list[ActRow]:
        """The acts that are looked for, newest first, and by id where they are of one instant."""
