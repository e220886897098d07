"""A checked request to submit runs of one workflow, and the rows of these runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from cloaca_core.definition.queues import first_queue, queues_of
from cloaca_core.definition.registry import Unregistered
from cloaca_core.definition.workflow import Workflow
from cloaca_core.engine.submit.start import AT_ONCE
from cloaca_core.run.rows import NewRun, RunRow
from cloaca_core.store.batch import NO_ROWS
from cloaca_core.store.messages import MESSAGES
from cloaca_core.values.namespace import SEPARATOR
from cloaca_core.values.states import RunStatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cloaca_core.definition.recorded import RecordedWorkflow
    from cloaca_core.engine.execute.attempt import Attempt
    from cloaca_core.engine.orchestrate.active_runs import ActiveRuns
    from cloaca_core.engine.order import Order
    from cloaca_core.engine.submit.start import Start
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.store.batch import Rows
    from cloaca_core.store.messages import NewMessage
    from cloaca_core.values.ids import RunIds
    from cloaca_core.values.option_names import SingletonPolicyName
    from cloaca_core.values.payloads.json_values import JsonValue
    from cloaca_core.values.times.clock import Clock


class Singleton(NamedTuple):
    """The singleton key of a run. ``replaces`` is the order to cancel the runs that it meets, for
    the policy "cancel_old", ``grace`` the seconds that their bodies have.
    """

    key: str
    policy: SingletonPolicyName
    replaces: Order | None = None
    grace: float = 0.0


@dataclass(frozen=True, slots=True)
class Request:
    """Runs of one workflow to be submitted together.

    ``workflow`` may be a name at first: the record of that name takes its place before anything is
    submitted. Runs of a recorded workflow are for other runners.

    ``texts`` are their inputs as they are stored. ``data`` are the first inputs decoded: as many as
    could begin at once. ``tags`` is JSON; ``time_limit`` and ``trace`` are in the form of rows.

    ``further_keys`` are for a body that is tried again: each takes the place of the one before it
    when the run that an earlier attempt submitted has failed. ``retry`` requests the next round of
    the run that has the key, if that has failed. With ``by_right`` a body of ours waits for the
    run: it begins even if no place is free, as its parent holds one. ``message`` is sent in the
    commit that inserts the run, of which there is only one then; its ``run_id`` is filled in later.
    ``asked_by`` is recorded as the caller who submitted it. ``child_kind`` is as in ``NewRun``.
    With a ``singleton`` key it is a single run, which no runner owns at first. ``first`` is the
    place of the first run among all that were asked for; None for a single one.
    """

    workflow: Workflow | RecordedWorkflow | Unregistered
    texts: Sequence[str]
    data: Sequence[dict[str, JsonValue]]
    tags: str
    idempotency_key: str | None = None
    further_keys: Sequence[str] = ()
    by_right: bool = False
    parent: Attempt | None = None
    time_limit: int | None = None
    start: Start = AT_ONCE
    retry: Order | None = None
    message: NewMessage | None = None
    trace: str | None = None
    asked_by: str | None = None
    child_kind: str | None = None
    singleton: Singleton | None = None
    first: int | None = None

    @property
    def is_by_name(self) -> bool:
        """Whether the record of the workflow must still be found."""
        return isinstance(self.workflow, Unregistered)

    @property
    def is_plain(self) -> bool:
        """Whether a runner can submit its runs as they are: no record must be found or written
        first, and there is no body, key or message.
        """
        workflow = self.workflow
        return (
            isinstance(workflow, Workflow)
            and not workflow.when_ended
            and self.parent is None
            and self.idempotency_key is None
            and self.message is None
            and self.singleton is None
            and self.start.queue is None
        )

    @property
    def followed(self) -> Workflow | None:
        """The workflow, if this program has its code and other runs follow its runs."""
        if isinstance(self.workflow, Workflow) and self.workflow.when_ended:
            return self.workflow
        return None

    @property
    def definition(self) -> Workflow | RecordedWorkflow:
        """The workflow, once it is known."""
        assert not isinstance(self.workflow, Unregistered)
        return self.workflow

    @property
    def queue(self) -> str:
        """The queue in which its runs begin."""
        asked = self.start.queue
        return self.definition.begins_in if asked is None else first_queue(self.definition, asked)

    @property
    def queues(self) -> Sequence[str]:
        """The queues that tasks of its runs ask for."""
        return queues_of(self.definition, self.start.queue)

    def parts(self) -> Iterator[Request]:
        """A request for each of its runs."""
        for position, text in enumerate(self.texts):
            yield replace(self, texts=[text], data=self.data[position : position + 1])

    def message_to(self, run_id: str) -> NewMessage | None:
        """The message, addressed to the run that was inserted."""
        return None if self.message is None else self.message._replace(run_id=run_id)

    def beside(self, run_id: str) -> Rows:
        """The rows of features that are written with the inserted run."""
        if self.message is None:
            return NO_ROWS
        return MESSAGES.rows((self.message._replace(run_id=run_id),))

    def message_to_earlier(self, run_id: str) -> NewMessage | None:
        """The message, addressed to the run that had the key before. None if the key belongs to a
        call of a body: then this call made the run when the body ran before, and the run has the
        message.
        """
        if self.parent is not None:
            own = f"{self.parent.run_id}{SEPARATOR}"
            if self.idempotency_key is not None and self.idempotency_key.startswith(own):
                return None
        return self.message_to(run_id)

    @property
    def depth(self) -> int:
        """The number of runs above these, each of which waits in a body for the next."""
        return self.parent.owner.depth + 1 if self.by_right and self.parent is not None else 0


class RunRows:
    """Makes the rows of new runs. Any thread may call it. ``clock`` is the store's."""

    def __init__(self, runs: ActiveRuns, ids: RunIds, clock: Clock) -> None:
        self._runs = runs
        self._ids = ids
        self._clock = clock

    def of(self, request: Request, owner: str | None, places: int) -> list[NewRun]:
        """The rows of all runs of a request. ``owner`` owns the first of them, one per place."""
        now, parent = self._clock.wall(), self._parent_of(request)
        return [
            self._row(request, text, parent, owner if position < places else None, now)
            for position, text in enumerate(request.texts)
        ]

    def unowned(self, request: Request) -> NewRun:
        """The row of a single run that any runner may claim."""
        (text,) = request.texts
        return self._row(request, text, self._parent_of(request), None, self._clock.wall())

    def _parent_of(self, request: Request) -> ActiveRun | None:
        """The run whose body submits these, if it belongs to this engine; it may have been lost
        since.
        """
        parent = request.parent
        return parent.owner if parent and self._runs.made(parent) else None

    def _row(
        self, request: Request, text: str, parent: ActiveRun | None, owner: str | None, now: int
    ) -> NewRun:
        start, definition = request.start, request.definition
        priority, deadline_at = start.priority, None
        if parent is not None:
            priority = parent.row.priority if priority is None else priority
            if parent.limit.deadline is not None and not start.detached:
                deadline_at = parent.limit.deadline.at
        due_at = start_by = None
        queue = definition.begins_in
        if start is not AT_ONCE:
            if start.queue is not None:
                queue = first_queue(definition, start.queue)
            due_at = start.due_at(now)
            start_by = start.latest(now, due_at)
            if due_at is not None or (start_by is not None and start_by <= now):
                owner = None
        return NewRun(  # without names: they would take four times as long
            self._ids.next(),
            definition.namespace,
            definition.version,
            text,
            request.tags,
            request.idempotency_key,
            None if parent is None else parent.id,
            owner,
            now,
            priority or 0,
            due_at,
            int(start.detached),
            request.time_limit,
            deadline_at,
            start_by,
            request.trace,
            request.asked_by,
            request.child_kind,
            queue,
            start.queue,
        )


def owned_row(row: NewRun, messages: int = 0) -> RunRow:
    """The row of a new run of ours, to which this number of messages was sent."""
    return RunRow(
        row.id,
        row.workflow,
        row.version,
        RunStatus.RUNNING,
        row.owner,
        1,  # epoch
        0,  # recoveries
        row.input,
        row.tags,
        row.parent_id,
        None,  # final_context
        None,  # error_message
        row.created_at,
        row.created_at,  # started_at
        None,  # ended_at
        None,  # schedule_id
        None,  # reason_code
        None,  # limit_seconds
        1,  # round
        row.priority,
        None,  # due_at
        None,  # steer_reason
        0,  # stood_still
        row.time_limit,
        row.deadline_at,
        None,  # reason_tasks
        0,  # came_due
        messages,
        row.created_at,  # claimable_at
        row.trace,
        None,  # ran_version
        row.queue,
        row.child_kind,
        row.asked_queue,
    )
