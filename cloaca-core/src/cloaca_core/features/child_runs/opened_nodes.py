"""Opens nodes in the commit that records the end of the tasks before them.

So a chain of nodes costs two commits a node: the end of the child, and the end of its node, which
opens the next one. The rows of a node and of its child count together or not at all: a run that is
to pause or to be cancelled opens none, which the answer of the commit tells.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from cloaca_core.definition.waits.kinds import Child
from cloaca_core.engine.record import attempt_rows
from cloaca_core.engine.record.entries import MAX_BATCH_BYTES
from cloaca_core.engine.runtime import failpoints
from cloaca_core.features.child_runs.node_children import Iteration
from cloaca_core.features.child_runs.records import (
    NODE_CHILDREN,
    OPENED_NODES,
    NodeChild,
    OpenedNode,
)
from cloaca_core.features.waits.ends import AnsweredEntry
from cloaca_core.features.waits.open_waits import OpenWait, open_waits
from cloaca_core.features.waits.rows import row_of_run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloaca_core.definition.workflow import Workflow
    from cloaca_core.engine.execute.attempt import Attempt
    from cloaca_core.engine.orchestrate.orchestrator import Orchestrator
    from cloaca_core.engine.orchestrate.run_records import RunRecords
    from cloaca_core.engine.record.entries import Draft
    from cloaca_core.engine.record.run_entry import Beside
    from cloaca_core.features.child_runs.nodes import ChildNodes
    from cloaca_core.features.child_runs.places import ChildPlaces
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.rows import AttemptRow
    from cloaca_core.run.watcher import EndedWait
    from cloaca_core.store.batch import Committed
    from cloaca_core.values.times.clock import Clock

log = logging.getLogger(__name__)

MOST_OPENED: Final = 500
"""Nodes that open in one commit, if their rows fit into a batch; the others open after it."""


class Opening(NamedTuple):
    """The rows of a node that opens, and its ``wait``; ``workflow`` is that of the child."""

    node: OpenedNode
    child: NodeChild
    wait: OpenWait
    workflow: Workflow

    def add_to(self, draft: Draft) -> None:
        """Put the rows into a batch."""
        draft.put(NODE_CHILDREN, (self.child,))
        draft.put(OPENED_NODES, (self.node,))

    @property
    def weight(self) -> int:
        """About how many bytes they hold."""
        return NODE_CHILDREN.weight((self.child,)) + OPENED_NODES.weight((self.node,))

    def ended_waits(self, _: ActiveRun, __: Sequence[AttemptRow]) -> list[EndedWait]:
        """They end no wait."""
        return []


class OpenedNodes:
    """Belongs to the engine's loop."""

    def __init__(
        self,
        nodes: ChildNodes,
        places: ChildPlaces,
        kernel: Orchestrator,
        records: RunRecords,
        clock: Clock,
    ) -> None:
        self._nodes = nodes
        self._places = places
        self._kernel = kernel
        self._records = records
        self._clock = clock

    def follow(
        self,
        run: ActiveRun,
        attempts: Sequence[AttemptRow],
        ready: Sequence[int],
        ahead: Sequence[Attempt],
        beside: Sequence[Beside],
    ) -> bool:
        """Write these rows with those of the nodes among the ``ready`` tasks that can open with
        them. False if there are none; then nothing is written.
        """
        if not run.life.may_begin:
            return False
        openings: list[Opening] = []
        others: list[int] = []
        weight = 0
        for task in ready:
            has_room = len(openings) < MOST_OPENED and weight < MAX_BATCH_BYTES
            opening = self._opening(run, task) if has_room else None
            if opening is None:
                others.append(task)
            else:
                openings.append(opening)
                weight += opening.weight
        if openings:
            answered = partial(self._answered, run, openings, others)
            rows = [*beside, *openings]
            listener = self._records.listener
            self._records.add(AnsweredEntry(listener, run, attempts, rows, answered, ahead))
        return bool(openings)

    def _opening(self, run: ActiveRun, task: int) -> Opening | None:
        """Open a node here. None if the task is none, has begun before, or needs a look at the
        table.
        """
        own = run.graph.tasks[task]
        if not isinstance(own.wait, Child) or own.map is not None or task in run.resume:
            return None
        if run.graph.merges and run.plan.contexts.unmerged(task):
            return None
        replacements = run.plan.contexts.replacements
        try:
            made = self._nodes.first_child(run, task, own.wait, replacements)
        except Exception:  # the same error as the node begins: the task before it has ended first
            ids = {"run_id": run.id, "task_id": own.id}
            log.exception("run %s: node %s does not open ahead", run.id, own.id, extra=ids)
            return None
        if made is None:
            return None
        workflow, child = made
        mark = attempt_rows.of_node(run, task, 1, self._clock.wall())
        assert mark.started_at is not None, "a node has opened"
        run.latest[task] = mark
        run.awaits_children = True
        waits = open_waits(run)
        wait = waits.add(task, row_of_run(mark, child.id, Iteration().detail))
        waits.opening += 1
        node = OpenedNode(
            run.id, own.id, 1, mark.started_at, child.id, wait.row.detail, mark.replacements
        )
        return Opening(node, child, wait, workflow)

    def _answered(
        self,
        run: ActiveRun,
        openings: Sequence[Opening],
        others: Sequence[int],
        committed: Committed,
    ) -> None:
        """The end of the task before is durable. Begin the children; the nodes that were not to
        open begin as other tasks do once the run goes on.
        """
        opened, waits, ready = committed.of(OPENED_NODES), open_waits(run), list(others)
        for opening in openings:
            waits.opening -= 1
            if opening.node in opened:
                if failpoints.watches:
                    failpoints.hit("wait.after_open")
                opening.wait.durable = True
                self._places.begin(run, opening.workflow, opening.child, committed)
            else:
                task = opening.wait.key.task
                waits.remove(opening.wait)
                run.latest.pop(task, None)
                self._places.withdraw(run, opening.child)
                ready.append(task)
        self._kernel.begin(run, ready)
