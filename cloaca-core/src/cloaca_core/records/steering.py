"""The rows of what is asked of runs; forms as in ``runs``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Act(NamedTuple):
    """A wish about runs. ``id`` is made by the caller: the same act, sent again, changes nothing.

    ``because`` is the text that people read on the run: who asked, and the reason.
    """

    id: str
    asked_by: str
    reason: str | None
    because: str
    now: int


class Acted(NamedTuple):
    """The state of a run after an act. ``changed`` is false for an act that found it done."""

    status: str
    changed: bool


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
    """A run that was cancelled, and whose children are to be cancelled by ``deadline``."""

    run_id: str
    because: str
    deadline: int


class News(NamedTuple):
    """What steering has to act on: wishes about a runner's runs, parents whose children are to be
    cancelled, and when the first run comes due or the first pause ends.
    """

    wishes: Sequence[Wish]
    parents: Sequence[Parent]
    next_timer: int | None


class ActRow(NamedTuple):
    """An act on a run as it was noted; ``run_id`` is empty for one on a workflow."""

    id: str
    run_id: str
    workflow: str
    round: int
    kind: str
    asked_by: str
    reason: str | None
    changed: int
    created_at: int
