"""Connects steps, waits, maps and follow-ups to the kernel: fills in its ports."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol

from cloaca_core.features.child_runs.calls import AttemptChildRuns
from cloaca_core.features.child_runs.rows import told_end_rows
from cloaca_core.features.follow_ups.rows import follow_up_rows
from cloaca_core.features.maps.maps import Maps
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
    from cloaca_core.engine.orchestrate.orchestrator import Orchestrator
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.rows import RunEnd
    from cloaca_core.store.batch import Rows
    from cloaca_core.values.times.clock import Clock


class BodyStore(MemoStore, WaitStore, Protocol):
    """Reads the steps and waits of bodies."""


class Bodies:
    """The features of bodies, and of nodes that wait. Made after the orchestrator, whose ports they
    fill in. ``new_id`` makes the ids of runs that follow others.
    """

    def __init__(
        self,
        orchestrator: Orchestrator,
        store: BodyStore,
        executor: Executor,
        clock: Clock,
        config: DefaultRunnerConfig,
        new_id: Callable[[], str],
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
        ports.waits = waits
        ports.calls = memos
        ports.body_calls = partial(AttemptChildRuns, memos, children=runs.children)
        ports.with_end = partial(_with_end, new_id)


def _with_end(new_id: Callable[[], str], run: ActiveRun, end: RunEnd) -> Rows:
    """The rows of features that count with an end."""
    return {**follow_up_rows(new_id, run, end), **told_end_rows(run)}
