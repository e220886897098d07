"""All that one looks at first, on one screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from cloaca_core.features.waits.approvals import OpenApproval, open_approvals
from cloaca_core.store.runner_rows import KEPT_LOST
from cloaca_core.values.namespace import short_name
from cloaca_core.values.payloads.json_forms import Shown
from cloaca_core.values.times.instants import SECOND
from cloaca_core.values.times.rfc3339 import rfc3339
from cloaca_core.views.results import run_info
from cloaca_tools.views.lists.failure_groups import MOST, FailureGroup, grouped
from cloaca_tools.views.lists.listing import RunLine
from cloaca_tools.views.runners import MOST_LOST, RunnerLine, runner_lines
from cloaca_tools.views.triggers import FailingTrigger, failing

if TYPE_CHECKING:
    from cloaca_core.assembly.onlooker import Looks
    from cloaca_core.features.explain.facts import RunnerState
    from cloaca_core.features.search.records import Claimable
    from cloaca_core.features.triggers.records import TriggerRow
    from cloaca_core.features.waits.records import OpenApprovalRow
    from cloaca_core.run.rows import RunRow
    from cloaca_core.values.times.instants import Instant

COUNTED: Final = 10_000
"""How many runs of each state are counted, and how many failed runs are shown."""
SHOWN: Final = 10
"""Failed runs and approvals that are shown."""
HOUR: Final = 3_600 * SECOND


@dataclass(frozen=True, slots=True)
class Overview(Shown):
    """The state of a database at the instant ``at``.

    ``counts`` are the runs by state that have not ended, ``failed`` counts those that failed in the
    last hour, each up to 10,000; ``failures`` are the newest of them, and ``failure_groups`` the
    newest 1,000 by their errors. ``approvals`` wait for people, oldest first, at most 10.
    ``oldest_pending`` is the run that waits for longest for a runner, for
    ``oldest_pending_seconds``. ``oldest_pending_given_back`` says that a runner has
    begun it and given it back, as when it is stopped: it waits for so long at most, as the database
    does not tell when that was. ``failing_triggers`` are enabled ones whose last poll failed, at
    most 10. ``lost_runners`` counts those that were declared dead within a day, up to 100.
    ``retention_days`` is the setting of this program, None for ever.
    """

    at: str
    backend: str
    counts: Mapping[str, int]
    failed: int
    failures: tuple[RunLine, ...]
    approvals: tuple[OpenApproval, ...]
    oldest_pending: RunLine | None
    oldest_pending_seconds: float | None
    oldest_pending_given_back: bool
    runners: tuple[RunnerLine, ...]
    paused_workflows: tuple[str, ...]
    retention_days: int | None
    failure_groups: tuple[FailureGroup, ...] = ()
    failing_triggers: tuple[FailingTrigger, ...] = ()
    lost_runners: int = 0


class State(NamedTuple):
    """The rows of an overview. ``failed`` are the ids of runs that failed in the last hour."""

    now: Instant
    counts: Mapping[str, int]
    failed: Sequence[str]
    rows: Mapping[str, RunRow]
    oldest: Claimable | None
    approvals: Sequence[OpenApprovalRow]
    runners: Sequence[RunnerState]
    paused: Sequence[str]
    retention_days: int | None
    failing: Sequence[TriggerRow] = ()
    lost: int = 0


class _Oldest(NamedTuple):
    """The run that waits for longest for a runner: since then, or later if it was given back."""

    row: RunRow
    since: Instant
    given_back: bool


async def read(engine: Looks) -> State:
    """The state of the database; runs on the engine's loop."""
    store = engine.store
    now = await store.now()
    failed = await store.failed_since(now - HOUR, COUNTED)
    oldest = await store.longest_claimable()
    shown = [*failed[:MOST], *([] if oldest is None else [oldest.run_id])]
    rows = await store.runs_of(shown)
    return State(
        now=now,
        counts=await store.count_under_way(COUNTED),
        failed=failed,
        rows={row.id: row for row in rows},
        oldest=oldest,
        approvals=await store.open_approvals(SHOWN),
        runners=await engine.explainer.runners(),
        paused=sorted(await store.paused_workflows()),
        retention_days=engine.config.retention_days,
        failing=await store.failing_triggers(SHOWN),
        lost=len(await store.lost_runners(now - KEPT_LOST, MOST_LOST)),
    )


def overview(backend: str, state: State) -> Overview:
    """The overview of a state."""
    now, rows = state.now, state.rows
    oldest = _oldest(state)
    failed = [rows[each] for each in state.failed if each in rows]
    return Overview(
        at=rfc3339(now),
        backend=backend,
        counts=dict(state.counts),
        failed=len(state.failed),
        failures=tuple([run_info(each, now) for each in failed[:SHOWN]]),
        approvals=tuple(open_approvals(state.approvals)),
        oldest_pending=None if oldest is None else run_info(oldest.row, now),
        oldest_pending_seconds=None if oldest is None else max(0, now - oldest.since) / SECOND,
        oldest_pending_given_back=oldest is not None and oldest.given_back,
        runners=runner_lines(state.runners, now),
        paused_workflows=tuple([short_name(each) for each in state.paused]),
        retention_days=state.retention_days,
        failure_groups=grouped(failed),
        failing_triggers=failing(state.failing),
        lost_runners=state.lost,
    )


def _oldest(state: State) -> _Oldest | None:
    """The run that waits for longest. One that was begun since it may be claimed was given back
    after that.
    """
    row = None if state.oldest is None else state.rows.get(state.oldest.run_id)
    if state.oldest is None or row is None:
        return None
    since, begun = state.oldest.since, row.started_at
    if begun is None or begun < since:
        return _Oldest(row, since, given_back=False)
    return _Oldest(row, begun, given_back=True)
