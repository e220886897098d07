"""Operations that look at the past of runs: events, attempts, rounds, outputs, and acts on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from cloaca_core.engine.calls.arguments import checked_limit
from cloaca_core.views.history import (
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
from cloaca_core.views.run_past import history_of

if TYPE_CHECKING:
    from cloaca_core.assembly.caller import Caller
    from cloaca_core.assembly.onlooker import Looks
    from cloaca_core.engine.calls.call import Call
    from cloaca_core.run.rows import AttemptRow
    from cloaca_core.views.run_past import History


class Events(NamedTuple):
    """The events of a run so far."""

    run_id: str

    def call(self, caller: Caller) -> Call[list[RunEvent]]:
        """See ``Operation``."""
        return caller.look(lambda engine: history_of(engine, self.run_id), run_events)


class Attempts(NamedTuple):
    """All attempts of a run."""

    run_id: str

    def call(self, caller: Caller) -> Call[list[AttemptInfo]]:
        """See ``Operation``."""
        return caller.look(
            lambda engine: history_and_tasks(engine, self.run_id),
            lambda answer: attempt_infos(*answer),
        )


class Rounds(NamedTuple):
    """The rounds of a run, oldest first."""

    run_id: str

    def call(self, caller: Caller) -> Call[list[RoundInfo]]:
        """See ``Operation``."""
        return caller.look(lambda engine: history_of(engine, self.run_id), round_infos)


class Outputs(NamedTuple):
    """The keys that each completed task of a run has set."""

    run_id: str

    def call(self, caller: Caller) -> Call[dict[str, dict[str, Any]]]:
        """See ``Operation``."""
        return caller.look(
            lambda engine: _attempts_and_tasks(engine, self.run_id),
            lambda answer: outputs(*answer),
        )


class Actions(NamedTuple):
    """The acts on all runs and workflows, newest first."""

    limit: int = 100

    def call(self, caller: Caller) -> Call[list[Action]]:
        """See ``Operation``."""
        most = checked_limit(self.limit)
        return caller.look(lambda engine: engine.store.acts(None, most), actions)


# -- on the engine's loop ------------------------------------------------------------------------


async def history_and_tasks(engine: Looks, run_id: str) -> tuple[History, list[str]]:
    """The past of a run, and the tasks of its definition."""
    history = await history_of(engine, run_id)
    return history, await engine.reader.task_ids(history.row)


async def _attempts_and_tasks(engine: Looks, run_id: str) -> tuple[list[AttemptRow], list[str]]:
    row, attempts = await engine.reader.current_attempts(run_id)
    return attempts, await engine.reader.task_ids(row)
