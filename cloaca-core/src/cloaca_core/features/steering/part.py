"""Steering: the contract of acts on runs, and of how the owners of runs are notified."""

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
    """Runs and their children.

    An act on a run only marks the run: its children must follow. ``News.parents`` has the run until
    all its children have followed. Children of an attached child that has ended follow too, at any
    depth.
    """

    async def children(self, parent_ids: Collection[str]) -> list[ChildRow]:
        """The runs that these runs have submitted, without detached ones, in the order of the
        parents' ids, then of their own. Only reads.
        """

    async def stopped_with_parents(self, run_ids: Collection[str]) -> list[StoppedWithParent]:
        """Select the runs, without detached ones, whose parent is being cancelled with its
        children, or was. If the parent has ended in its first round without that, a run above it
        counts. Ordered by id. Only reads.
        """

    async def paused_with_parents(self, run_ids: Collection[str]) -> list[StoppedWithParent]:
        """Select the runs that have a parent and are paused; and the runs, without detached ones,
        whose parent is paused with its children while they are not paused yet. Ordered by id. Only
        reads.
        """

    async def ended_parents(self, run_ids: Collection[str]) -> list[Parent]:
        """Select the runs that have ended and whose children must still be cancelled. Ordered by
        id. Only reads.
        """

    async def children_under_way(
        self, parent_ids: Collection[str], limit: int
    ) -> list[tuple[str, str]]:
        """Up to ``limit`` pairs (parent, child) of runs that these runs have submitted. The
        children have not ended, are not detached and not being cancelled. Ordered by ids. Only
        reads.
        """

    async def descendants_under_way(
        self, parent_ids: Collection[str], limit: int
    ) -> list[tuple[str, str]]:
        """As ``children_under_way``, for runs whose own parents have ended: pairs (run,
        descendant). All runs between them have ended and are attached, and none is one of
        ``parent_ids``. Only reads.
        """

    async def children_out_of_step(
        self, parent_ids: Collection[str], limit: int
    ) -> list[tuple[str, str]]:
        """Up to ``limit`` pairs (parent, child) of runs that these runs have submitted. The
        children have not ended, are not detached and not being cancelled. Ordered by ids. Only
        reads.

        If the parent is paused with its children: the children that are not paused by themselves,
        and not yet by this pause. Otherwise: the children that are still paused with it.
        """

    async def descendants_out_of_step(
        self, parent_ids: Collection[str], limit: int
    ) -> list[tuple[str, str]]:
        """As ``children_out_of_step``, for runs whose own parents have ended (see
        ``descendants_under_way``). Only reads.
        """

    async def bring_into_step(self, parent_id: str, child_ids: Collection[str], act: Act) -> None:
        """Pause or resume these children of a run, or of ended runs below it, as the run itself is
        paused or not. Their own children follow, and a pause ends at the same instant. Children
        that are in step stay as they are.
        """

    async def forget_children(self, parent_ids: Collection[str]) -> None:
        """Note that the children of these runs, and of ended runs below them, are being cancelled;
        unless more of them are under way, or the run has not ended. Also note that they are paused
        or resumed as the runs are; unless some are out of step, or the run is paused and has an
        owner, as its bodies may submit more.
        """


class PausedWorkflowStore(KernelStore, Protocol):
    """Acts on workflows, recorded as acts on runs are (see ``SteeringStore``)."""

    async def pause_workflow(self, workflow: str, act: Act, until: int | None) -> bool:
        """Pause a workflow: no runner claims runs of it. False if it was paused already. Runs keep
        their statuses and owners; new runs are inserted without an owner. A claim or commit that is
        under way may still take some.
        """

    async def resume_workflow(self, workflow: str, act: Act) -> bool:
        """Let runners claim runs of this workflow again. False if it was not paused."""

    async def end_pause_of_workflow(self, workflow: str, act: Act) -> bool:
        """Resume it if its pause has an end that has come by ``act.now``. Otherwise nothing is
        recorded.
        """

    async def paused_workflows(self) -> dict[str, int | None]:
        """The paused workflows, each with the end of its pause. Only reads."""

    async def pauses(self) -> list[PauseRow]:
        """The pauses of workflows, by workflow, each with the act that began it. Only reads."""


