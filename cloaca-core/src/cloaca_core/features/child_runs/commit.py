"""What child runs write with a batch: children of nodes, ends, as messages to their parents, and
marks of parents that fail.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from cloaca_core.features.child_runs.records import (
    FAILED_PARENTS,
    NODE_CHILDREN,
    OPENED_NODES,
    TOLD_ENDS,
    NodeChild,
    OpenedNode,
)
from cloaca_core.features.child_runs.sql import ChildRunQueries
from cloaca_core.store.batch import NONE_DECIDED, Batch, Decided, Kind
from cloaca_core.store.sql.base import RunQueries
from cloaca_core.store.sql.commit_part import GUARD, Array, CommitPart, Steps, guarded
from cloaca_core.store.sql.dialect import Step
from cloaca_core.store.sql.payloads import Payloads
from cloaca_core.values.queue_names import DEFAULT_QUEUE

if TYPE_CHECKING:
    from cloaca_core.store.sql.base import Queries
    from cloaca_core.store.sql.queries import Row

_FOUND: Final = "node children found"


class ChildRunCommit:
    """Children come after the locks of their parents. Messages and marks come after the ends: a
    message is sent if its run has ended, by whichever owner. So do the rows of nodes that open with
    the end of the task before them: the end of their run closes its waits before.
    """

    def __init__(self, queries: Queries, array: Array) -> None:
        self._array = array
        self._payloads = Payloads(queries.payloads)
        self._q = queries.of(ChildRunQueries)
        runs = queries.of(RunQueries)
        self._insert_tag, self._note_queue = runs.insert_tag, runs.note_queue
        self._child_row = self._q.insert_node_child.binder(NodeChild._fields + GUARD)
        self._mark_row = self._q.mark_opened_node.binder(OpenedNode._fields + GUARD)
        self._wait_row = self._q.record_wait_of_opened_node.binder(OpenedNode._fields + GUARD)
        self._tag_row = self._insert_tag.binder(("run_id", "tag", "content"))

    def part(self) -> CommitPart:
        q = self._q
        return CommitPart(
            kinds=frozenset((TOLD_ENDS, FAILED_PARENTS, NODE_CHILDREN, OPENED_NODES)),
            fence=self._fence,
            end=self._end,
            answer=self._answer,
            ended=[q.tell_parents],
            cancelled=[q.tell_of_cancelled],
        )

    def _fence(self, batch: Batch) -> Steps:
        """Children come after the locks of their parents."""
        if not (children := batch.of(NODE_CHILDREN)):
            return {}
        insert = self._q.insert_node_child
        in_row, inputs = self._payloads.split_inputs(children, attrgetter("id"))
        steps = {"node children": Step(insert, rows=guarded(batch, in_row, self._child_row))}
        if inputs is not None:
            steps["inputs of node children"] = inputs
        tags = [
            (each.id, *tag)
            for each in children
            if each.tags != "{}"
            for tag in json.loads(each.tags).items()
        ]
        if tags:
            steps["tags of node children"] = Step(
                self._insert_tag, rows=list(map(self._tag_row, tags))
            )
        asked = {(each.workflow, each.asked_queue) for each in children if each.asked_queue}
        if queues := sorted(pair for pair in asked if pair[1] != DEFAULT_QUEUE):
            steps["queues of node children"] = Step(self._note_queue, rows=queues)
        found = self._q.list_node_children
        if ids := [each.id for each in children if _matters(each)]:
            params = found.bind(ids=self._array(ids), runner_id=batch.runner_id)
            steps[_FOUND] = Step(found, params)
        return steps

    def _answer(
        self, batch: Batch, answers: Mapping[str, Sequence[Row]], _: Collection[str]
    ) -> Decided:
        """The children that this runner owns from their insert, and the nodes whose children the
        table has. A child that was sent without an owner may have been claimed since, if the batch
        is sent once more: the claim has begun it.
        """
        found: dict[str, int] = dict(answers.get(_FOUND, ()))
        decided: dict[Kind[Any], frozenset[Any]] = {}
        if owned := [
            each
            for each in batch.of(NODE_CHILDREN)
            if each.owner is not None and found.get(each.id)
        ]:
            decided[NODE_CHILDREN] = frozenset(owned)
        if opened := [each for each in batch.of(OPENED_NODES) if each.child_id in found]:
            decided[OPENED_NODES] = frozenset(opened)
        return decided or NONE_DECIDED

    def _end(self, batch: Batch) -> Steps:
        q = self._q
        steps: Steps = {}
        if told := batch.of(TOLD_ENDS):
            ids = self._array(sorted({each.run_id for each in told}))
            steps["told ends"] = Step(q.tell_parents, q.tell_parents.bind(ids=ids))
        if failed := batch.of(FAILED_PARENTS):
            ids = self._array(sorted({each.run_id for each in failed}))
            params = q.mark_failed_parents.bind(ids=ids, runner_id=batch.runner_id)
            steps["failed parents"] = Step(q.mark_failed_parents, params)
        if opened := batch.of(OPENED_NODES):
            marks = guarded(batch, opened, self._mark_row)
            steps["marks of opened nodes"] = Step(q.mark_opened_node, rows=marks)
            waits = guarded(batch, opened, self._wait_row)
            steps["waits of opened nodes"] = Step(q.record_wait_of_opened_node, rows=waits)
        return steps


def _matters(child: NodeChild) -> bool:
    """Whether the outcome of its insert matters: it begins here, or its node opens with it."""
    return child.owner is not None or child.replacements is not None
