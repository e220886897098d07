"""The rows from which the state of a run is explained; forms as in ``run.rows``."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from cloaca_core.features.task_logs.records import ProgressRow
from cloaca_core.features.waits.records import WaitRow
from cloaca_core.run.rows import THE_TASK, AttemptRow, RestartRow, RunRow
from cloaca_core.store.runner_rows import RunnerRow


class Holds(NamedTuple):
    """The reasons that may hold a run back, besides the ``due_at`` of its row.

    It waits ``behind`` another run of its schedule or singleton key, whose status is
    ``behind_status``; or it is paused since ``paused_at``, until ``paused_until`` or (None) until
    it is resumed. A run that is being cancelled ends by ``cancel_at``; a run that has not begun is
    cancelled at ``start_by``.
    Runners that lack tasks of a run release it if it was ``forked`` (1, else 0), or restarted.
    """

    behind: str | None = None
    behind_status: str | None = None
    paused_at: int | None = None
    paused_until: int | None = None
    cancel_at: int | None = None
    start_by: int | None = None
    forked: int = 0


class WorkflowPause(NamedTuple):
    """A paused workflow, until ``until`` or (None) until it is resumed. No runner claims runs of
    it.
    """

    until: int | None
    asked_by: str | None
    reason: str | None


class UnendedChild(NamedTuple):
    """A run that a body has submitted and that has not ended; ``idempotency_key`` as in
    ``ChildRow``.
    """

    id: str
    workflow: str
    status: str
    idempotency_key: str | None


class RunnerLoad(NamedTuple):
    """A registered runner, the number of runs that it owns, as far as they were counted, and
    whether one of those is of the workflow in question.
    """

    row: RunnerRow
    owned: int
    owns_workflow: bool


class Unread(NamedTuple):
    """How many messages of a kind and name a run was sent that no task has taken. ``for_task`` and
    ``for_item`` are as in ``NewMessage``.
    """

    kind: str
    name: str
    messages: int
    for_task: str | None = None
    for_item: int = THE_TASK

    def may_end(self, wait: WaitRow) -> bool:
        """Whether they are for this wait."""
        if (self.kind, self.name) != (wait.kind, wait.name):
            return False
        return self.for_task is None or (self.for_task, self.for_item) == (wait.task_id, wait.item)


class Suspect(NamedTuple):
    """A body that runs alone in the process of its runner, or is to. Others begin after its end."""

    task_id: str
    run_id: str


class RecordedRun(NamedTuple):
    """All that is recorded about one run except its payloads, and the runners that may execute it;
    as of one instant.

    ``ahead`` counts the claimable runs of its workflow that would be claimed before it, as far as
    they were counted. ``paused`` is the pause of its workflow. ``attempts`` have no ``change``.
    ``lacking`` has the runners that have released the run, by id, with the tasks that they lack.
    ``waits`` are open; a run that has ended has none. ``steps`` counts the kept steps of each task
    that has any. ``progress`` has a row for each attempt that reported some. ``suspect`` is the
    first suspect in the process of the run's owner, which may be a task of this run.
    """

    row: RunRow
    holds: Holds
    paused: WorkflowPause | None
    ahead: int
    attempts: Sequence[AttemptRow]
    restarts: Sequence[RestartRow]
    children: Sequence[UnendedChild]
    runners: Sequence[RunnerLoad]
    lacking: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    waits: Sequence[WaitRow] = ()
    unread: Sequence[Unread] = ()
    steps: Mapping[str, int] = MappingProxyType({})
    progress: Sequence[ProgressRow] = ()
    suspect: Suspect | None = None
