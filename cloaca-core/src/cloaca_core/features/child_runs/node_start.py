"""An attempt at a node that is to start a child run, and the children of earlier attempts."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from cloaca_core.definition.recorded import RecordedWorkflow
    from cloaca_core.definition.waits.kinds import Child
    from cloaca_core.definition.workflow import Workflow
    from cloaca_core.features.child_runs.node_children import Iteration
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.items.units import Unit
    from cloaca_core.run.restore import Resume
    from cloaca_core.run.rows import RunRow


class NodeStart(NamedTuple):
    """An attempt at a node, or at an item of a map; ``workflow`` is that of its child.
    ``begun_again``: its failed child was begun again before it.
    """

    run: ActiveRun
    unit: Unit
    resume: Resume
    node: Child
    workflow: Workflow | RecordedWorkflow
    begun_again: bool = False


class EarlierChildren(NamedTuple):
    """The children that earlier attempts have started: the place and the row of the latest, and the
    row of the first, whose input was that of the node.
    """

    place: Iteration
    latest: RunRow
    first: RunRow
