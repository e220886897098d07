"""Reads requests to pause or cancel runs, and passes those about runs of this runner to the
orchestrator.

A request is a column of its run's row. It is read after each change of the database, at each beat,
and when a commit has found one; so it is found however it was written. The same read returns the
parents whose children must still follow, and the instant at which the next run comes due.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cloaca_core.engine.orchestrate.adoption import keys_of
from cloaca_core.engine.runtime.supervisor import Wakeup
from cloaca_core.features.steering.acts import RUNS_PER_ACT
from cloaca_core.run.life import State
from cloaca_core.run.reasons import Reason
from cloaca_core.values.states import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from cloaca_core.engine.orchestrate.active_runs import ActiveRuns
    from cloaca_core.engine.orchestrate.orchestrator import Orchestrator
    from cloaca_core.engine.recover.runner_id import RunnerId
    from cloaca_core.engine.subjects import Subjects
    from cloaca_core.features.steering.children import Children
    from cloaca_core.features.steering.due_runs import DueRuns
    from cloaca_core.features.steering.part import SteeringStore
    from cloaca_core.features.steering.records import News, StopRequest
    from cloaca_core.features.steering.unseen_ends import UnseenEnds
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.rows import ReplacementRow

SOON: Final = 0.05
"""Seconds until the second look for a run that this runner owns and does not know."""
LATER: Final = 1.0
"""Seconds until further looks for it."""


class SteeringLoop:
    """Belongs to the engine's loop. ``workflows`` returns the workflows that this runner executes:
    none for a client.
    """

    def __init__(
        self,
        store: SteeringStore,
        workflows: Callable[[], list[str]],
        orchestrator: Orchestrator,
        runner_id: RunnerId,
        ends: UnseenEnds,
        children: Children,
        due_runs: DueRuns,
        subjects: Subjects,
    ) -> None:
        self._store = store
        self._workflows = workflows
        self._orchestrator = orchestrator
        self._runs: ActiveRuns = orchestrator.runs
        self._runner_id = runner_id
        self._ends = ends
        self._children = children
        self._due_runs = due_runs
        self._subjects = subjects
        self._unknown: set[StopRequest] = set()
        self._wakeup = Wakeup()
        self.wake: Callable[[], None] = self._wakeup.wake
        """There may be requests about our runs."""
        subjects.claimable.subscribe(self.wake)
        subjects.steered.subscribe(self.wake)
        subjects.ended_elsewhere.subscribe(self._look_at_ends)

    def _look_at_ends(self) -> None:
        """Let waiting callers read how their runs have ended."""
        self._ends.note()
        self.wake()

    async def turn(self) -> None:
        """Act on requests, then sleep until there may be new ones, or a run comes due."""
        await self._wakeup.turn(self._act_on_news)

    async def act_now(self) -> None:
        """Act on the requests about our runs now."""
        await self._read_news(())

    async def act_if_ours(self, run_ids: Collection[str]) -> None:
        """Act on new requests about these runs before the caller continues, if a run is ours."""
        if any(run_id in self._runs for run_id in run_ids):
            await self.act_now()
        self.wake()

    async def _act_on_news(self) -> float | None:
        """Act on requests. Returns the seconds until the next run comes due, None for none."""
        await self._ends.tell()
        workflows = self._workflows()
        news, unknown = await self._read_news(workflows)
        if news.unnumbered:
            await self._store.number_messages(news.unnumbered, self._store.wall())
            self._subjects.claimable.publish()
        if news.parents or news.unnumbered:
            await self._children.follow(news.parents)
            return 0.0
        waits: list[float] = []
        if news.next_timer is not None:
            waits.append(await self._due_runs.act(workflows, news.next_timer))
        if unknown:
            waits.append(self._look_for(unknown))
        self._unknown = unknown
        return min(waits, default=None)

    async def _read_news(self, workflows: Sequence[str]) -> tuple[News, set[StopRequest]]:
        """Read the news and act on them. Also returns the requests about runs that this engine does
        not know.
        """
        paused = {
            run: run.life.stops_found for run in self._runs if run.life.state is State.PAUSING
        }
        news = await self._store.news(self._runner_id.current, workflows, RUNS_PER_ACT)
        if unread := [each for each in news.replaced.items() if self._has_not_read(*each)]:
            await self._read_replacements([run_id for run_id, _ in unread])
        control = self._orchestrator.control
        for run_id, messages in news.mail.items():
            if (run := self._runs.get(run_id)) is not None:
                control.guarded(run, control.ports.waits.messages_sent, run, messages)
        return news, self._act_on(news.stop_requests, paused)

    def _has_not_read(self, run_id: str, replacements: int) -> bool:
        run = self._runs.get(run_id)
        return run is not None and run.plan.contexts.replacements < replacements

    async def _read_replacements(self, run_ids: Collection[str]) -> None:
        """Read the replaced keys of these runs, and hand them to the runs that are ours."""
        rows: dict[str, list[ReplacementRow]] = {}
        for row in await self._store.replacements(run_ids):
            rows.setdefault(row.run_id, []).append(row)
        for run_id, its in rows.items():
            if (run := self._runs.get(run_id)) is not None:
                self._orchestrator.guarded(run, self._replace, run, its)

    def _replace(self, run: ActiveRun, rows: Sequence[ReplacementRow]) -> None:
        self._orchestrator.control.replace(run, keys_of(rows))

    def _act_on(
        self, stop_requests: Sequence[StopRequest], paused: dict[ActiveRun, int]
    ) -> set[StopRequest]:
        """Act on the requests about our runs. Resume the runs that were ``paused`` before the
        requests were read and have none any more, unless a commit has found a new request
        meanwhile. Returns the requests about runs that this engine does not know.
        """
        control = self._orchestrator.control
        unknown: set[StopRequest] = set()
        for stop_request in stop_requests:
            run = self._runs.get(stop_request.run_id)
            if run is None or run.epoch != stop_request.epoch:
                unknown.add(stop_request)
                continue
            paused.pop(run, None)
            if stop_request.deadline is not None:
                reason = Reason(ReasonCode.CANCELLED, stop_request.because)
                control.guarded(run, control.cancel, run, reason, stop_request.deadline)
            else:
                control.guarded(run, control.pause, run, stop_request.because)
        for run, stops_found in paused.items():
            control.guarded(run, control.tell, run, run.life.resumed, stops_found)
        return unknown

    def _look_for(self, unknown: set[StopRequest]) -> float:
        """Seconds until the next look for runs that this runner owns and does not know. Mostly they
        are just being claimed; those that do not arrive are released.
        """
        if unknown.isdisjoint(self._unknown):
            return SOON
        self._subjects.orphans_suspected.publish()
        return LATER
