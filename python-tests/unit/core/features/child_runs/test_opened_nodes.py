"""How many nodes open in the commit that ends the task before them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from model.runs import active_run

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.nodes.child import child
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.workflow import Workflow
from cloaca_core.engine.record.entries import MAX_BATCH_BYTES, Draft
from cloaca_core.features.child_runs.opened_nodes import OpenedNodes
from cloaca_core.features.child_runs.records import OPENED_NODES, NodeChild
from cloaca_core.features.waits.ends import AnsweredEntry
from cloaca_core.run.active_run import ActiveRun
from cloaca_core.run.graph import plan_graph
from cloaca_core.store.batch import Committed, Kind
from cloaca_core.values.times.clock import SYSTEM_CLOCK

SMALL, HALF = 10, MAX_BATCH_BYTES // 2


class Desk:
    """A run of nodes, the inputs of whose children have these lengths; notes what is written, and
    which nodes begin as other tasks do.
    """

    def __init__(self, *lengths: int) -> None:
        with WorkflowBuilder("flow", registry=Registry()) as builder:
            for number in range(len(lengths)):
                child(f"n{number}", "below")
        assert builder.workflow is not None
        self.run = active_run(plan_graph(builder.workflow))
        self._lengths = lengths
        self.written: list[AnsweredEntry] = []
        self.begun: list[int] = []
        listener = SimpleNamespace(recorded=lambda entry: entry.then())
        self.opened = OpenedNodes(
            cast("Any", SimpleNamespace(first_child=self._first_child)),
            cast("Any", SimpleNamespace(begin=lambda *_: None)),
            cast("Any", SimpleNamespace(begin=lambda _, tasks: self.begun.extend(tasks))),
            cast("Any", SimpleNamespace(listener=listener, add=self.written.append)),
            SYSTEM_CLOCK,
        )

    def _first_child(self, run: ActiveRun, task: int, *_: object) -> tuple[Workflow, NodeChild]:
        text = "x" * self._lengths[task]
        row = NodeChild(run.id, f"c{task}", "below", "v", text, "{}", f"k{task}", 5, 3, None, None)
        return cast("Workflow", None), row

    def open(self) -> list[str]:
        """The task before all nodes has ended. The nodes that open in its commit."""
        assert self.opened.follow(self.run, [], range(len(self._lengths)), [], [])
        (entry,) = self.written
        draft = Draft()
        entry.add_to(draft)
        opened = draft.batch("r1").of(OPENED_NODES)
        decided: dict[Kind[Any], frozenset[Any]] = {OPENED_NODES: frozenset(opened)}
        entry.settled(Committed(frozenset(), {}, frozenset("r"), decided=decided))
        return [each.task_id for each in opened]


def test_nodes_open_until_their_rows_fill_a_batch() -> None:
    desk = Desk(HALF, SMALL, HALF, SMALL, HALF)

    assert desk.open() == ["n0", "n1", "n2"]

    assert desk.begun == [3, 4]
