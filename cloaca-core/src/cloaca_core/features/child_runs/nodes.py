"""Starts the child runs of nodes, and ends the nodes when they have ended.

The row of a child is written in the commit that opens the wait of its node, so an owner that takes
the run over finds both or neither.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from cloaca_core.definition.registry import Unregistered
from cloaca_core.definition.waits.kinds import Child, Loop
from cloaca_core.errors import CloacaError, WorkflowNotFoundError
from cloaca_core.features.child_runs.begun_again import BegunAgain
from cloaca_core.features.child_runs.known_children import KnownChildren
from cloaca_core.features.child_runs.made_children import MadeChildren, NodeChildRows
from cloaca_core.features.child_runs.node_children import (
    Iteration,
    goes_on,
    next_input,
)
from cloaca_core.features.child_runs.node_start import EarlierChildren, NodeStart
from cloaca_core.features.child_runs.run_tasks import RunTasks, give_up
from cloaca_core.features.waits.mail import persistently
from cloaca_core.features.waits.open_waits import open_waits
from cloaca_core.run.items.units import TASK
from cloaca_core.run.life import State
from cloaca_core.values.payloads.digests import are_equal
from cloaca_core.values.states import RunStatus
from cloaca_core.values.waits import end_name, round_of_end, run_of_end

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cloaca_core.definition.recorded import RecordedWorkflow
    from cloaca_core.definition.registry import Registry
    from cloaca_core.definition.workflow import Workflow
    from cloaca_core.engine.orchestrate.orchestrator import Orchestrator
    from cloaca_core.features.child_runs.child_runs import ChildRuns
    from cloaca_core.features.child_runs.part import ChildRunStore
    from cloaca_core.features.child_runs.places import ChildPlaces
    from cloaca_core.features.child_runs.records import NodeChild
    from cloaca_core.features.reruns.child_retries import ChildRetries
    from cloaca_core.features.waits.open_waits import OpenWait
    from cloaca_core.features.waits.waits import Waits
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.items.units import Unit
    from cloaca_core.run.restore import Resume
    from cloaca_core.run.rows import RunRow
    from cloaca_core.store.batch import Committed
    from cloaca_core.store.messages import MessageRow
    from cloaca_core.values.ids import RunIds
    from cloaca_core.values.payloads.json_values import JsonValue
    from cloaca_core.values.times.clock import Clock


class ChildNodes:
    """Belongs to the engine's loop. ``find`` finds the record of a workflow that is not registered
    here.
    """

    def __init__(
        self,
        store: ChildRunStore,
        registry: Registry,
        ids: RunIds,
        clock: Clock,
        waits: Waits,
        kernel: Orchestrator,
        places: ChildPlaces,
        find: Callable[[Unregistered], Awaitable[RecordedWorkflow]],
        child_runs: ChildRuns,
        retries: ChildRetries,
        max_bytes: int,
    ) -> None:
        self._registry = registry
        self._clock = clock
        self._waits = waits
        self._kernel = kernel
        self._places = places
        self._find = find
        self._child_runs = child_runs
        self._made = MadeChildren(ids, clock, max_bytes)
        self._tasks = RunTasks(kernel)
        self._known = KnownChildren(store, self._tasks)
        self._again = BegunAgain(store, retries, self._tasks, kernel, self._found, self._fail_start)
        self._loop = asyncio.get_running_loop()

    # -- begin -------------------------------------------------------------------------------

    def begin(self, run: ActiveRun, unit: Unit, resume: Resume, node: Child) -> None:
        """A node starts a child, for which it waits."""
        run.awaits_children = True
        try:
            workflow = self._registry.find(node.workflow)
        except WorkflowNotFoundError:
            workflow = None
        except CloacaError as error:  # several have the name
            self._fail(run, unit, resume, error)
            return
        if workflow is not None and run.row.parent_id is None and _is_first(run, unit, resume):
            self._found(NodeStart(run, unit, resume, node, workflow), None)
        else:
            open_waits(run)  # a run that has waits tells when it is over
            self._tasks.keep(run, self._look_up(run, unit, resume, node, workflow))

    async def _look_up(
        self,
        run: ActiveRun,
        unit: Unit,
        resume: Resume,
        node: Child,
        workflow: Workflow | RecordedWorkflow | None,
    ) -> None:
        """Find the workflow, and the child that an earlier attempt at the node has started."""
        try:
            if workflow is None:
                workflow = await persistently(lambda: self._find(_named(node)))
            await self._known.refuse_deep(run)
            may_have = unit <= TASK or not _is_first(run, unit, resume)
            earlier = await self._known.earlier(run, unit) if may_have else None
        except CloacaError as error:
            self._kernel.guarded(run, self._refuse, run, unit, resume, error)
            return
        start = NodeStart(run, unit, resume, node, workflow)
        self._kernel.guarded(run, self._found, start, earlier)

    def _refuse(self, run: ActiveRun, unit: Unit, resume: Resume, error: CloacaError) -> None:
        """The node cannot start, unless it is not to start any more."""
        if _may_begin(run, unit, resume):
            self._waits.ends.conclude(run, unit, error, resume.attempt, self._clock.wall())

    def _found(self, start: NodeStart, earlier: EarlierChildren | None) -> None:
        """Start a child, or take what is there. If the first child of the node had another input,
        the node begins anew. Otherwise a failed child is begun again if a retry restarts it,
        else started once more with its own input; a child that has not ended is waited for; a
        completed child gives its result.
        """
        run, unit, resume, node, *_ = start
        if self._waits.is_open(run, unit, resume.attempt) or not _may_begin(run, unit, resume):
            return
        try:
            text = self._made.text(self._made.given(run, unit, node))
        except CloacaError as error:
            self._fail(run, unit, resume, error)
            return
        if earlier is None:
            self._start(start, Iteration(), text)
            return
        place, row, first = earlier
        anew = Iteration(place.decision + 1)
        has_failed = row.status in (RunStatus.FAILED, RunStatus.CANCELLED)
        if not are_equal(first.input, text):
            self._start(start, anew, text)
        elif has_failed:
            self._found_failed(start, earlier)
        elif row.status != RunStatus.COMPLETED:
            name = end_name(row.id, row.round)
            self._waits.open_for_run(run, unit, resume.attempt, name, place.detail)
        elif (further := next_input(node, self._made.given(run, unit, node), row)) is None:
            self._conclude(start, row)
        elif isinstance(node, Loop) and place.number + 1 < node.max_iterations:
            self._go_on(start, place.next, further)
        else:
            self._start(start, anew, text)

    def _found_failed(self, start: NodeStart, earlier: EarlierChildren) -> None:
        """Begin the child again as it is, once, if a retry restarts it; else start another one."""
        if not start.resume.children_restarted:
            self._start(start, earlier.place.again, earlier.latest.input)
        elif not start.begun_again:
            self._again.begin(start, earlier)
        else:
            self._conclude(start, earlier.latest)

    def first_child(
        self, run: ActiveRun, task: int, node: Child, replacements: int
    ) -> tuple[Workflow, NodeChild] | None:
        """The child of a node that has never begun, with its workflow, to be written with the end
        of the task before. None if that needs a read of the table, or fails, or if the run rests:
        the clock of its limit, by which the child has its deadline, starts again after that end.
        Then the node begins after that.
        """
        if run.life.rests or run.row.round > 1 or not self._known.may_have_children(run):
            return None
        try:
            workflow = self._registry.find(node.workflow)
            text = self._made.text(self._made.given(run, task, node))
        except CloacaError:
            return None
        child = self._made.child(run, task, 1, node, workflow, Iteration(), text)
        owner = self._places.owner(run, workflow, child.queue)
        return workflow, child._replace(owner=owner, replacements=replacements)

    def _go_on(self, start: NodeStart, iteration: Iteration, given: dict[str, JsonValue]) -> None:
        try:
            text = self._made.text(given)
        except CloacaError as error:
            self._fail(start.run, start.unit, start.resume, error)
        else:
            self._start(start, iteration, text)

    def _start(self, start: NodeStart, iteration: Iteration, text: str) -> None:
        run, unit, resume, node, workflow, _ = start
        child = self._made.child(run, unit, resume.attempt, node, workflow, iteration, text)
        child, begin = self._placed(run, workflow, child)
        beside = [NodeChildRows(child)]
        self._waits.open_for_run(
            run, unit, resume.attempt, child.id, iteration.detail, beside, begin
        )

    def _placed(
        self, run: ActiveRun, workflow: Workflow | RecordedWorkflow, child: NodeChild
    ) -> tuple[NodeChild, Callable[[Committed], None]]:
        """The child with its owner, and the function that begins it once it is durable."""
        child = child._replace(owner=self._places.owner(run, workflow, child.queue))
        return child, partial(self._places.begin, run, workflow, child)

    def _fail_start(self, start: NodeStart, error: CloacaError) -> None:
        self._fail(start.run, start.unit, start.resume, error)

    def _fail(self, run: ActiveRun, unit: Unit, resume: Resume, error: CloacaError) -> None:
        """The node or the item cannot start. The end of an item begins the next one, which
        may fail as well: so it comes after the start, and not within it.
        """
        refuse = partial(self._kernel.guarded, run, self._refuse, run, unit, resume, error)
        if unit > TASK:
            self._loop.call_soon(refuse)
        else:
            refuse()

    # -- end ---------------------------------------------------------------------------------

    def ended(self, run: ActiveRun, wait: OpenWait, message: MessageRow) -> None:
        """The message tells of the end of a child: end the node with its result, which is read if
        the child has ended elsewhere.
        """
        node, name = run.graph.tasks[wait.key.task & TASK].wait, wait.row.name
        assert isinstance(node, Child), "its wait is for a run"
        row = self._child_runs.recent_end(run_of_end(name), round_of_end(name))
        if row is None or goes_on(node, row):
            self._tasks.keep(run, self._read(run, wait, message, node))
        else:
            self._end(run, wait, message, row, None)

    async def _read(self, run: ActiveRun, wait: OpenWait, message: MessageRow, node: Child) -> None:
        run_id, number = run_of_end(wait.row.name), round_of_end(wait.row.name)
        try:
            row = await persistently(lambda: self._child_runs.ended(run_id, number))
        except CloacaError as error:
            self._kernel.guarded(run, give_up, error)
            return
        following: Workflow | RecordedWorkflow | CloacaError | None = None
        if goes_on(node, row):
            try:
                following = await self._workflow(node)
            except CloacaError as error:
                following = error
        self._kernel.guarded(run, self._end, run, wait, message, row, following)

    async def _workflow(self, node: Child) -> Workflow | RecordedWorkflow:
        try:
            return self._registry.find(node.workflow)
        except WorkflowNotFoundError:
            return await persistently(lambda: self._find(_named(node)))

    def _end(
        self,
        run: ActiveRun,
        wait: OpenWait,
        message: MessageRow,
        row: RunRow,
        following: Workflow | RecordedWorkflow | CloacaError | None,
    ) -> None:
        """End the node, or start the next iteration, of the workflow ``following``; an error if
        that is not found.
        """
        if run.life.state is State.OVER or not open_waits(run).has(wait):
            return
        unit = wait.key.task
        node = run.graph.tasks[unit & TASK].wait
        assert isinstance(node, Child), "its wait is for a run"
        outcome = self._made.outcome(run, unit, node, row)
        if following is not None:
            try:
                child = self._made.following(run, wait, node, row, following)
            except CloacaError as error:
                outcome = error
            else:
                assert not isinstance(following, CloacaError), "it was raised"
                child, begin = self._placed(run, following, child)
                self._waits.go_on_with_run(
                    run,
                    wait,
                    message.id,
                    child.id,
                    Iteration.of(wait.row.detail).next.detail,
                    [NodeChildRows(child)],
                    begin,
                )
                return
        self._waits.ends.end_node(run, wait, outcome, message.id)

    def _conclude(self, start: NodeStart, row: RunRow) -> None:
        """The latest child has ended with the same input, before the node looked for it."""
        run, unit, resume, node, *_ = start
        outcome = self._made.outcome(run, unit, node, row)
        self._waits.ends.conclude(run, unit, outcome, resume.attempt, self._clock.wall())

    def forget(self, run: ActiveRun) -> None:
        """The run is over, or this runner no longer owns it."""
        self._places.forget(run)
        self._known.forget(run)
        self._again.forget(run)
        self._tasks.forget(run)


def _may_begin(run: ActiveRun, unit: Unit, resume: Resume) -> bool:
    """Whether the node may begin now; otherwise it is held, and begins later as it would now."""
    if run.life.ready([unit]):
        return True
    run.resume[unit] = resume
    return False


def _is_first(run: ActiveRun, unit: Unit, resume: Resume) -> bool:
    """Whether the node or the item has never begun, and so has no child. The row of an item tells
    that in any round.
    """
    return resume.attempt == 1 and (unit > TASK or run.row.round == 1)


def _named(node: Child) -> Unregistered:
    return Unregistered(node.workflow, f"no workflow {node.workflow!r} is known")