class SteeringStore(ChildStore, PausedWorkflowStore, Protocol):
    """Acts on runs: cancel, pause, resume.

    An act is recorded once for each run, under the id that its caller made; repeating it changes
    nothing. Answers have no entry for a run that does not exist. Of two concurrent acts on one run
    the second sees the first; the same holds for an act and a commit of the owner.
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

        A run without an owner that has not ended is Cancelled now: its input is the final context,
        ``act.because`` its error, epoch + 1, and runs that wait for its end may start. A run with
        an owner becomes Cancelling, and its owner must end it by ``deadline``. An earlier deadline
        holds; a second act changes nothing else. With ``children``, ``News.parents`` has the run as
        long as children of it are under way. With ``parent_id``, nothing is done if that run is no
        longer among those parents: its next round may have begun.
        """

    async def not_begun(self, now: int, limit: int) -> list[str]:
        """Up to ``limit`` runs that have not begun by their ``start_by``, which is ``now`` or
        earlier; the earliest first. Only reads.
        """

    async def expire(self, run_ids: Collection[str], act: Act) -> dict[str, Acted]:
        """Cancel each of these runs that has not begun by its ``start_by``, which is ``act.now`` or
        earlier; other runs are not in the answer. Either a claim or this call wins.
        """

    async def pause(
        self, run_ids: Collection[str], act: Act, until: int | None, *, children: bool
    ) -> dict[str, Acted]:
        """Pause runs that have not ended, are not paused and not being cancelled. No runner claims
        them; an owner starts nothing more of them and parks them. ``until`` is an instant.

        With ``children``, ``News.parents`` has the run as long as children of it are out of step,
        and ``commit`` inserts children of it as Paused.
        """

    async def resume(
        self, run_ids: Collection[str], act: Act, content: str | None = None
    ) -> dict[str, Acted]:
        """Resume paused runs: their owner continues them, or a runner claims them.

        A run without an owner becomes Pending if it has not started, Waiting if it is not due,
        otherwise Running; the present time is its place in the order of claims. The pause counts in
        ``stood_still`` if the run has started and does not rest, and moves its deadline by as much.
        Children of a run that was paused with them must be resumed: ``News.parents`` has the run. A
        run that was paused with its parent is not paused again by the same pause of the parent.
        ``content``, a JSON object, is stored for each run that this changes, as its newest
        replacement of keys; the epoch of a run without an owner is then 1 higher.
        """

    async def replacements(self, run_ids: Collection[str]) -> list[ReplacementRow]:
        """The replaced keys of these runs, by run, oldest first. Only reads."""

    async def pauses_over(self, now: int, limit: int) -> list[str]:
        """Up to ``limit`` paused runs whose pause ends by ``now``, the earliest first."""

    async def end_pauses(self, run_ids: Collection[str], act: Act) -> dict[str, Acted]:
        """Resume the runs among these whose pause has an end that has come by ``act.now``. A run
        that was paused again since it was read stays paused. The act is recorded only where it has
        changed the run: each runner calls this when the time has come.
        """

    async def news(self, runner_id: str, workflows: Collection[str], limit: int) -> News:
        """The work of steering. Only reads.

        ``stop_requests``: the runs that this runner owns and that must be cancelled or paused, in
        the order of their ids. ``replaced``: its runs whose keys were replaced, and how often.
        ``mail``: its runs that have unread messages with a number, and how many messages were sent
        to each. ``unnumbered``: up to ``limit`` runs with messages that have no number.

        ``parents``: up to ``limit`` runs whose children must be cancelled, the earliest deadline
        first; a run that has not ended only if children of it are under way, as it may submit more.
        Then the runs whose children must be paused or resumed, without a deadline; a paused run
        with an owner only if children are out of step. ``next_timer``: the earliest instant at
        which a waiting run of these workflows comes due, a pause of a run or workflow ends, or a
        run expires that has not begun.
        """

    async def number_messages(self, run_ids: Collection[str], now: int) -> None:
        """Give numbers to the messages of these runs that users' transactions have committed, in
        the order of their ids, and wake the runs as ``send`` does. Messages of ended runs get them
        too. Repeating the call changes nothing.
        """

    async def note(self, act: ActRow) -> None:
        """Record an act that is not about a run, unless it was recorded already."""

    async def acts(self, run_id: str | None, limit: int) -> list[ActRow]:
        """All acts, newest first. Or the acts on one run, with messages that are no acts, but
        without its other messages, which ``sent`` returns.
        """

    async def search_acts(self, search: ActSearch, limit: int) -> list[ActRow]:
        """The acts that match, newest first; acts of the same instant are ordered by id."""
