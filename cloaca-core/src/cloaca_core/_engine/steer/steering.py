"""Writes down what is asked of runs, and hands the wishes about ours to the orchestrator.

A wish is a column of its run's row. It is read after each change of the database, at each beat and
when a commit has met one, so that it is found however it came there. Children of runs are
cancelled, paused and resumed with them level by level, parents first, by the runner that reads of
them first; so are runs let go whose time has come.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import TYPE_CHECKING, Final

from cloaca_core._engine.orchestrate.adoption import keys_of
from cloaca_core._engine.plan.reasons import Reason
from cloaca_core._engine.runtime import failpoints
from cloaca_core._engine.runtime.wakeup import Wakeup
from cloaca_core._engine.steer.bulk import Bulk
from cloaca_core._engine.steer.forks import Forks
from cloaca_core._engine.steer.newest_definitions import NewestDefinitions
from cloaca_core._engine.steer.retries import Retries
from cloaca_core.records.states import ReasonCode, RunStatus
from cloaca_core.records.steering import Act, Acted, News, Parent, ReplacementRow, Wish
from cloaca_core.values.instants import SECOND
from cloaca_core.values.text import storable_text

if TYPE_CHECKING:
    from cloaca_core._engine.observe.recorded_definitions import RecordedDefinitions
    from cloaca_core._engine.orchestrate.active_runs import ActiveRuns
    from cloaca_core._engine.orchestrate.orchestrator import Orchestrator
    from cloaca_core._engine.plan.active_run import ActiveRun
    from cloaca_core._engine.recover.runner_id import RunnerId
    from cloaca_core.records.order import Order
    from cloaca_core.store.protocol import Store
    from cloaca_core.values.ids import RunIds

SOON: Final = 0.05
"""Seconds until the second look at a run that we own and do not know."""
LATER: Final = 1.0
"""Seconds until further looks at it."""
RUNS_PER_STEP: Final = 500
"""Runs that one transaction steers at most."""
LONGEST_SLEEP: Final = 60.0
"""Seconds. Runs come due by a clock that may be set; sleeping goes by one that cannot."""


class Steering:
    """Belongs to the engine's loop. ``workflows`` returns those that this runner executes: none for
    a client. ``runs_came`` is called when runs may have become claimable, ``hear_of_ends`` tells
    waiters of ends that only the tables have, ``lost_runs`` is called when this runner owns runs
    that have not come to it.
    """

    def __init__(
        self,
        store: Store,
        definitions: RecordedDefinitions,
        workflows: Callable[[], list[str]],
        orchestrator: Orchestrator,
        runner_id: RunnerId,
        ids: RunIds,
        runs_came: Callable[[], None],
        hear_of_ends: Callable[[], Awaitable[None]],
        lost_runs: Callable[[], None],
    ) -> None:
        self._store = store
        self._workflows = workflows
        self._orchestrator = orchestrator
        self._runs: ActiveRuns = orchestrator.runs
        self._runner_id = runner_id
        self._ids = ids
        self._runs_came = runs_came
        self._hear_of_ends = hear_of_ends
        self._lost_runs = lost_runs
        self._ends_due = False
        self._strangers: set[Wish] = set()
        self._latest: float = math.inf
        self._wakeup = Wakeup()
        newest = NewestDefinitions(definitions)
        self.retries: Retries = Retries(
            store, newest, self._act, runs_came, self._cancel_children_of
        )
        self.bulk: Bulk = Bulk(store, self.retries, self._act, self._steered_many)
        self.forks: Forks = Forks(store, newest, ids, self._act, runs_came)

    def wake(self) -> None:
        """Something may be asked of our runs."""
        self._wakeup.wake()

    def look_at_ends(self) -> None:
        """A run of ours has ended otherwise than we saw it: let its waiters read how."""
        self._ends_due = True
        self.wake()

    async def turn(self) -> None:
        """Act on what is asked, then sleep until something may be, or a run comes due."""
        await self._wakeup.turn(self._act_on_news)

    # -- acts --------------------------------------------------------------------------------

    async def cancel(
        self, run_ids: Collection[str], order: Order, grace: float, *, children: bool
    ) -> dict[str, Acted]:
        """Cancel runs; what owners do for it they do within ``grace`` seconds."""
        act = self._act(order)
        deadline = act.now + round(grace * SECOND)
        acted = await self._store.cancel(run_ids, act, deadline, children=children)
        await self._heed_if_ours(run_ids)
        self.look_at_ends()
        self._runs_came()  # another run of a schedule may have waited for one of these
        return acted

    async def pause(
        self, run_ids: Collection[str], order: Order, until: int | None, *, children: bool
    ) -> dict[str, Acted]:
        """Pause runs, until an instant in µs or (None) until they are resumed."""
        act = self._act(order)
        acted = await self._store.pause(run_ids, act, until, children=children)
        await self._heed_if_ours(run_ids)
        return acted

    async def resume(
        self, run_ids: Collection[str], order: Order, content: str | None = None
    ) -> dict[str, Acted]:
        """Let paused runs go on. Tasks that start then see the keys of ``content``, a JSON object,
        in place of those that they would have.
        """
        acted = await self._store.resume(run_ids, self._act(order), content)
        await self._heed_if_ours(run_ids)
        self._runs_came()
        return acted

    async def pause_workflow(self, workflow: str, order: Order, until: int | None) -> bool:
        """Have no run of a workflow claimed, until an instant or (None) until that is ended."""
        changed = await self._store.pause_workflow(workflow, self._act(order), until)
        self.wake()
        return changed

    async def resume_workflow(self, workflow: str, order: Order) -> bool:
        """Let runs of a workflow be claimed again."""
        changed = await self._store.resume_workflow(workflow, self._act(order))
        self._runs_came()
        return changed

    async def cancel_strays(self, run_ids: Collection[str]) -> set[str]:
        """Cancel those of these runs whose parent is being cancelled, or was; returns them. They
        were added by transactions that look at no parent.
        """
        strays = await self._store.strays(run_ids)
        for stray in strays:
            act = self._act_of_parent(Parent(stray.parent_id, stray.because, None))
            await self._store.cancel([stray.id], act, act.now, children=True)
        return {stray.id for stray in strays}

    def _steered_many(self) -> None:
        self.look_at_ends()
        self._runs_came()

    def _act(self, order: Order) -> Act:
        reason = None if order.reason is None else storable_text(order.reason)
        asked_by = storable_text(order.asked_by)
        return Act(self._ids.next(), asked_by, reason, order.because(), self._store.wall())

    # -- news --------------------------------------------------------------------------------

    async def _act_on_news(self) -> float | None:
        """Act on what is asked; seconds until the next run comes due, None for none."""
        if self._ends_due:
            await self._hear_of_ends()
            self._ends_due = False
        workflows = self._workflows()
        news, strangers = await self._read_news(workflows)
        if news.parents:
            await self._follow(news.parents)
            return 0.0
        waits = [] if news.next_timer is None else [await self._let_go(workflows, news.next_timer)]
        if strangers:
            waits.append(self._look_for(strangers))
        self._strangers = strangers
        return min(waits, default=None)

    def _has_not_read(self, run_id: str, replacements: int) -> bool:
        run = self._runs.get(run_id)
        return run is not None and run.plan.contexts.replacements < replacements

    async def _read_replacements(self, run_ids: Collection[str]) -> None:
        """Read which keys of these runs were replaced, as far as they are ours."""
        rows: dict[str, list[ReplacementRow]] = {}
        for row in await self._store.replacements(run_ids):
            rows.setdefault(row.run_id, []).append(row)
        for run_id, its in rows.items():
            if (run := self._runs.get(run_id)) is not None:
                self._orchestrator.guarded(run, self._replace, run, its)

    def _replace(self, run: ActiveRun, rows: Sequence[ReplacementRow]) -> None:
        self._orchestrator.steered.replace(run, keys_of(rows))

    async def heed(self) -> None:
        """Act on what is asked of our runs now."""
        await self._read_news(())

    async def _heed_if_ours(self, run_ids: Collection[str]) -> None:
        """Act on what was just asked of these runs before the caller goes on, if any is ours."""
        if any(run_id in self._runs for run_id in run_ids):
            await self.heed()
        self.wake()

    async def _read_news(self, workflows: Sequence[str]) -> tuple[News, set[Wish]]:
        """Read the news and act on them; the second are wishes about runs that are missing."""
        paused = {run: run.met for run in self._runs if run.wish == RunStatus.PAUSED}
        news = await self._store.news(self._runner_id.current, workflows, RUNS_PER_STEP)
        if unread := [each for each in news.replaced.items() if self._has_not_read(*each)]:
            await self._read_replacements([run_id for run_id, _ in unread])
        return news, self._heed(news.wishes, paused)

    def _heed(self, wishes: Sequence[Wish], paused: dict[ActiveRun, int]) -> set[Wish]:
        """Act on the wishes about our runs, and go on with those that were ``paused`` before the
        wishes were read and are no more, unless a commit has met a new wish meanwhile. Returns the
        wishes about runs that we do not know.
        """
        steered, guarded = self._orchestrator.steered, self._orchestrator.guarded
        strangers: set[Wish] = set()
        for wish in wishes:
            run = self._runs.get(wish.run_id)
            if run is None or run.epoch != wish.epoch:
                strangers.add(wish)
                continue
            paused.pop(run, None)
            if wish.deadline is not None:
                reason = Reason(ReasonCode.CANCELLED, wish.because)
                guarded(run, steered.cancel, run, reason, wish.deadline)
            else:
                guarded(run, steered.pause, run, wish.because)
        for run, met in paused.items():
            if run.met == met:
                guarded(run, steered.resume, run)
        return strangers

    def _look_for(self, strangers: set[Wish]) -> float:
        """Seconds until the next look at runs that we own and do not know. They are mostly on their
        way to us from a claim; those that do not come are given back.
        """
        if strangers.isdisjoint(self._strangers):
            return SOON
        self._lost_runs()
        return LATER

    async def _follow(self, parents: Sequence[Parent]) -> None:
        """Cancel, pause or resume children of these, one level, and forget the parents that have no
        more.
        """
        cancelled = {each.run_id: each for each in parents if each.deadline is not None}
        paused = {each.run_id: each for each in parents if each.deadline is None}
        if cancelled:
            found = await self._store.children_under_way(list(cancelled), RUNS_PER_STEP)
            for run_id, children in _by_parent(found).items():
                await self._cancel_with(cancelled[run_id], children)
        if paused:
            found = await self._store.children_out_of_step(list(paused), RUNS_PER_STEP)
            for run_id, children in _by_parent(found).items():
                act = self._act_of_parent(paused[run_id])
                await self._store.bring_into_step(run_id, children, act)
                failpoints.hit("steer.after_level")
                self._runs_came()
        await self._store.forget_children([*cancelled, *paused])

    async def _cancel_children_of(self, run_ids: Collection[str]) -> None:
        """Cancel those children of runs that are still to be: next rounds are about to begin."""
        while parents := await self._store.ended_parents(run_ids):
            await self._follow(parents)

    async def _cancel_with(self, parent: Parent, run_ids: list[str]) -> None:
        assert parent.deadline is not None
        act, ended = self._act_of_parent(parent), parent.run_id
        await self._store.cancel(run_ids, act, parent.deadline, children=True, parent_id=ended)
        failpoints.hit("steer.after_level")
        self._ends_due = True  # a body here may wait for one of them
        self._runs_came()

    def _act_of_parent(self, parent: Parent) -> Act:
        because = storable_text(f"{parent.because} (with its parent, run {parent.run_id})")
        by = f"run {parent.run_id}"
        return Act(self._ids.next(), by, None, because, self._store.wall())

    async def _let_go(self, workflows: Sequence[str], next_timer: int) -> float:
        """Let runs be claimed that have come due, end pauses, and cancel runs that have not begun
        in time; seconds until the next.
        """
        now = await self._store.now()
        if (
            now < self._latest
        ):  # at the start as well: what was parked may be from before a set-back
            await self._recall(workflows, now)
        self._latest = now
        if next_timer > now:
            return min((next_timer - now) / 1e6, LONGEST_SLEEP)
        if late := await self._store.not_begun(now, RUNS_PER_STEP):
            await self._store.expire(late, self._expiry(now))
            self._ends_due = True  # a caller here may wait for one of them
        await self._store.make_due_claimable(workflows, now, RUNS_PER_STEP)
        if over := await self._store.pauses_over(now, RUNS_PER_STEP):
            await self._store.end_pauses(over, self._end_of_pause(now))
        for workflow, until in (await self._store.paused_workflows()).items():
            if until is not None and until <= now:
                await self._store.end_pause_of_workflow(workflow, self._end_of_pause(now))
        self._runs_came()
        return 0.0

    def _expiry(self, now: int) -> Act:
        because = "expired: it had not begun in time"
        return Act(self._ids.next(), "cloaca", None, because, now)

    def _end_of_pause(self, now: int) -> Act:
        because = "its pause has come to its end"
        return Act(self._ids.next(), "cloaca", because, because, now)

    async def _recall(self, workflows: Sequence[str], now: int) -> None:
        """The clock may have been set back: let runs be claimed that it would keep waiting."""
        while await self._store.make_claimable_after_set_back(workflows, now, RUNS_PER_STEP):
            self._runs_came()


def _by_parent(found: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """The children of each parent."""
    children: dict[str, list[str]] = {}
    for parent_id, child_id in found:
        children.setdefault(parent_id, []).append(child_id)
    return children
