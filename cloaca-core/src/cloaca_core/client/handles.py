"""``RunHandle``: waits for a run, reads its state and steers it, by blocking.

``AsyncRunHandle``, the half that is awaited, is rendered from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from cloaca_core.assembly.caller import Operation
from cloaca_core.client.base_handle import BaseHandle
from cloaca_core.definition.context import ContextLike
from cloaca_core.engine.calls.arguments import Selection
from cloaca_core.engine.calls.waiting import refuse_blocking_call
from cloaca_core.features.reruns.results import Plan
from cloaca_core.features.steering.results import Steered
from cloaca_core.operations.runs import End, Info, ListRuns, Result, Status, Tasks, watch
from cloaca_core.values.option_names import RunStatus, TaskStatus
from cloaca_core.values.times.durations import Duration
from cloaca_core.values.times.no_limit import NoLimit
from cloaca_core.views.results import PipelineResult, RunInfo, RunSnapshot
from cloaca_core.views.task_results import TaskResult

if TYPE_CHECKING:
    from cloaca_core.features.task_logs.views import LogLine
    from cloaca_core.values.map_items import ItemResult
    from cloaca_core.views.explain.explanation import Explanation
    from cloaca_core.views.history import AttemptInfo, RoundInfo, RunEvent
    from cloaca_core.views.run_tree import RunBranch

T = TypeVar("T")


class RunHandle(BaseHandle):
    """A submitted run: waits for its end, and reads its state."""

    __slots__ = ()

    def _do(self, operation: Operation[T]) -> T:
        """Wait for the result of an operation."""
        return operation.call(self._caller).wait()

    def status(self) -> RunStatus:
        """Pending, Running, Waiting, Paused, Cancelling, Completed, Failed or Cancelled."""
        return self._do(Status(self._id))

    def result(self, timeout: float | None = None) -> PipelineResult:
        """Wait for the end and return the result, also of a run that failed.

        ``timeout`` in seconds ends only the wait, with ``PipelineTimeoutError``.
        """
        return self._do(Result(self._id, timeout))

    def wait(self, timeout: float | None = None) -> None:
        """Wait for the end; after ``timeout`` seconds ``PipelineTimeoutError``."""
        self._do(End(self._id, timeout))

    def tasks(
        self, *, items: bool = False, after: str | None = None, limit: int = 1000
    ) -> dict[str, TaskResult]:
        """The state of each task, by id, in definition order where the workflow is known.

        With ``items=True`` each map is followed by its items, by their names, such as
        ``convert[17]``: the ``limit`` first tasks and items after the task or item of the name
        ``after``. Items have no traceback and no progress here. A name that the run has not raises
        ``TaskNotFoundError``, a KeyError.
        """
        if items or after is not None:
            from cloaca_core.operations.task_pages import TaskPage

            return self._do(TaskPage(self._id, items, after, limit))
        return self._do(Tasks(self._id))

    def info(self) -> RunInfo:
        """The run as it is now, without its contexts."""
        return self._do(Info(self._id))

    def events(
        self, *, items: bool = False, after: RunEvent | None = None, limit: int = 1000
    ) -> list[RunEvent]:
        """The events so far, in the order of time: also of earlier rounds, and what was asked of
        the run by whom.

        With ``items=True`` also those of the items of maps, by their names: the ``limit`` first
        after the event ``after``. A map that was opened anew shows its present items.
        """
        if items or after is not None:
            from cloaca_core.operations.event_pages import EventPage

            return self._do(EventPage(self._id, items, after, limit))
        from cloaca_core.operations.history import Events

        return self._do(Events(self._id))

    def attempts(self) -> list[AttemptInfo]:
        """All attempts of all tasks so far, by task, earlier rounds included."""
        from cloaca_core.operations.history import Attempts

        return self._do(Attempts(self._id))

    def rounds(self) -> list[RoundInfo]:
        """The rounds of the run, oldest first; the last one is the present one."""
        from cloaca_core.operations.history import Rounds

        return self._do(Rounds(self._id))

    def children(self, *, limit: int = 100) -> list[RunInfo]:
        """The runs that bodies of this one have submitted or executed, newest first; more of them
        by ``list_runs(parent_id=…)``.
        """
        return self._do(ListRuns(Selection(parent_id=self._id), limit))

    def tree(self, *, limit: int = 1_000) -> RunBranch:
        """The run with the runs that its bodies and nodes have begun, the runs below these and so
        on, each with the task that began it; detached runs are left out. ``limit`` counts all runs
        of the tree: it has the nearest ones, and ``hidden`` says how many children of a run it
        leaves out. A tree goes 50 levels deep.
        """
        from cloaca_core.operations.tree import Tree

        return self._do(Tree(self._id, limit))

    def items(
        self,
        task: str,
        *,
        status: TaskStatus | None = None,
        after: int | None = None,
        limit: int = 1000,
    ) -> list[ItemResult]:
        """The items of a map, in their order: those with this status, if one is given, and after
        the index ``after``; the ``limit`` first of them.

        A task that is no map, or has not started yet, raises ``TaskNotFoundError``, a KeyError.
        """
        from cloaca_core.features.maps.operations import Items

        return self._do(Items(self._id, task, status, after, limit))

    def logs(
        self,
        task: str | None = None,
        attempt: int | None = None,
        after: LogLine | int | None = None,
        *,
        limit: int = 10_000,
    ) -> list[LogLine]:
        """The lines that bodies have logged, by ``logging`` and ``handle.log``, in the order in
        which they were written; of one task or attempt, if given, and after a line that was read
        before (or its ``position``). At most ``limit`` lines, the first ones.

        A line is there a tenth of a second after it was logged, the last ones of an attempt when
        that is recorded. The first 5,000 lines of an attempt (and 512 KiB) are kept, and its last.
        ``task="convert[17]"`` names an item of a map, by its label or else its index. A task or an
        item that the run has not raises ``TaskNotFoundError``, a KeyError.
        """
        from cloaca_core.features.task_logs.operations import Logs

        return self._do(Logs(self._id, task, attempt, after, limit))

    def follow_logs(
        self,
        task: str | None = None,
        attempt: int | None = None,
        after: LogLine | int | None = None,
    ) -> Iterator[LogLine]:
        """The lines as they come, from the first one or ``after`` another, up to the end of the
        run. Blocks while there is none; lines of other processes come within 200 ms.
        """
        from cloaca_core.features.task_logs.operations import followed

        return iter(followed(self._caller.host, self._id, task, attempt, after))

    def outputs(self) -> dict[str, dict[str, Any]]:
        """The keys that each completed task has set in the context, with their values, by task;
        also of a run that failed, was cancelled or is still under way.
        """
        from cloaca_core.operations.history import Outputs

        return self._do(Outputs(self._id))

    def explain(self) -> Explanation:
        """Why the run and each of its tasks waits, was skipped or failed; which runners may execute
        it, and why none does. Only looks; ``print`` shows all of it.
        """
        from cloaca_core.operations.explain import Explain

        return self._do(Explain(self._id))

    def watch(self) -> Iterator[RunSnapshot]:
        """The run and its tasks now, and again each time that something of them has changed, here
        or in another process; the last snapshot shows the end. A slow caller misses snapshots in
        between. Leave the loop when you like: the run does not notice.
        """
        return watch(self._caller.host, self._id)

    def cancel(
        self,
        *,
        reason: str | None = None,
        grace: float | timedelta | None = None,
        children: bool = True,
        by: str | None = None,
    ) -> Steered:
        """End the run as Cancelled; returns at once.

        A run that no runner owns is Cancelled when this returns. Else it is Cancelling, and its
        runner starts nothing more of it: coroutines get ``CancelledError``, bodies in threads see
        ``handle.cancelled``, and those that have not ended after ``grace`` (seconds or a timedelta;
        the runner's ``shutdown_grace_seconds``) are given up. A body that ends meanwhile is
        recorded; the run is Cancelled all the same, and its final context is its input. A run that
        has ended stays as it is: ``changed`` is False.

        With ``children``, the runs that its bodies have submitted are cancelled as well. ``reason``
        (1 to 255 characters) stands in the run's error message, beside ``by``, who asks:
        ``user@host``.
        """
        from cloaca_core.features.steering.operations import Cancel

        return self._do(Cancel(self._id, reason, grace, children, by))

    def pause(
        self,
        *,
        reason: str | None = None,
        until: datetime | str | None = None,
        children: bool = True,
        by: str | None = None,
    ) -> Steered:
        """Start no more tasks of the run until it is resumed; returns at once.

        Running bodies continue to their end and are recorded. ``until`` is a datetime with a zone,
        or RFC 3339 text: then the run is resumed by itself. A run that has ended raises
        ``RunEndedError``, one that is being cancelled ``RunStateError``; one that is paused already
        stays so: ``changed`` is False.

        With ``children``, the runs that its bodies have submitted are paused as well, but for
        detached ones; so are those that they submit meanwhile. They go on when this run is resumed
        or ``until`` has come, or each when it is resumed itself. A child that was paused on its own
        stays paused.
        """
        from cloaca_core.features.steering.operations import Pause

        return self._do(Pause(self._id, reason, until, children, by))

    def resume(
        self,
        *,
        context: ContextLike = None,
        reason: str | None = None,
        by: str | None = None,
    ) -> Steered:
        """Resume a paused run, and the runs that were paused with it. Errors as ``pause``;
        ``changed`` is False if it is not paused.

        The keys of ``context`` are replaced in the input of every task that starts from then on,
        and of every attempt: they count as written after what tasks wrote that had started before,
        and before what tasks write that start then. With a context, a run that is not paused raises
        ``RunStateError``, and nothing is replaced.
        """
        from cloaca_core.features.steering.operations import Resume

        return self._do(Resume(self._id, context, reason, by))

    def send(
        self,
        event: str,
        payload: object = None,
        *,
        key: str | None = None,
        item: tuple[str, int | str] | str | None = None,
        connection: object | None = None,
        by: str | None = None,
    ) -> Steered:
        """Send an event to the run, which it reads where it waits for that; returns at once.

        A message that is sent before the run waits for it is kept. Each is read once, in the order
        in which they were sent. ``event`` has 1 to 255 characters, ``payload`` is a JSON value. A
        run that has ended raises ``RunEndedError``, one with 10,000 unread messages
        ``MailboxFullError``. A message with the ``key`` of an earlier one to this event of the run
        is not sent, also with another payload or to another item, also after the end of the run:
        ``changed`` is False.

        ``item`` sends it to an item of a map: ``("convert", 17)`` by its index, ``("convert",
        "north.csv")`` by its label, or the name ``"convert[north.csv]"``. An item that waits reads
        messages to itself first. Without it the first in order that waits reads the message. A map
        that has not begun, and an item that it lacks, raise ``TaskNotFoundError``.

        With a ``connection`` of your own, as in ``submit``, the message is written in your
        transaction: the run gets it if and only if that commits, and then in the order of commits.
        An ``item`` is then given by its index, which is not looked up.
        """
        from cloaca_core.features.waits.operations import Send, written

        operation = Send(self._id, event, payload, key, by, item)
        if connection is None:
            return self._do(operation)
        refuse_blocking_call()
        outbox, message = operation.outgoing(self._caller)
        return written(message, outbox.send(connection, message))

    def approve(
        self,
        task_id: str,
        choice: str = "approve",
        *,
        item: tuple[str, int | str] | str | None = None,
        data: object = None,
        note: str | None = None,
        by: str | None = None,
    ) -> Steered:
        """Decide an approval of the run that is open; returns at once.

        ``task_id`` is the node's id, or the name that a body gave to ``handle.approval``.
        ``choice`` is one of its choices, ``data`` a JSON value, a dataclass or a model that matches
        its schema (which a rejection may leave out), ``note`` a text of 1 to 255 characters, and
        ``by`` who decides: ``user@host``. ``item`` is the item of a map whose body asks, as in
        ``send``; without it the first that is not decided. Another choice, or data that do not
        match, is a ValueError. Before the approval is open, ``RunStateError``; once it is decided,
        or its time is over, ``AlreadyDecidedError``; of a run that has ended without it,
        ``RunEndedError``.
        """
        from cloaca_core.features.waits.operations import Approve

        return self._do(Approve(self._id, task_id, choice, data, note, by, item))

    def retry(
        self,
        *,
        tasks: Iterable[str] | None = None,
        time_limit: Duration | NoLimit | None = None,
        children: bool = True,
        items: Mapping[str, Iterable[int | str]] | None = None,
        reason: str | None = None,
        by: str | None = None,
    ) -> RunHandle:
        """Begin the run again if it has Failed or was Cancelled; see ``Client.retry``."""
        from cloaca_core.features.reruns.operations import Retry

        operation = Retry(self._id, tasks, time_limit, children, reason, by, items)
        return RunHandle(self._caller, self._do(operation))

    def plan_retry(self, *, tasks: Iterable[str] | None = None) -> Plan:
        """Plan a retry: what it would keep, run again and drop. Writes nothing."""
        from cloaca_core.features.reruns.operations import PlanRetry

        return self._do(PlanRetry(self._id, tasks))

    def fork(
        self,
        from_task: str,
        *,
        items: Iterable[int | str] | None = None,
        context: ContextLike = None,
        idempotency_key: str | None = None,
        tags: Mapping[str, str] | None = None,
        reason: str | None = None,
        by: str | None = None,
    ) -> RunHandle:
        """Make a run of this one, which may be in any state, with a new id.

        It has the same workflow (in the version that is registered here, else the newest recorded),
        input, priority and time limit. The results of completed tasks count that are not
        ``from_task`` or below it; all others run. The keys of ``context`` count as written just
        before ``from_task``. With ``items``, indexes and labels of a map, ``from_task`` runs these
        again and keeps the others, unless its data are other ones by then. ``tags`` are those of
        this run if not given; ``idempotency_key`` as in ``submit``. A task that the workflow has
        not, and an item that the run has not, raise ``TaskNotFoundError``.
        """
        from cloaca_core.features.reruns.operations import Fork

        operation = Fork(self._id, from_task, context, idempotency_key, tags, reason, by, items)
        return RunHandle(self._caller, *self._do(operation))

    def plan_fork(self, from_task: str) -> Plan:
        """Plan a fork: what it would keep and run. Writes nothing."""
        from cloaca_core.features.reruns.operations import PlanFork

        return self._do(PlanFork(self._id, from_task))
