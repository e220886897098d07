"""Rows of requests about runs; forms as in ``run.rows``."""

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple


class Act(NamedTuple):
    """A wish about runs. ``id`` is made by the caller: the same act, sent again, changes nothing.

    ``because`` is the text that people read on the run: who asked, and the reason.
    """

    id: str
    asked_by: str
    reason: str | None
    because: str
    now: int


class Wish(NamedTuple):
    """A run of a runner that is to be brought to the state ``wish``: Cancelled or Paused.

    ``deadline`` is when a run that is being cancelled is to have ended, None for others.
    """

    run_id: str
    epoch: int
    wish: str
    because: str
    deadline: int | None


class Parent(NamedTuple):
    """A run that was cancelled, and whose children are to be cancelled by ``deadline``; or (None)
    that was paused or resumed, and whose children are to follow it.
    """

    run_id: str
    because: str
    deadline: int | None


class StoppedWithParent(NamedTuple):
    """A claimed run that must not begin: its parent is being cancelled with its children, or was,
    or is paused with them, ``because`` of this.
    """

    id: str
    parent_id: str
    because: str


class News(NamedTuple):
    """The work of steering: wishes about a runner's runs, parents whose children are to be
    cancelled, paused or resumed, and when the first run comes due or the first pause ends.
    ``replaced`` says for those of the runner's runs whose keys were replaced how often that was,
    ``mail`` for those that have unread messages how many were sent to them. ``unnumbered`` are runs
    that have messages without a number.
    """

    wishes: Sequence[Wish]
    parents: Sequence[Parent]
    next_timer: int | None
    replaced: Mapping[str, int] = MappingProxyType({})
    mail: Mapping[str, int] = MappingProxyType({})
    unnumbered: Sequence[str] = ()


class Reopening(NamedTuple):
    """The next round of a run, to be begun if the run is still in the ``round`` that was seen to
    end. Of its tasks, the attempts before ``first_attempts`` become history. ``version`` is the
    version of the workflow by which it was planned, None to keep the version of the run.
    """

    run_id: str
    round: int
    first_attempts: Mapping[str, int]
    version: str | None = None


class NewFork(NamedTuple):
    """A run to be made of ``source_id``, a run of ``workflow``. It begins with the results of the
    ``kept`` tasks; of the other tasks, ``from_task`` finds the keys of ``content``, a JSON object
    or None, set anew, and the tasks ``memos_of`` find their memos of the source. ``round`` is the
    round of the source in which all that was so. ``trace`` is as in ``NewRun``.
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
    """A workflow of which no run is claimed since ``since``, until ``until`` or (None) until it is
    resumed. ``asked_by`` and ``reason`` come from the act that paused it; None if that is not
    known.
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
    "delete_schedule",
    "enable_trigger",
    "disable_trigger",
    "drain_runner",
)
"""The kinds of acts that are noted."""


class ActMark(NamedTuple):
    """The place of an act among all, which are listed newest first."""

    created_at: int
    id: str
    run_id: str


class ActSearch(NamedTuple):
    """Which acts to look for: of one person, of these kinds, older than a mark; None for any.

    Without ``submissions``, of which there may be as many as runs, they are left out unless they
    are among ``kinds``.
    """

    by: str | None = None
    kinds: Collection[str] | None = None
    before: ActMark | None = None
    submissions: bool = True

    def has(self, kind: str) -> bool:
        """Whether acts of this kind are looked for."""
        if self.kinds is not None:
            return kind in self.kinds
        return self.submissions or kind != "submit"
