"""The rows of searches; forms as in ``run.rows``."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

from cloaca_core.features.steering.records import ChildRow
from cloaca_core.run.rows import RunRow

ConditionKind: TypeAlias = Literal[
    "status", "workflow", "tag", "task", "error", "parent", "by", "id", "reason"
]


class Condition(NamedTuple):
    """A condition of a run, met by any of its ``values``; if ``negated``, by none.

    ``status``, ``workflow``, ``parent`` (an id) and ``tag``, whose ``key`` is the key of the tag,
    equal one of them. ``task``: an attempt of that task was begun. ``error``: a part of the error
    message, where the case of the letters A to Z does not count. ``by``: who has acted on the run.
    ``id``: its beginning. ``reason``: the code of the latest attempt of one of its tasks, if a
    retry has not made that history.
    """

    kind: ConditionKind
    values: tuple[str, ...]
    negated: bool = False
    key: str = ""


class RunSearch(NamedTuple):
    """Selects runs that meet all conditions, with ids below ``before`` and at least ``after``,
    made from ``since`` on and before ``until``, and ended from ``ended_since`` on. ``look_at`` is
    how many runs are looked at.
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
