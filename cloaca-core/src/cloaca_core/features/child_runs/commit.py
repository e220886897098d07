"""What child runs write with a batch: their ends, as messages to their parents."""

from __future__ import annotations

import json
from operator import attrgetter
from typing import TYPE_CHECKING

from cloaca_core.features.child_runs.records import NODE_CHILDREN, TOLD_ENDS, NodeChild
from cloaca_core.features.child_runs.sql import ChildRunQueries
from cloaca_core.store.sql.base import RunQueries
from cloaca_core.store.sql.commit_part import GUARD, Array, CommitPart, Steps, guarded
from cloaca_core.store.sql.dialect import Step
from cloaca_core.store.sql.payloads import Payloads
from cloaca_core.values.queue_names import DEFAULT_QUEUE

if TYPE_CHECKING:
    from cloaca_core.store.batch import Batch
    from cloaca_core.store.sql.base import Queries


class ChildRunCommit:
    """After the ends: a message is sent if its run has ended, by whichever owner."""

    def __init__(self, queries: Queries, array: Array) -> None:
        self._array = array
        self._payloads = Payloads(queries.payloads)
        self._q = queries.of(ChildRunQueries)
        runs = queries.of(RunQueries)
        self._insert_tag, self._note_queue = runs.insert_tag, runs.note_queue
        self._child_row = self._q.insert_node_child.binder(NodeChild._fields + GUARD)
        self._tag_row = self._insert_tag.binder(("run_id", "tag", "content"))

    def part(self) -> CommitPart:
        q = self._q
        return CommitPart(
            kinds=frozenset((TOLD_ENDS, NODE_CHILDREN)),
            fence=self._fence,
            end=self._end,
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
        tags = [(each.id, *tag) for each in children for tag in json.loads(each.tags).items()]
        if tags:
            steps["tags of node children"] = Step(
                self._insert_tag, rows=list(map(self._tag_row, tags))
            )
        asked = {(each.workflow, each.asked_queue) for each in children if each.asked_queue}
        if queues := sorted(pair for pair in asked if pair[1] != DEFAULT_QUEUE):
            steps["queues of node children"] = Step(self._note_queue, rows=queues)
        return steps

    def _end(self, batch: Batch) -> Steps:
        if not batch.of(TOLD_ENDS):
            return {}
        ids = self._array(sorted({each.run_id for each in batch.of(TOLD_ENDS)}))
        return {"told ends": Step(self._q.tell_parents, self._q.tell_parents.bind(ids=ids))}
