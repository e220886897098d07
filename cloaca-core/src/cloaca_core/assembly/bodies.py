"""Connects steps, waits, maps and follow-ups to the kernel: fills in its ports."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol

from cloaca_core.features.child_runs.calls import AttemptChildRuns
from cloaca_core.features.child_runs.rows import failed_parent_rows, told_end_rows
from cloaca_core.features.follow_ups.rows import follow_up_rows
from cloaca_core.features.maps.maps import Maps
from cloaca_core.features.queues.current import current_queue
from cloaca_core.features.steps.memo_entry import write_memo
from cloaca_core.features.steps.memos import Memos
from cloaca_core.features.steps.part import MemoStore
from cloaca_core.features.waits.body_waits import BodyWaits
from cloaca_core.features.waits.part import WaitStore
from cloaca_core.features.waits.waits import Waits

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloaca_core.config import DefaultRunnerConfig
    from cloaca_core.engine.execute.executor import Executor
    from cloaca_core.engine.orchestrate.active_runs import Capacity
    from cloaca_core.engine.orchestrate.orchestrator import Orchestrator
    from cloaca_core.engine.orchestrate.served import Served
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.rows import RunEnd
    from cloaca_core.store.batch import Rows
    from cloaca_core.values.times.clock import Clock


class BodyStore(MemoStore, WaitStore, Protocol):
    """Reads the steps and waits of bodies."""


class Bodies:
    """The features of bodies, and of nodes that wait. Made after the orchestrator, whose ports they
    fill in. ``new_id`` makes the ids of runs that follow others; ``claimable`` is called when there
    is room for runs of a queue.
    """

    def __init__(
        self,
        orchestrator: Orchestrator,
        store: BodyStore,
        executor: Executor,
        clock: Clock,
        config: DefaultRunnerConfig,
        new_id: Callable[[], str],
        served: Served,
        capacity: Capacity,
        claimable: Callable[[], None],
    ) -> None:
        control, runs = orchestrator.control, orchestrator.runs
        attempts, records, ports = control.attempts, control.records, control.ports
        memos = Memos(
            partial(write_memo, records), store.memos, attempts.cleared, executor.call_made
        )
        self.memos: Memos = memos
        evict_after = config.evict_after_seconds
        bodies = BodyWaits(evict_after, memos, attempts.waiting_bodies, control.review_again)
        waits = Waits(store, evict_after, runs, clock, bodies, orchestrator, records)
        self.waits: Waits = waits
        memos.waiter = waits
        maps = Maps(config, orchestrator, executor, clock)
        ports.gates = (waits.gate, maps.gate)
        ports.maps = maps
        if served.given is not None:
            add_routes(served, orchestrator, clock, capacity, claimable)
        ports.waits = waits
        ports.calls = memos
        ports.body_calls = partial(AttemptChildRuns, memos, children=runs.children)
        ports.with_end = partial(_with_end, new_id)
        ports.current_queue = current_queue


def _with_end(new_id: Callable[[], str], run: ActiveRun, end: RunEnd) -> Rows:
    """The rows of features that count with an end."""
    rows = [follow_up_rows(new_id, run, end), told_end_rows(run), failed_parent_rows(run, end)]
    return {kind: each for found in rows for kind, each in found.items()}


def add_routes(
    served: Served,
    orchestrator: Orchestrator,
    clock: Clock,
    capacity: Capacity,
    claimable: Callable[[], None],
) -> None:
    """Let an engine that serves some queues keep back tasks of other queues."""
    from cloaca_core.features.queues.places import Places  # few runners serve only some
    from cloaca_core.features.queues.routes import Routes

    def freed(queue: str) -> None:
        routes.offer(queue)
        claimable()

    has_numbers = served.given is not None and any(served.given.values())
    places = Places(served, orchestrator.runs, freed) if has_numbers else None
    capacity.counted = None if places is None else places.look
    ports = orchestrator.control.ports
    ports.routes = routes = Routes(served, orchestrator, clock, places)
    waits, *others = ports.gates
    ports.gates = (waits, routes.gate, *others)  # a map begins where its queue is served
