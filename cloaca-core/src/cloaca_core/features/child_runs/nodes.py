"""Starts the child runs of nodes, and ends the nodes when they have ended.

The row of a child is written in the commit that opens the wait of its node, so an owner that takes
the run over finds both or neither.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, TypeAlias, TypeVar, cast

from cloaca_core.definition.unregistered import Unregistered
from cloaca_core.definition.waits.kinds import Child, Loop
from cloaca_core.errors import CloacaError, WorkflowNotFoundError, no_run
from cloaca_core.features.child_runs.child_runs import DEEPEST, too_deep
from cloaca_core.features.child_runs.made_children import MadeChildren, NodeChildRows
from cloaca_core.features.child_runs.node_children import (
    Iteration,
    children_of_nodes,
    first_of,
    goes_on,
    next_input,
)
from cloaca_core.features.maps.open_maps import open_maps
from cloaca_core.features.waits.mail import persistently
from cloaca_core.features.waits.open_waits import open_waits
from cloaca_core.run.items.units import TASK, item_of
from cloaca_core.run.life import State
from cloaca_core.values.payloads.digests import are_equal
from cloaca_core.values.payloads.json_values import decode
from cloaca_core.values.states import RunStatus
from cloaca_core.values.waits import end_name, run_of_end

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence

    from cloaca_core.definition.recorded import RecordedWorkflow
    from cloaca_core.definition.registry import Registry
    from cloaca_core.definition.workflow import Workflow
    from cloaca_core.engine.orchestrate.orchestrator import Orchestrator
    from cloaca_core.engine.subjects import Subjects
    from cloaca_core.features.child_runs.node_children import NodeItem
    from cloaca_core.features.child_runs.part import ChildRunStore
    from cloaca_core.features.waits.open_waits import OpenWait
    from cloaca_core.features.waits.waits import Waits
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.items.units import Unit
    from cloaca_core.run.restore import Resume
    from cloaca_core.run.rows import AttemptRow, RunRow
    from cloaca_core.store.messages import MessageRow
    from cloaca_core.values.ids import RunIds
    from cloaca_core.values.payloads.json_values import JsonValue
    from cloaca_core.values.times.clock import Clock


T = TypeVar("T")
Known: TypeAlias = "dict[NodeItem, dict[Iteration, str]]"


class ChildNodes:
    """Belongs to the engine's loop. ``find`` finds the record of a workflow that is not registered
    here, ``ended`` reads a run as a round of it has ended.
    """

    def __init__(
        self,
        store: ChildRunStore,
        registry: Registry,
        ids: RunIds,
        clock: Clock,
        waits: Waits,
        kernel: Orchestrator,
        subjects: Subjects,
        find: Callable[[Unregistered], Awaitable[RecordedWorkflow]],
        ended: Callable[[str, int], Awaitable[RunRow]],
        max_bytes: int,
    ) -> None:
        self._store = store
        self._registry = registry
        self._clock = clock
        self._waits = waits
        self._kernel = kernel
        self._subjects = subjects
        self._find = find
        self._read_end = ended
        self._made = MadeChildren(ids, clock, max_bytes)
        self._loop = asyncio.get_running_loop()
        self._tasks: dict[ActiveRun, set[asyncio.Task[object]]] = {}
        self._looks: dict[ActiveRun, dict[AttemptRow | None, asyncio.Task[Known]]] = {}
        self._depths: dict[ActiveRun, asyncio.Task[int]] = {}

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
            self._found(run, unit, resume, node, workflow, None, ())
        else:
            open_waits(run)  # a run that has waits tells when it is over
            self._keep(run, self._look_up(run, unit, resume, node, workflow))

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
            await self._refuse_deep(run)
            known: dict[Iteration, str] = {}
            if unit <= TASK or not _is_first(run, unit, resume):
                known = await self._children(run, unit)
            latest = max(known, default=None)
            rows: list[RunRow] = []
            if latest is not None:
                row = first = await persistently(partial(_row, self._store, known[latest]))
                if latest.number:
                    first = await persistently(partial(_row, self._store, known[first_of(known)]))
                rows = [row, first]
        except CloacaError as error:
            self._kernel.guarded(run, self._refuse, run, unit, resume, error)
            return
        self._kernel.guarded(run, self._found, run, unit, resume, node, workflow, latest, rows)

    async def _children(self, run: ActiveRun, unit: Unit) -> dict[Iteration, str]:
        """The children that the node or the item has started. The nodes that begin together share
        one read, and so do all items of a map that is open: each begins once while it is.
        """
        looks, opening = self._looks.setdefault(run, {}), None
        if unit > TASK:
            opening = open_maps(run).of(unit).mark
        if (look := looks.get(opening)) is None:
            look = looks[opening] = self._keep(run, self._read_children(run, opening))
        known = await asyncio.shield(look)
        return known.get((run.graph.tasks[unit & TASK].id, item_of(unit)), {})

    async def _read_children(self, run: ActiveRun, opening: AttemptRow | None) -> Known:
        if opening is None:  # a node that begins later may have started a child meanwhile
            self._looks[run].pop(None)
        children = await persistently(lambda: self._store.children([run.id]))
        known = children_of_nodes(run.id, children)
        if opening is None:
            return known
        return {place: each for place, each in known.items() if place[0] == opening.task_id}

    async def _refuse_deep(self, run: ActiveRun) -> None:
        """Nodes of a run with as many runs above it as may be start none."""
        if run.row.parent_id is None:
            return
        if (depth := self._depths.get(run)) is None:
            read = partial(self._store.runs_above, run.id, DEEPEST)
            depth = self._depths[run] = self._keep(run, persistently(read))
        if await asyncio.shield(depth) >= DEEPEST - 1:
            raise too_deep(run.row)

    def _refuse(self, run: ActiveRun, unit: Unit, resume: Resume, error: CloacaError) -> None:
        """The node cannot start, unless it is not to start any more."""
        if _may_begin(run, unit, resume):
            self._waits.ends.conclude(run, unit, error, resume.attempt, self._clock.wall())

    def _found(
        self,
        run: ActiveRun,
        unit: Unit,
        resume: Resume,
        node: Child,
        workflow: Workflow | RecordedWorkflow,
        latest: Iteration | None,
        rows: Sequence[RunRow],
    ) -> None:
        """Start a child, or take what is there: ``rows`` are the latest child of the node and the
        first of its iterations. If the first had another input, the node begins anew. Otherwise a
        failed child is started once more with its own input, unless a retry has done that; a child
        that has not ended is waited for; a completed child gives its result.
        """
        if self._waits.is_open(run, unit, resume.attempt) or not _may_begin(run, unit, resume):
            return
        try:
            text = self._made.text(self._made.given(run, unit, node))
        except CloacaError as error:
            self._fail(run, unit, resume, error)
            return
        if latest is None:
            self._start(run, unit, resume, node, workflow, Iteration(), text)
            return
        row, first = rows
        anew = Iteration(latest.decision + 1)
        has_failed = row.status in (RunStatus.FAILED, RunStatus.CANCELLED)
        if not are_equal(first.input, text):
            self._start(run, unit, resume, node, workflow, anew, text)
        elif has_failed and not resume.children_restarted:
            self._start(run, unit, resume, node, workflow, latest.again, row.input)
        elif has_failed:
            self._conclude(run, unit, resume, node, row)
        elif row.status != RunStatus.COMPLETED:
            name = end_name(row.id, row.round)
            self._waits.open_for_run(run, unit, resume.attempt, name, latest.detail)
        elif (further := next_input(node, self._made.given(run, unit, node), row)) is None:
            self._conclude(run, unit, resume, node, row)
        elif isinstance(node, Loop) and latest.number + 1 < node.max_iterations:
            self._go_on(run, unit, resume, node, workflow, latest.next, further)
        else:
            self._start(run, unit, resume, node, workflow, anew, text)

    def _go_on(
        self,
        run: ActiveRun,
        unit: Unit,
        resume: Resume,
        node: Child,
        workflow: Workflow | RecordedWorkflow,
        iteration: Iteration,
        given: dict[str, JsonValue],
    ) -> None:
        try:
            text = self._made.text(given)
        except CloacaError as error:
            self._fail(run, unit, resume, error)
        else:
            self._start(run, unit, resume, node, workflow, iteration, text)

    def _start(
        self,
        run: ActiveRun,
        unit: Unit,
        resume: Resume,
        node: Child,
        workflow: Workflow | RecordedWorkflow,
        iteration: Iteration,
        text: str,
    ) -> None:
        child = self._made.child(run, unit, resume.attempt, node, workflow, iteration, text)
        beside = [NodeChildRows(child)]
        then = self._subjects.claimable_here.publish
        self._waits.open_for_run(
            run, unit, resume.attempt, child.id, iteration.detail, beside, then
        )

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
        """The message tells of the end of a child: read its result, then end the node."""
        number = int(cast("dict[str, int]", decode(message.payload))["round"])
        self._keep(run, self._read(run, wait, message, run_of_end(wait.row.name), number))

    async def _read(
        self, run: ActiveRun, wait: OpenWait, message: MessageRow, run_id: str, number: int
    ) -> None:
        node = run.graph.tasks[wait.key.task & TASK].wait
        assert isinstance(node, Child), "its wait is for a run"
        try:
            row = await persistently(lambda: self._read_end(run_id, number))
        except CloacaError as error:
            self._kernel.guarded(run, _give_up, error)
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
                self._waits.go_on_with_run(
                    run,
                    wait,
                    message.number,
                    child.id,
                    Iteration.of(wait.row.detail).next.detail,
                    [NodeChildRows(child)],
                    self._subjects.claimable_here.publish,
                )
                return
        self._waits.ends.end_node(run, wait, outcome, message.number)

    def _conclude(
        self, run: ActiveRun, unit: Unit, resume: Resume, node: Child, row: RunRow
    ) -> None:
        """The latest child has ended with the same input, before the node looked for it."""
        outcome = self._made.outcome(run, unit, node, row)
        self._waits.ends.conclude(run, unit, outcome, resume.attempt, self._clock.wall())

    def forget(self, run: ActiveRun) -> None:
        """The run is over, or this runner no longer owns it."""
        self._looks.pop(run, None)
        self._depths.pop(run, None)
        for task in self._tasks.pop(run, ()):
            task.cancel()

    def _keep(self, run: ActiveRun, work: Coroutine[object, object, T]) -> asyncio.Task[T]:
        """Keep a task of the loop until it has ended: the loop itself would not."""
        task = self._loop.create_task(work)
        self._tasks.setdefault(run, set()).add(task)
        task.add_done_callback(partial(self._is_done, run))
        return task

    def _is_done(self, run: ActiveRun, task: asyncio.Task[object]) -> None:
        if (tasks := self._tasks.get(run)) is not None:
            tasks.discard(task)
            if not tasks:
                del self._tasks[run]
        error = None if task.cancelled() else task.exception()
        if isinstance(error, CloacaError):
            return  # of a read: the nodes that wait for it fail
        if error is not None and run.life.state is not State.OVER:
            self._kernel.guarded(run, _give_up, error)


async def _row(store: ChildRunStore, run_id: str) -> RunRow:
    if (row := await store.get_run(run_id)) is None:
        raise no_run(run_id)
    return row


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


def _give_up(error: BaseException) -> None:
    """The children of a run cannot be read, so it cannot go on."""
    raise error
