"""Rows of requests about runs; forms as in ``run.rows``."""

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from cloaca_core.values.queue_names import PlannedQueue


class Act(NamedTuple):
    """A request about runs. The caller makes the ``id``: the same act, repeated, changes nothing.

    ``because`` is the text that people read on the run: the caller and the reason.
    """

    id: str
    asked_by: str
    reason: str | None
    because: str
    now: int


class OwnedParent(NamedTuple):
    """The parent for a task of which children begin again, under the epoch of the runner that asks:
    a runner that no longer owns it begins none.
    """

    run_id: str
    epoch: int


class StopRequest(NamedTuple):
    """A run of this runner that must be brought to ``status``: Cancelled or Paused.

    ``deadline`` is the instant by which a run that is being cancelled must have ended, None for a
    pause.
    """

    run_id: str
    epoch: int
    status: str
    because: str
    deadline: int | None


class Parent(NamedTuple):
    """A run that was cancelled, and whose children must be cancelled by ``deadline``; or, with
    None, a run that was paused or resumed, and whose children must follow it. A run that
    ``has_failed`` (0 or 1) cancels the children for which it waited; its deadline is when it
    failed, and it has no ``because``.
    """

    run_id: str
    because: str
    deadline: int | None
    has_failed: int = 0


class StoppedWithParent(NamedTuple):
    """A claimed run that must not begin: its parent is being cancelled with its children, was
    cancelled so, or is paused with them. ``because`` is the parent's reason, None
    for a parent that ``has_failed``, as in ``Parent``.
    """

    id: str
    parent_id: str
    because: str
    has_failed: int = 0


class News(NamedTuple):
    """The work of steering for a runner: its runs that must be cancelled or paused, parents whose
    children must be cancelled, paused or resumed, and the instant at which the next run comes due
    or the next pause ends. ``replaced`` has, for each of its runs whose keys were replaced, the
    number of replacements; ``mail``, for each of its runs with unread messages, the number of
    messages sent to it. ``unnumbered`` are runs that have messages without a number.
    """

    stop_requests: Sequence[StopRequest]
    parents: Sequence[Parent]
    next_timer: int | None
    replaced: Mapping[str, int] = MappingProxyType({})
    mail: Mapping[str, int] = MappingProxyType({})
    unnumbered: Sequence[str] = ()


class Reopening(NamedTuple):
    """The next round of a run, to be begun if the run is still in the ``round`` that the caller saw
    end. Of its tasks, the attempts before ``first_attempts`` become history. ``version`` is the
    version of the workflow by which it was planned, None to keep the version of the run. ``items``
    are those that were chosen of maps, by task. Without a ``queue`` the run is in the queue in
    which runs of its workflow begin. The tasks of ``later`` restart their children themselves.
    """

    run_id: str
    round: int
    first_attempts: Mapping[str, int]
    version: str | None = None
    items: Mapping[str, Collection[int]] = MappingProxyType({})
    queue: PlannedQueue | None = None
    later: Collection[str] = ()


class NewFork(NamedTuple):
    """A run to be made from ``source_id``, a run of ``workflow``. It begins with the results of the
    ``kept`` tasks. Of the other tasks, ``from_task`` sees the keys of ``content`` (a JSON object or
    None) set anew, and the tasks ``memos_of`` find their memos of the source. ``round`` is the
    round of the source that was read for this. ``trace`` is as in ``NewRun``. ``items`` are those
    that run again of ``from_task``, a map; None for all. ``queue`` is as in ``Reopening``.
    """

    id: str
    source_id: str
    workflow: str
    version: str
    tags: str
    idempotency_key: str | None
    from_task: str
    content: str | None
    kept: Sequence[str]
    created_at: int
    memos_of: Sequence[str] = ()
    round: int = 1
    trace: str | None = None
    items: Sequence[int] | None = None
    queue: PlannedQueue | None = None


class ChildRow(NamedTuple):
    """A run that a body of ``parent_id`` has submitted. ``idempotency_key`` begins with the ids of
    the parent and the task and the number of the call, unless the body gave one of its own.
    """

    parent_id: str
    id: str
    status: str
    idempotency_key: str | None
    workflow: str
    round: int


class PauseRow(NamedTuple):
    """A workflow that is paused since ``since``, until ``until`` or (None) until it is resumed.
    ``asked_by`` and ``reason`` come from the act that paused it, None if it is not known.
    """

    workflow: str
    since: int
    until: int | None
    asked_by: str | None
    reason: str | None


ACT_KINDS: Final = (
    "submit",
    "cancel",
    "pause",
    "resume",
    "retry",
    "fork",
    "send",
    "approve",
    "expire",
    "prune",
    "add_schedule",
    "change_schedule",
    "enable_schedule",
    "disable_schedule",
    "backfill_schedule",
    "run_schedule",
    "delete_schedule",
    "enable_trigger",
    "disable_trigger",
    "set_limit",
    "clear_limit",
    "define_limit",
    "drain_runner",
)
"""The kinds of acts that are recorded."""


class ActMark(NamedTuple):
    """The position of an act in the list of all acts, newest first."""

    created_at: int
    id: str
    run_id: str


class ActSearch(NamedTuple):
    """Selects acts: of one person, of these kinds, older than a mark, on one run; None for any.

    Without ``submissions``, of which there may be as many as runs, submissions are left out unless
    ``kinds`` has them.
    """

    by: str | None = None
    kinds: Collection[str] | None = None
    before: ActMark | None = None
    submissions: bool = True
    run_id: str | None = None

    def has(self, kind: str) -> bool:
        """Whether acts of this kind are selected."""
        if self.kinds is not None:
            return kind in self.kinds
        return self.submissions or kind != "submit"
