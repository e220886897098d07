"""Calls that look at the past of runs: events, attempts, rounds, outputs, and acts on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloaca_core.runner.calls.arguments import checked_limit
from cloaca_core.runner.calls.call import Call
from cloaca_core.runner.history import (
    Action,
    AttemptInfo,
    RoundInfo,
    RunEvent,
    actions,
    attempt_infos,
    outputs,
    round_infos,
    run_events,
)

if TYPE_CHECKING:
    from cloaca_core._engine.observe.onlooker import Looks
    from cloaca_core._engine.observe.run_reader import History
    from cloaca_core.records.runs import AttemptRow
    from cloaca_core.runner.host import EngineHost


class HistoryCalls:
    """Makes the calls of one runner and its handles. Any thread may ask."""

    def __init__(self, host: EngineHost) -> None:
        self._host = host

    def events(self, run_id: str) -> Call[list[RunEvent]]:
        """The events of a run so far."""
        return Call(
            lambda: self._host.read(lambda engine: engine.reader.history(run_id)), run_events
        )

    def attempts(self, run_id: str) -> Call[list[AttemptInfo]]:
        """All attempts of a run."""
        return Call(
            lambda: self._host.read(lambda engine: history_and_tasks(engine, run_id)),
            lambda answer: attempt_infos(*answer),
        )

    def rounds(self, run_id: str) -> Call[list[RoundInfo]]:
        """The rounds of a run, oldest first."""
        return Call(
            lambda: self._host.read(lambda engine: engine.reader.history(run_id)), round_infos
        )

    def outputs(self, run_id: str) -> Call[dict[str, dict[str, Any]]]:
        """The keys that each completed task of a run has set."""
        return Call(
            lambda: self._host.read(lambda engine: _attempts_and_tasks(engine, run_id)),
            lambda answer: outputs(*answer),
        )

    def actions(self, limit: int) -> Call[list[Action]]:
        """The acts on all runs and workflows, newest first."""
        most = checked_limit(limit)
        return Call(lambda: self._host.read(lambda engine: engine.store.acts(None, most)), actions)


# -- on the engine's loop ------------------------------------------------------------------------


async def history_and_tasks(engine: Looks, run_id: str) -> tuple[History, list[str]]:
    """The past of a run, and the tasks of its definition."""
    history = await engine.reader.history(run_id)
    return history, await engine.reader.task_ids(history.row)


async def _attempts_and_tasks(engine: Looks, run_id: str) -> tuple[list[AttemptRow], list[str]]:
    row, attempts = await engine.reader.current_attempts(run_id)
    return attempts, await engine.reader.task_ids(row)
