"""Starts the child runs of nodes, and ends the nodes when they have ended.

The row of a child is written in the commit that opens the wait of its node, so an owner that takes
the run over finds both or neither.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, TypeVar, cast

from cloaca_core.definition.unregistered import Unregistered
from cloaca_core.definition.waits.kinds import Child, Loop
from cloaca_core.engine.record import attempt_rows
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
from cloaca_core.features.waits.mail import persistently
from cloaca_core.features.waits.open_waits import open_waits
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
    from cloaca_core.features.child_runs.part import ChildRunStore
    from cloaca_core.features.waits.open_waits import OpenWait
    from cloaca_core.features.waits.waits import Waits
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.restore import Resume
    from cloaca_core.run.rows import RunRow
    from cloaca_core.store.messages import MessageRow
    from cloaca_core.values.ids import RunIds
    from cloaca_core.values.payloads.json_values import JsonValue
    from cloaca_core.values.times.clock import Clock


T = TypeVar("T")


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
        self._looks: dict[ActiveRun, asyncio.Task[dict[str, dict[Iteration, str]]]] = {}

    # -- begin -------------------------------------------------------------------------------

    def begin(self, run: ActiveRun, task: int, resume: Resume, node: Child) -> None:
        """A node starts a child, for which it waits."""
        run.awaits_children = True
        try:
            workflow = self._registry.find(node.workflow)
        except WorkflowNotFoundError:
            workflow = None
        except CloacaError as error:  # several have the name
            self._fail(run, task, resume, error)
            return
        is_first = run.row.round == 1 and resume.attempt == 1 and run.row.parent_id is None
        if workflow is not None and is_first:
            self._found(run, task, resume, node, workflow, None, ())
        else:
            open_waits(run)  # a run that has waits tells when it is over
            self._keep(run, self._look_up(run, task, resume, node, workflow))

    async def _look_up(
        self,
        run: ActiveRun,
        task: int,
        resume: Resume,
        node: Child,
        workflow: Workflow | RecordedWorkflow | None,
    ) -> None:
        """Find the workflow, and the child that an earlier attempt at the node has started."""
        try:
            if workflow is None:
                workflow = await persistently(lambda: self._find(_named(node)))
            known = (await self._children(run)).get(run.graph.tasks[task].id, {})
            latest = max(known, default=None)
            rows: list[RunRow] = []
            if latest is not None:
                row = first = await persistently(partial(self._row, known[latest]))
                if latest.number:
                    first = await persistently(partial(self._row, known[first_of(known)]))
                rows = [row, first]
        except CloacaError as error:
            self._kernel.guarded(run, self._refuse, run, task, resume, error)
            return
        self._kernel.guarded(run, self._found, run, task, resume, node, workflow, latest, rows)

    async def _children(self, run: ActiveRun) -> dict[str, dict[Iteration, str]]:
        """The children that nodes of the run have started. The nodes that begin together share one
        read.
        """
        if (look := self._looks.get(run)) is None:
            look = self._looks[run] = self._keep(run, self._read_children(run))
        return await asyncio.shield(look)

    async def _read_children(self, run: ActiveRun) -> dict[str, dict[Iteration, str]]:
        self._looks.pop(run, None)  # a node that begins later may have started a child meanwhile
        await persistently(lambda: self._refuse_deep(run))
        children = await persistently(lambda: self._store.children([run.id]))
        return children_of_nodes(run.id, children)

    async def _row(self, run_id: str) -> RunRow:
        if (row := await self._store.get_run(run_id)) is None:
            raise no_run(run_id)
        return row

    async def _refuse_deep(self, run: ActiveRun) -> None:
        above = 0
        if run.row.parent_id is not None:
            above = await self._store.runs_above(run.id, DEEPEST)
        if above >= DEEPEST - 1:
            raise too_deep(run.row)

    def _refuse(self, run: ActiveRun, task: int, resume: Resume, error: CloacaError) -> None:
        """The node cannot start, unless it is not to start any more."""
        if run.life.ready([task]):
            self._fail(run, task, resume, error)

    def _found(
        self,
        run: ActiveRun,
        task: int,
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
        if not run.life.ready([task]) or self._waits.is_open(run, task, resume.attempt):
            return
        try:
            text = self._made.text(self._made.given(run, task, node))
        except CloacaError as error:
            self._fail(run, task, resume, error)
            return
        if latest is None:
            self._start(run, task, resume, node, workflow, Iteration(), text)
            return
        row, first = rows
        anew = Iteration(latest.decision + 1)
        has_failed = row.status in (RunStatus.FAILED, RunStatus.CANCELLED)
        if not are_equal(first.input, text):
            self._start(run, task, resume, node, workflow, anew, text)
        elif has_failed and not resume.children_restarted:
            self._start(run, task, resume, node, workflow, latest.again, row.input)
        elif has_failed:
            self._conclude(run, task, resume, node, row)
        elif row.status != RunStatus.COMPLETED:
            name = end_name(row.id, row.round)
            self._waits.open_for_run(run, task, resume.attempt, name, latest.detail)
        elif (further := next_input(node, self._made.given(run, task, node), row)) is None:
            self._conclude(run, task, resume, node, row)
        elif isinstance(node, Loop) and latest.number + 1 < node.max_iterations:
            self._go_on(run, task, resume, node, workflow, latest.next, further)
        else:
            self._start(run, task, resume, node, workflow, anew, text)

    def _go_on(
        self,
        run: ActiveRun,
        task: int,
        resume: Resume,
        node: Child,
        workflow: Workflow | RecordedWorkflow,
        iteration: Iteration,
        given: dict[str, JsonValue],
    ) -> None:
        try:
            text = self._made.text(given)
        except CloacaError as error:
            self._fail(run, task, resume, error)
        else:
            self._start(run, task, resume, node, workflow, iteration, text)

    def _start(
        self,
        run: ActiveRun,
        task: int,
        resume: Resume,
        node: Child,
        workflow: Workflow | RecordedWorkflow,
        iteration: Iteration,
        text: str,
    ) -> None:
        child = self._made.child(run, task, resume.attempt, node, workflow, iteration, text)
        beside = [NodeChildRows(child)]
        then = self._subjects.claimable_here.publish
        self._waits.open_for_run(
            run, task, resume.attempt, child.id, iteration.detail, beside, then
        )

    def _fail(self, run: ActiveRun, task: int, resume: Resume, error: CloacaError) -> None:
        now = self._clock.wall()
        row = attempt_rows.of_node(run, task, resume.attempt, now, now, error=error)
        self._kernel.fail(run, task, row, str(row.error))

    # -- end ---------------------------------------------------------------------------------

    def ended(self, run: ActiveRun, wait: OpenWait, message: MessageRow) -> None:
        """The message tells of the end of a child: read its result, then end the node."""
        number = int(cast("dict[str, int]", decode(message.payload))["round"])
        self._keep(run, self._read(run, wait, message, run_of_end(wait.row.name), number))

    async def _read(
        self, run: ActiveRun, wait: OpenWait, message: MessageRow, run_id: str, number: int
    ) -> None:
        node = run.graph.tasks[wait.key.task].wait
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
        task = wait.key.task
        node = run.graph.tasks[task].wait
        assert isinstance(node, Child), "its wait is for a run"
        outcome = self._made.outcome(run, task, node, row)
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
        self, run: ActiveRun, task: int, resume: Resume, node: Child, row: RunRow
    ) -> None:
        """The latest child has ended with the same input, before the node looked for it."""
        outcome = self._made.outcome(run, task, node, row)
        self._waits.ends.conclude(run, task, outcome, resume.attempt, self._clock.wall())

    def forget(self, run: ActiveRun) -> None:
        """The run is over, or this runner no longer owns it."""
        self._looks.pop(run, None)
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


def _named(node: Child) -> Unregistered:
    return Unregistered(node.workflow, f"no workflow {node.workflow!r} is known")


def _give_up(error: BaseException) -> None:
    """The children of a run cannot be read, so it cannot go on."""
    raise error
