"""The rows of searches; forms as in ``run.rows``."""

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple, TypeAlias

from cloaca_core.features.steering.records import ChildRow
from cloaca_core.run.rows import RunRow

ConditionKind: TypeAlias = Literal[
    "status", "workflow", "queue", "tag", "task", "error", "parent", "by", "act", "id", "reason"
]


class Condition(NamedTuple):
    """A condition on a run: it must match one of the ``values``; if ``negated``, none of them.

    ``status``, ``workflow``, ``queue`` (in which it may be claimed), ``parent`` (an id, or "" for a
    run at the top of its tree: one without a parent, or detached from it) and ``tag``, whose
    ``key`` is the key of the tag, are equal to a value. ``task``: an attempt of that task was
    begun. ``error``: a part of the error message; A to Z match in either case. ``by``: a person who
    acted on the run. ``act``: the id of an act that has changed the run. ``id``: its beginning.
    ``reason``: the code of the latest attempt of one of its tasks, unless a retry has made that
    history.
    """

    kind: ConditionKind
    values: tuple[str, ...]
    negated: bool = False
    key: str = ""


AT_TOP: Final = Condition("parent", ("",))
"""A run is at the top of its tree: it has no parent, or is detached from it."""


class RunSearch(NamedTuple):
    """Selects runs that match all conditions, with ids below ``before`` and at least ``after``,
    made at or after ``since`` and before ``until``, and ended at or after ``ended_since``.
    ``look_at`` is the number of runs to look at.
    """

    conditions: tuple[Condition, ...] = ()
    before: str | None = None
    after: str | None = None
    since: int | None = None
    until: int | None = None
    ended_since: int | None = None
    look_at: int = 1_000


class Found(NamedTuple):
    """Runs that match, newest first, without payloads. All those from ``reached`` on were looked
    at; with None, all there are.
    """

    rows: Sequence[RunRow]
    reached: str | None


class Kin(NamedTuple):
    """A run and the runs below it, level by level, without payloads; ``children`` by parent, also
    children that are not among the ``rows``.
    """

    rows: Sequence[RunRow]
    children: Sequence[ChildRow]


class Link(NamedTuple):
    """The links of a run to the runs around it: the ``key`` that it was submitted with, which names
    its place in its parent, and how many ``children`` it has, without detached ones.
    """

    run_id: str
    key: str | None
    children: int


class Counted(NamedTuple):
    """How many runs match; ``reached`` as in ``Found``."""

    number: int
    reached: str | None


class Failure(NamedTuple):
    """A run that has failed, and when."""

    run_id: str
    workflow: str
    ended_at: int


class Claimable(NamedTuple):
    """A run that may be claimed, and since when. A run that a runner has given back keeps its place
    in the queue: it counts since when that runner could claim it.
    """

    run_id: str
    since: int


class WorkflowCounts(NamedTuple):
    """The newest runs of a workflow by state, as far as they were counted, and the newest's id."""

    workflow: str
    counts: dict[str, int]
    newest: str | None
