"""Gives runs that wait for a slot here back to the table, while another runner requests runs.

At most once a second it gives back half of them. Each request is answered once. If it is repeated
after ``AGAIN`` seconds, other runners may have taken the runs, and it is answered again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Final

from cloaca_core.engine.execute.work import Stage
from cloaca_core.logs import SafeLogger
from cloaca_core.run.remaining import queue_of_what_is_left
from cloaca_core.store.runner_rows import RunnerRow, Sharing, queues_in
from cloaca_core.values.child_kinds import NODE

if TYPE_CHECKING:
    from cloaca_core.engine.claim.fair_share import FairShare
    from cloaca_core.engine.execute.attempt import Attempt
    from cloaca_core.engine.orchestrate.active_runs import Capacity
    from cloaca_core.engine.orchestrate.orchestrator import Orchestrator
    from cloaca_core.engine.orchestrate.served import Served
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.values.times.clock import Clock

log = SafeLogger("cloaca.engine")

APART: Final = 1.0
"""Seconds between two gifts, and before the first: a run that begins sooner is not worth a move."""
AGAIN: Final = 10.0
"""Seconds after which a request that still holds is answered once more."""


class WorkSharing:
    """Belongs to the engine's loop. ``serves`` returns the workflows of this runner."""

    def __init__(
        self,
        orchestrator: Orchestrator,
        capacity: Capacity,
        share: FairShare,
        served: Served,
        serves: Callable[[], Sequence[str]],
        clock: Clock,
    ) -> None:
        self._orchestrator = orchestrator
        self._capacity = capacity
        self._share = share
        self._served = served
        self._serves = serves
        self._clock = clock
        self._asks: dict[str, Sharing] = {}
        self._queues: dict[str, Sequence[str] | None] = {}
        self._answered: dict[str, tuple[int, float]] = {}
        self._due = asyncio.Event()

    def others(self, rows: Sequence[RunnerRow]) -> None:
        """Takes the rows of the other living runners, as they were read just now."""
        known = frozenset(self._serves())
        told = {row.id: Sharing.of(row.sharing) for row in rows if row.draining_since is None}
        self._asks = {
            runner_id: each
            for runner_id, each in told.items()
            if each.asked and not known.isdisjoint(each.serves)
        }
        for runner_id in self._answered.keys() - self._asks.keys():
            del self._answered[runner_id]
        self._queues = {row.id: queues_in(row.queues) for row in rows if row.id in self._asks}
        self._share.work_requested = any(
            known.issubset(each.serves) and self._takes_all_of_ours(runner_id)
            for runner_id, each in self._asks.items()
        )
        self._capacity.asked = self.look if self._asks else None
        self._capacity.changed()  # a claim may wait for its share

    def look(self) -> None:
        """Runs here may wait for a slot while other runners request some."""
        if not self._due.is_set() and self._open():
            self._due.set()

    async def turn(self) -> None:
        """Give half of the waiting runs back, a moment after a runner has requested them."""
        await self._due.wait()
        ended = self._share.ended
        await asyncio.sleep(APART)
        self._due.clear()
        given = surplus(self._waiting(self._open()), self._share.ended - ended)
        if given:
            self._answer()
            log.info("gives %d run(s) back, for which another runner has free slots", len(given))
        for run in given:
            self._orchestrator.guarded(run, self._orchestrator.control.hand_over, run)

    def backlog(self) -> int:
        """The number of runs that wait for a slot here while another runner requests runs."""
        return len(self._waiting(self._asks)) if self._asks else 0

    def _open(self) -> Collection[str]:
        """The runners whose requests are not answered yet."""
        now = self._clock.monotonic()
        return [runner_id for runner_id in self._asks if not self._is_answered(runner_id, now)]

    def _is_answered(self, runner_id: str, now: float) -> bool:
        number, at = self._answered.get(runner_id, (0, now))
        return number == self._asks[runner_id].asked and now - at < AGAIN

    def _answer(self) -> None:
        now = self._clock.monotonic()
        for runner_id, ask in self._asks.items():
            self._answered[runner_id] = (ask.asked, now)

    def _waiting(self, runner_ids: Collection[str]) -> Sequence[ActiveRun]:
        """The runs that wait for a slot here and that one of these runners would take."""
        wanted = {each for runner_id in runner_ids for each in self._asks[runner_id].serves}
        runs = [run for run in self._orchestrator.runs if run.row.workflow in wanted]
        if any(self._queues[runner_id] is not None for runner_id in runner_ids):
            runs = [run for run in runs if self._is_taken(run, runner_ids)]
        return [run for run in runs if self._may_be_given(run)]

    def _takes_all_of_ours(self, runner_id: str) -> bool:
        """Whether a runner serves all queues that this one serves."""
        queues, ours = self._queues[runner_id], self._served.given
        return queues is None or (ours is not None and set(queues).issuperset(ours))

    def _is_taken(self, run: ActiveRun, runner_ids: Collection[str]) -> bool:
        """Whether one of these runners would claim a run."""
        queue = queue_of_what_is_left(run) or run.row.queue
        for runner_id in runner_ids:
            queues, workflows = self._queues[runner_id], self._asks[runner_id].serves
            if run.row.workflow in workflows and (queues is None or queue in queues):
                return True
        return False

    def _may_be_given(self, run: ActiveRun) -> bool:
        """Whether a run waits for a slot, and no body here waits for it. A node that waits for it
        hears of its end from any runner.
        """
        runs, control = self._orchestrator.runs, self._orchestrator.control
        is_of_body = run.row.child_kind != NODE and run.row.parent_id in runs
        if run.depth or is_of_body or run in control.launcher.back_offs.waiting:
            return False
        limits = control.ports.limits
        has_turns = run.graph.has_limits and limits.awaits_turn(run)
        return only_waits_for_slots(run, runs.attempts(run), has_turns=has_turns)


def surplus(waiting: Sequence[ActiveRun], begun: int) -> Sequence[ActiveRun]:
    """The half of these runs whose turn comes last here, and the one in the middle. Runs stay that
    are likely to begin here within a second, as ``begun`` runs have begun within the last second.
    """
    in_turn = sorted(waiting, key=_turn)
    return in_turn[max(begun, len(in_turn) // 2) :]


def only_waits_for_slots(
    run: ActiveRun, attempts: Sequence[Attempt], *, has_turns: bool = False
) -> bool:
    """Whether no body of a run has begun here, and all its ready tasks, whose attempts these are,
    wait for a slot. It ``has_turns`` if others wait for a slot in which they ask for places.
    """
    if not (attempts or has_turns) or not run.life.may_begin or run.waits is not None:
        return False
    begun_here = any(row.epoch == run.epoch for row in run.latest.values())
    return not begun_here and all(map(_waits, attempts))


def _waits(attempt: Attempt) -> bool:
    """Whether an attempt has not begun, and is not about to. No attempt is marked before its
    turn.
    """
    has_begun = attempt.stage not in (Stage.HELD, Stage.QUEUED)
    return not (has_begun or attempt.ahead or attempt.marked)


def _turn(run: ActiveRun) -> tuple[int, int, str]:
    """The sort key for the order in which runs get slots."""
    row = run.row
    return -row.priority, row.claimable_at or row.created_at, row.id
