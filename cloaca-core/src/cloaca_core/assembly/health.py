"""The state of the runner, for people and probes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cloaca_core.engine.execute.executor import Executor
    from cloaca_core.engine.orchestrate.active_runs import ActiveRuns, Capacity
    from cloaca_core.engine.record.attempt_rows import StartMarks
    from cloaca_core.engine.record.journal import Journal
    from cloaca_core.engine.recover.runner_id import RunnerId
    from cloaca_core.engine.runtime.supervisor import SupervisedLoop
    from cloaca_core.engine.submit.held_keys import HeldKeys
    from cloaca_core.features.queues.watch import QueueWatch
    from cloaca_core.features.triggers.trigger_loop import TriggerLoop
    from cloaca_core.features.unserved.watch import UnservedWatch


class Health:
    """Belongs to the engine's loop."""

    def __init__(
        self,
        *,
        runner_id: RunnerId | None,
        runs: ActiveRuns,
        capacity: Capacity,
        executor: Executor,
        start_marks: StartMarks,
        journal: Journal,
        held_keys: HeldKeys,
        triggers: TriggerLoop,
        unserved: UnservedWatch,
        queues: QueueWatch,
        loops: Sequence[SupervisedLoop],
    ) -> None:
        self._runner_id = runner_id
        self._runs = runs
        self._capacity = capacity
        self._executor = executor
        self._start_marks = start_marks
        self._journal = journal
        self._held_keys = held_keys
        self._triggers = triggers
        self._unserved = unserved
        self._queues = queues
        self._loops = loops

    def report(self) -> dict[str, Any]:
        """The present state of the runner. The reference describes the keys at
        ``DefaultRunner.health``.
        """
        return {
            "runner_id": None if self._runner_id is None else self._runner_id.current,
            "active_runs": len(self._runs),
            "running_bodies": len(self._start_marks.running()),
            "abandoned_bodies": self._executor.abandoned,
            "executors": {name: usage._asdict() for name, usage in self._executor.usage().items()},
            "held_submits": len(self._held_keys),
            "paused": self._capacity.paused,
            "journal_error": _text(self._journal.failure),
            "loops": {
                each.name: {"last_success": each.last_success, "error": _text(each.failure)}
                for each in self._loops
            },
            "failing_triggers": self._triggers.failures,
            "unserved": self._unserved.report(),
            "unserved_queues": list(self._queues.unserved),
        }


def _text(error: Exception | None) -> str | None:
    return None if error is None else str(error)
