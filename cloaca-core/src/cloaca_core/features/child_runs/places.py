"""Begins the children of nodes in the runner of their parent, as far as it has places for them.

The others are inserted without an owner, for any runner to claim: those that are more than a claim
would take here, so that other runners get their share; those of a queue that is not served here, or
of which only a number of runs may be here, as claims count these; and all of them while runs wait
for places, as a child has its turn among them by its priority.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, cast

from cloaca_core.definition.workflow import Workflow
from cloaca_core.features.child_runs.records import NODE_CHILDREN
from cloaca_core.features.child_runs.rows import row_of_child
from cloaca_core.values.payloads.json_values import decode

if TYPE_CHECKING:
    from cloaca_core.definition.recorded import RecordedWorkflow
    from cloaca_core.engine.claim.fair_share import FairShare
    from cloaca_core.engine.orchestrate.active_runs import Capacity
    from cloaca_core.engine.orchestrate.adoption import Adoption
    from cloaca_core.engine.orchestrate.served import Served
    from cloaca_core.engine.recover.runner_id import RunnerId
    from cloaca_core.engine.subjects import Subjects
    from cloaca_core.features.child_runs.records import NodeChild
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.store.batch import Committed
    from cloaca_core.values.payloads.json_values import JsonValue


class ChildPlaces:
    """Belongs to the engine's loop. Counts for each parent the places that are reserved for its
    children until they are durable. ``_kept`` is their sum.
    """

    def __init__(
        self,
        runner_id: RunnerId,
        capacity: Capacity,
        served: Served,
        share: FairShare,
        adoption: Adoption,
        subjects: Subjects,
    ) -> None:
        self._runner_id = runner_id
        self._capacity = capacity
        self._served = served
        self._share = share
        self._adoption = adoption
        self._claimable = subjects.claimable_here.publish
        self._reserved: Counter[ActiveRun] = Counter()
        self._kept = 0

    def owner(
        self, parent: ActiveRun, workflow: Workflow | RecordedWorkflow, queue: str
    ) -> str | None:
        """Reserve a place for a child of this queue. Returns its owner, None if any runner may
        claim it.
        """
        if not isinstance(workflow, Workflow) or not self._has_place(queue):
            return None
        self._reserved[parent] += 1
        self._kept += 1
        self._capacity.reserve(1)
        self._share.begins_unclaimed()
        return self._runner_id.current

    def _has_place(self, queue: str) -> bool:
        capacity = self._capacity
        if capacity.paused or capacity.is_awaited or not capacity.free():
            return False
        if not self._served.takes_any(queue):
            return False
        return self._share.most() > self._kept

    def begin(
        self,
        parent: ActiveRun,
        workflow: Workflow | RecordedWorkflow,
        child: NodeChild,
        committed: Committed,
    ) -> None:
        """The child is durable: begin it if it is ours."""
        self._return(parent, child)
        if child in committed.of(NODE_CHILDREN):
            assert isinstance(workflow, Workflow), "a runner that owns a run has its code"
            given = cast("dict[str, JsonValue]", decode(child.input))
            self._adoption.begin(workflow, [(row_of_child(child), given)], depth=0)
        else:
            self._claimable()
            self._capacity.changed()

    def withdraw(self, parent: ActiveRun, child: NodeChild) -> None:
        """The child is not to begin: its place is free for runs that wait in the table."""
        self._return(parent, child)
        self._capacity.changed()

    def _return(self, parent: ActiveRun, child: NodeChild) -> None:
        """The place of this child is reserved no more."""
        if child.owner is not None and self._reserved[parent]:
            self._reserved[parent] -= 1
            self._free(1)

    def forget(self, parent: ActiveRun) -> None:
        """The parent is over, or this runner no longer owns it: not all of its children may become
        durable.
        """
        self._free(self._reserved.pop(parent, 0))

    def _free(self, count: int) -> None:
        self._kept -= count
        self._capacity.unreserve(count)
