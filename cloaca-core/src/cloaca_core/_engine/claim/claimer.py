"""How runs come to this runner: submitted here, or claimed from the table.

A runner holds at most ``max_active_runs``; what is beyond waits in the table, not in memory.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeAlias
from weakref import WeakKeyDictionary

from cloaca_core._engine.claim.orphans import Orphans
from cloaca_core._engine.plan.active_run import ActiveRun
from cloaca_core._engine.plan.graph import PlanGraph, plan_graph
from cloaca_core._engine.plan.restore import Restored, restore
from cloaca_core._engine.record.journal import FIRST_PAUSE, LONGEST_PAUSE, Journal, Submission
from cloaca_core._engine.runtime import failpoints
from cloaca_core._engine.submit.held_keys import HeldKeys
from cloaca_core.errors import ContextValueError, StoreError, StoreFullError, StoreUnavailableError
from cloaca_core.logs import SafeLogger
from cloaca_core.records.rows import AttemptRow, Committed, NewRun, RunRow
from cloaca_core.records.states import RunStatus
from cloaca_core.values.ids import RunIds
from cloaca_core.values.json_values import JsonValue, decode

if TYPE_CHECKING:
    from cloaca_core._engine.orchestrate.orchestrator import Orchestrator
    from cloaca_core._engine.recover.lease import Lease
    from cloaca_core._engine.submit.request import Request
    from cloaca_core.config import DefaultRunnerConfig
    from cloaca_core.definition.registry import Registry
    from cloaca_core.definition.workflow import Workflow
    from cloaca_core.store.protocol import Store

log = SafeLogger("cloaca.engine")

CLAIM_SHARE: Final = 4
"""A claim waits until 1/4 of the places is free: one statement for many runs."""
CLAIM_PATIENCE: Final = 0.05
"""Seconds that a claim waits for so many places, once there is one."""
CHOOSING: Final = 0.1
"""Seconds until a claim is made again that left something: another runner's was looking at it, and
nobody tells of what that one does not take.
"""
MOST_CLAIMED: Final = 500
"""Runs per claim, so that submissions meanwhile find places too."""
AHEAD: Final = 2
"""Beside other runners: bodies that may wait for each slot, and runs that may come for each that
has ended since the last claim. So quick runs come in growing numbers, long ones as slots want them.
"""


Accepted: TypeAlias = tuple[list[str], bool]
"""The ids of the runs that stand for those of a request, and whether any was there before."""


class Claimer:
    """Belongs to the engine's loop."""

    def __init__(
        self,
        store: Store,
        orchestrator: Orchestrator,
        journal: Journal,
        lease: Lease,
        registry: Registry,
        config: DefaultRunnerConfig,
        ids: RunIds,
    ) -> None:
        self.paused = False
        self.is_crowded: Callable[[], bool] = lambda: False
        self.held_keys: HeldKeys = HeldKeys(store)
        self._journal = journal
        self._lease = lease
        self._store = store
        self._orchestrator = orchestrator
        self._registry = registry
        self._config = config
        self._ids = ids
        self._graphs: WeakKeyDictionary[Workflow, PlanGraph] = WeakKeyDictionary()
        self._arriving = 0
        self._claimed: list[RunRow] = []
        self._claiming = asyncio.Lock()
        self._more = asyncio.Event()
        self._more.set()
        self._wanted = 1
        self._ended = 0
        self._room = asyncio.Event()
        self._room.set()
        self._orphans = Orphans(store, journal, self._held, self.wake)

    def owns_something(self) -> bool:
        """True while runs are ours, or about to be."""
        return bool(self._orchestrator.runs or self._claimed) or self._arriving > 0

    # -- submit ------------------------------------------------------------------------------

    async def submit(self, request: Request) -> list[str]:
        """Accept runs: durable when this returns. The ids of the runs that stand for them."""
        run_ids, known = await self._accepted(request)
        for key in request.further_keys:
            if not (known and await self._has_failed(run_ids[0])):
                break
            run_ids, known = await self._accepted(replace(request, idempotency_key=key))
        return run_ids

    async def _has_failed(self, run_id: str) -> bool:
        row = await self._store.get_run(run_id)
        return row is not None and row.ended_at is not None and row.status != RunStatus.COMPLETED

    async def _accepted(self, request: Request) -> Accepted:
        if not self._journal.has_room():
            await self._journal.room()
        await self._hold_lease()  # last: it has to be fresh when the rows go on their way
        rows = self._new_rows(request)
        accepted: asyncio.Future[Accepted | None] = asyncio.get_running_loop().create_future()
        self._hand_in(request, rows, accepted)
        if (found := await accepted) is not None:
            return found
        return await self._accepted_later(rows)

    async def _accepted_later(self, rows: Sequence[NewRun]) -> Accepted:
        """Wait until no transaction of others writes the key: a submission with a key is one run.
        That may take hours, so no place is kept for it: the run is inserted without an owner. A
        child for which a body of ours waits does not come here (see ``NewRun.may_be_held``).
        """
        (row,) = rows
        holder = await self.held_keys.insert(row)
        self.wake()
        new, known = ([row.id], []) if holder == row.id else ([], [holder])
        _tell_of_submission(row.workflow, new, known)
        return [holder], bool(known)

    async def _hold_lease(self) -> None:
        """Hold a fresh lease. A busy database is tried again, as the journal does, and so it is
        while we are declared dead and not known under another id yet.
        """
        pause = FIRST_PAUSE
        while not await self._holds_lease():
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _holds_lease(self) -> bool:
        if not self._lease.is_fresh():
            try:
                await self._lease.refresh()
            except StoreFullError:
                raise
            except StoreUnavailableError:
                return False
        return self._lease.is_fresh()

    def _new_rows(self, request: Request) -> list[NewRun]:
        places = min(self._places(request), len(request.data))
        now = time.time_ns() // 1000
        parent = self._parent_of(request)
        owner = self._journal.runner_id
        return [
            self._new_row(request, text, parent, owner if position < places else None, now)
            for position, text in enumerate(request.texts)
        ]

    def unowned_row(self, request: Request) -> NewRun:
        """The row of a single run, for whoever claims it. Any thread may ask."""
        (text,) = request.texts
        now = time.time_ns() // 1000
        return self._new_row(request, text, self._parent_of(request), None, now)

    def _parent_of(self, request: Request) -> str | None:
        """The run whose body submits these, if it is ours."""
        parent = request.parent
        return parent.owner.id if parent and self._orchestrator.owns(parent) else None

    def _new_row(
        self, request: Request, text: str, parent_id: str | None, owner: str | None, now: int
    ) -> NewRun:
        return NewRun(
            id=self._ids.next(),
            workflow=request.workflow.namespace,
            version=request.workflow.version,
            input=text,
            tags=request.tags,
            idempotency_key=request.idempotency_key,
            parent_id=parent_id,
            owner=owner,
            created_at=now,
        )

    def _hand_in(
        self, request: Request, rows: list[NewRun], answer: asyncio.Future[Accepted | None]
    ) -> None:
        """Have the rows committed, and begin what is ours even if its caller has given up. The
        answer is None when they were held back.
        """
        ours = sum(row.owner is not None for row in rows)
        self._arriving += ours

        def accepted(committed: Committed) -> None:
            failpoints.hit("submit.after_commit")
            self._arriving -= ours
            if log.isEnabledFor(logging.INFO):
                _tell_of_submission(request.workflow.namespace, *_became(rows, committed))
            if not answer.done():
                run_ids = [committed.existing.get(row.id, row.id) for row in rows]
                held = rows[0].id in committed.held  # a request with a key is one run
                answer.set_result(None if held else (run_ids, bool(committed.existing)))
            self._begin(request, rows, committed)
            self.place_free()  # those whose key was taken were on the way to no place

        def refused(error: StoreError) -> None:
            self._arriving -= ours
            self.place_free()
            if not answer.done():
                answer.set_exception(error)

        failpoints.hit("submit.before_commit")
        self._journal.add(Submission(rows, accepted, refused))

    def _begin(self, request: Request, rows: list[NewRun], committed: Committed) -> None:
        """Begin what is ours; what is not may be claimed. What was accepted under an id that has
        since been declared dead is somebody else's.
        """
        graph = self._graph(request.workflow)
        for position, row in enumerate(rows):
            if row.id in committed.owned and row.owner == self._journal.runner_id:
                data = request.data[position]
                run = self._active(_owned_row(row), graph, data, Restored({}, {}, {}))
                run.depth = request.depth
                self._orchestrator.guarded(run, self._orchestrator.adopt, run)
            elif row.id not in committed.existing and row.id not in committed.held:
                self.wake()

    # -- claim -------------------------------------------------------------------------------

    async def pause(self) -> None:
        """Claim no more. A claim that is under way is over when this returns."""
        self.paused = True
        async with self._claiming:
            pass

    def wake(self) -> None:
        """There may be runs to claim."""
        self._more.set()

    def run_ended(self) -> None:
        """A run of ours has ended."""
        self._ended += 1
        self.place_free()

    def place_free(self) -> None:
        """A place may have become free, or a slot without work."""
        if not self._room.is_set() and self._free() >= self._wanted:
            self._room.set()

    async def turn(self) -> None:
        """Claim once there is something to claim and room for a good number of runs."""
        await self._begin_claimed()  # an earlier turn may have failed in between
        await self._more.wait()
        await self._orphans.give_back()
        await self._places_free(1)
        with suppress(TimeoutError):
            async with asyncio.timeout(CLAIM_PATIENCE):
                await self._places_free(self._config.max_active_runs // CLAIM_SHARE)
        await self._hunger()
        self._more.clear()
        try:
            await self._orphans.give_back()  # what was suspected while there was no room
            async with self._claiming:
                await self._claim_some()
        except Exception:
            self.wake()  # whatever there was to claim is still there
            raise

    async def _places_free(self, wanted: int) -> None:
        while self.paused or self._free() < wanted:
            self._wanted = wanted
            self._room.clear()
            await self._room.wait()

    async def _hunger(self) -> None:
        """Beside others, leave them what would only wait here."""
        while self._appetite() < 1:
            self._wanted = 1
            self._room.clear()
            await self._room.wait()

    def _appetite(self) -> int:
        """How many runs keep this runner busy for a while."""
        if not self.is_crowded():
            return MOST_CLAIMED
        slots = self._config.max_concurrent_tasks
        return AHEAD * (slots + self._ended) - self._orchestrator.backlog

    async def _claim_some(self) -> None:
        workflows = self._registry.namespaces()
        limit = min(self._free(), MOST_CLAIMED, self._appetite())
        self._ended = 0
        if self.paused or limit < 1:
            self.wake()  # something came first; what there was to claim is still there
            return
        if not workflows or not await self._is_worth_it(workflows):
            return
        if await self._claim(workflows, limit) == limit:
            self.wake()
        elif await self._store.has_claimable(workflows):
            asyncio.get_running_loop().call_later(CHOOSING, self.wake)

    async def _is_worth_it(self, workflows: Sequence[str]) -> bool:
        """An idle runner looks before it takes a lease: that writes, and what is written wakes
        the other runners of the database, which would do the same in their turn, for ever.
        """
        return not self._lease.is_idle() or await self._store.has_claimable(workflows)

    async def _claim(self, workflows: Sequence[str], limit: int) -> int:
        if not self._lease.is_fresh():
            await self._lease.refresh()
        now = time.time_ns() // 1000
        self._arriving += limit
        try:
            rows = await self._store.claim(self._journal.runner_id, workflows, limit, now)
        except Exception:
            self._orphans.suspect_for_long()
            raise
        finally:
            self._arriving -= limit
        failpoints.hit("claim.after_commit")
        self._claimed += rows
        await self._begin_claimed()
        return len(rows)

    async def _begin_claimed(self) -> None:
        """Go on with what was claimed, and give back what belongs to no workflow any more.

        The rows are ours from the claim on: they are kept until this has worked. What was claimed
        under an id that has since been declared dead is somebody else's.
        """
        if not self._claimed:
            return
        past = await self._past(self._claimed)
        mine = [row for row in self._claimed if row.owner == self._journal.runner_id]
        resumed = [self._resume(row, past.get(row.id, [])) for row in mine]
        self._claimed = []
        if not all(resumed):
            self._orphans.suspect()

    def _held(self) -> set[str]:
        return self._orchestrator.runs.keys() | {row.id for row in self._claimed}

    async def _past(self, rows: Sequence[RunRow]) -> dict[str, list[AttemptRow]]:
        """What was recorded about those of these runs that had an owner before."""
        before = [row.id for row in rows if row.epoch > 1]
        past: dict[str, list[AttemptRow]] = {}
        if before:
            for attempt in await self._store.load_attempts(before):
                past.setdefault(attempt.run_id, []).append(attempt)
        return past

    def _resume(self, row: RunRow, attempts: list[AttemptRow]) -> bool:
        """Go on with a claimed run; false when its workflow has left the registry since."""
        workflow = self._registry.get(row.workflow)
        if workflow is None:
            return False
        graph = self._graph(workflow)
        try:
            past = restore(graph, attempts)
            self._orchestrator.adopt(self._active(row, graph, _input_of(row), past))
        except Exception as error:  # damaged rows must not keep the others from their work
            log.exception("run %s cannot be read", row.id, extra={"run_id": row.id})
            bare = self._active(row._replace(input="{}"), graph, {}, Restored({}, {}, {}))
            self._orchestrator.refuse(bare, f"the rows of this run cannot be read: {error!r}")
        return True

    # -- both --------------------------------------------------------------------------------

    def _active(
        self, row: RunRow, graph: PlanGraph, data: dict[str, JsonValue], past: Restored
    ) -> ActiveRun:
        rule = self._config.default_trigger_rule
        return ActiveRun(row, graph, data, past, default_rule=rule)

    def _graph(self, workflow: Workflow) -> PlanGraph:
        graph = self._graphs.get(workflow)
        if graph is None:
            graph = self._graphs[workflow] = plan_graph(workflow)
        return graph

    def _free(self) -> int:
        """Places for further runs; those of which all bodies wait for others take none."""
        waiting = sum(run.waits() for run in self._orchestrator.waiting_bodies.runs)
        taken = len(self._orchestrator.runs) - waiting + self._arriving + len(self._claimed)
        return max(0, self._config.max_active_runs - taken)

    def _places(self, request: Request) -> int:
        """How many of these runs may be ours at once."""
        if request.by_right:
            return len(request.texts)
        return 0 if self.paused else self._free()


def _became(rows: Sequence[NewRun], committed: Committed) -> tuple[list[str], list[str]]:
    """The ids of these runs that are new, and of those that have the keys of others already."""
    existing, held = committed.existing, committed.held
    new = [row.id for row in rows if row.id not in existing and row.id not in held]
    return new, [existing[row.id] for row in rows if row.id in existing]


def _tell_of_submission(workflow: str, new: Sequence[str], known: Sequence[str]) -> None:
    """In a line, also of many. ``known`` are the runs that have the keys of others already."""
    if len(new) > 1:
        of_many = "runs %s to %s of %s: submitted, %d in all"
        log.info(of_many, new[0], new[-1], workflow, len(new), extra={"workflow": workflow})
    for run_id in new if len(new) == 1 else ():
        ids = {"run_id": run_id, "workflow": workflow}
        log.info("run %s of %s: submitted", run_id, workflow, extra=ids)
    for run_id in known:
        ids = {"run_id": run_id, "workflow": workflow}
        log.info("run %s of %s: asked for again, by its key", run_id, workflow, extra=ids)


def _input_of(row: RunRow) -> dict[str, JsonValue]:
    data = decode(row.input)
    if not isinstance(data, dict):
        raise ContextValueError("the input is no JSON object")
    return data


def _owned_row(row: NewRun) -> RunRow:
    """The row that a new run of ours became."""
    return RunRow(
        id=row.id,
        workflow=row.workflow,
        version=row.version,
        status=RunStatus.RUNNING,
        owner=row.owner,
        epoch=1,
        recoveries=0,
        input=row.input,
        tags=row.tags,
        parent_id=row.parent_id,
        final_context=None,
        error_message=None,
        created_at=row.created_at,
        started_at=row.created_at,
        ended_at=None,
    )
