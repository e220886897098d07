"""Makes the child runs of nodes, and the values of the nodes from their ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cloaca_core.definition.context import input_text
from cloaca_core.definition.queues import first_queue
from cloaca_core.definition.waits.kinds import Child, Loop
from cloaca_core.engine.execute.returned import refuse_large
from cloaca_core.errors import CloacaError
from cloaca_core.features.child_runs.node_children import (
    Iteration,
    child_input,
    endless,
    next_input,
    outcome_of_end,
)
from cloaca_core.features.child_runs.records import NODE_CHILDREN, NodeChild
from cloaca_core.features.maps.open_maps import open_maps
from cloaca_core.run.items.units import TASK, item_of
from cloaca_core.run.merge import Change
from cloaca_core.values.payloads.json_values import encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloaca_core.definition.recorded import RecordedWorkflow
    from cloaca_core.definition.workflow import Workflow
    from cloaca_core.engine.record.entries import Draft
    from cloaca_core.features.waits.node_waits import WaitOutcome
    from cloaca_core.features.waits.open_waits import OpenWait
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.items.units import Unit
    from cloaca_core.run.rows import AttemptRow, RunRow
    from cloaca_core.run.watcher import EndedWait
    from cloaca_core.values.ids import RunIds
    from cloaca_core.values.payloads.json_values import JsonValue
    from cloaca_core.values.times.clock import Clock


class NodeChildRows(NamedTuple):
    """The child that one entry writes."""

    child: NodeChild

    def add_to(self, draft: Draft) -> None:
        """Put it into a batch."""
        draft.put(NODE_CHILDREN, (self.child,))

    @property
    def weight(self) -> int:
        """About how many bytes it holds."""
        return NODE_CHILDREN.weight((self.child,))

    def ended_waits(self, _: ActiveRun, __: Sequence[AttemptRow]) -> list[EndedWait]:
        """It ends no wait."""
        return []


class MadeChildren:
    """Inputs and values have at most ``max_bytes`` in a context."""

    def __init__(self, ids: RunIds, clock: Clock, max_bytes: int) -> None:
        self._ids = ids
        self._clock = clock
        self._max_bytes = max_bytes

    def child(
        self,
        run: ActiveRun,
        unit: Unit,
        attempt: int,
        node: Child,
        workflow: Workflow | RecordedWorkflow,
        iteration: Iteration,
        text: str,
    ) -> NodeChild:
        deadline, task_id, item = run.limit.deadline, run.graph.tasks[unit & TASK].id, item_of(unit)
        return NodeChild(
            run_id=run.id,
            id=self._ids.next(),
            workflow=workflow.namespace,
            version=workflow.version,
            input=text,
            tags=encode(dict(node.tags)) if node.tags else "{}",
            idempotency_key=iteration.key(run.id, task_id, item),
            created_at=self._clock.wall(),
            priority=run.row.priority if node.priority is None else node.priority,
            time_limit=node.time_limit,
            deadline_at=None if deadline is None else deadline.at,
            queue=first_queue(workflow, node.queue) if node.queue else workflow.begins_in,
            asked_queue=node.queue,
            trace=None if run.spans is None else run.spans.trace_of(task_id, attempt, item),
        )

    def given(self, run: ActiveRun, unit: Unit, node: Child) -> dict[str, JsonValue]:
        """The input of the first child."""
        task = unit & TASK
        item = open_maps(run).of(unit).item(item_of(unit)) if unit > TASK else None
        return child_input(node, run.graph.tasks[task].id, run.plan.contexts.given(task), item)

    def text(self, given: dict[str, JsonValue]) -> str:
        """The input of a child as it is stored; ``ContextValueError`` if it is too large."""
        return input_text(given, self._max_bytes, "the child's input")

    def following(
        self,
        run: ActiveRun,
        wait: OpenWait,
        node: Child,
        row: RunRow,
        workflow: Workflow | RecordedWorkflow | CloacaError,
    ) -> NodeChild:
        """The next iteration of a loop; raises if there can be none."""
        task = wait.key.task
        if isinstance(workflow, CloacaError):
            raise workflow
        further = next_input(node, self.given(run, task, node), row)
        assert isinstance(node, Loop), "only a loop has a further iteration"
        assert further is not None, "only a loop has a further iteration"
        iteration = Iteration.of(wait.row.detail).next
        if iteration.number >= node.max_iterations:
            raise endless(node, run.graph.tasks[task].id, row)
        text = self.text(further)
        return self.child(run, task, wait.row.attempt, node, workflow, iteration, text)

    def outcome(self, run: ActiveRun, unit: Unit, node: Child, row: RunRow) -> WaitOutcome:
        """What the end of a child makes of its node: an error if the value is too large. A map
        counts the values of its items.
        """
        task = unit & TASK
        task_id = run.graph.tasks[task].id
        outcome = outcome_of_end(node, task_id, row)
        if not isinstance(outcome, Change) or unit > TASK:
            return outcome
        if run.size_bound + len(outcome.to_json().encode()) > self._max_bytes:  # else it fits
            try:
                refuse_large(task_id, run.plan.contexts.given(task), outcome, self._max_bytes)
            except CloacaError as error:
                return error
        return outcome
