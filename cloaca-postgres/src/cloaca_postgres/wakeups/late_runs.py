"""Finds out which transactions make runs claimable that have been so, by their rows, for a while.

A claim may look past them (see ``claim_marks``). All statements after which a run is claimable are
here:

* It keeps the instant that it had: a run that its owner releases, leaves or parks before anything
  of it has begun; that a takeover frees; that waited behind another; that is of a resumed workflow.
* It gets the instant at which it came due, or was inserted, resumed, begun again, sent a message or
  followed an end: now, if the transaction was committed at once.

A run never gets another priority. A copy of a database is written while no runner has it open.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from cloaca_core.store.sql.dialect import Step
from cloaca_core.store.sql.queries import Row
from cloaca_core.values.times.instants import SECOND

LATE: Final = SECOND // 2
"""µs that a run may have been claimable, by its row, when it is committed."""

LONG_AGO: Final = frozenset(("release", "take_over_runs", "leave_run", "resume_workflow"))
"""Statements after which runs are claimable with the instants that they had. Besides the first two
stands start_after_cancelled, after which others are.
"""
ANSWERED: Final = frozenset(("start_next", "make_due_claimable"))
"""Statements that answer such runs: an id and, if it is known, the instant."""
PARKING: Final = "park_run"
"""A run of which nothing has begun, and that is parked without an instant, keeps the instant since
which it was claimable. Any other has the instant of its park.
"""
AS_OF: Final[Mapping[str, str]] = {
    "insert_plain_run": "created_at",
    "insert_run": "created_at",
    "insert_unowned_run": "created_at",
    "insert_tick_run": "created_at",
    "insert_event_run": "created_at",
    "insert_node_child": "created_at",
    "insert_fork": "created_at",
    "follow_ends": "now",
    "follow_cancelled": "now",
    "reopen_run": "now",
    "resume_runs": "now",
    "wake_waiting": "now",
    "wake_granted": "now",
    "make_claimable_after_set_back": "now",
    "bring_overdue": "now",
}
"""Statements after which runs are claimable since an instant, by the parameter that has it."""
_FOLLOWING: Final = "insert_follow_up"
"""Inserts runs that are claimable since the ends in the same transaction."""


def are_long_ago(steps: Sequence[Step]) -> bool:
    """Whether these steps make runs claimable with the instants that they had."""
    return any(each.statement.name in LONG_AGO for each in steps)


def are_late(steps: Sequence[Step], answers: Sequence[Sequence[Row]], now: int) -> bool:
    """Whether runs have become claimable by these committed steps that claims may look past."""
    return are_long_ago(steps) or any(each < now - LATE for each in _instants(steps, answers))


def _instants(steps: Sequence[Step], answers: Sequence[Sequence[Row]]) -> Iterator[int]:
    """The instants since which runs are claimable by these steps; 0 where that is not known."""
    follow = any(each.statement.name == _FOLLOWING for each in steps)
    for step, answer in zip(steps, answers, strict=True):
        name = step.statement.name
        if name in ANSWERED:
            yield from (row[1] if len(row) > 1 else 0 for row in answer)
        elif name == PARKING:
            yield from _of_parked(step)
        elif name in AS_OF:
            yield from _of_unowned(step, AS_OF[name])
        elif follow and name == "end_run":
            yield from _values(step, "ended_at")


def _of_parked(step: Step) -> Iterator[int]:
    fields = ("due_at", "begun", "parked_at")
    for due_at, begun, parked_at in zip(*[_values(step, each) for each in fields], strict=True):
        if due_at is None:
            yield parked_at if begun else 0


def _of_unowned(step: Step, parameter: str) -> Iterable[int]:
    """The values of a parameter; of inserts, only the values of rows without an owner."""
    if "owner" not in step.statement.parameters:
        return _values(step, parameter)
    values = zip(_values(step, "owner"), _values(step, parameter), strict=True)
    return (value for owner, value in values if owner is None)


def _values(step: Step, parameter: str) -> Iterator[Any]:
    index = step.statement.parameters.index(parameter)
    return (row[index] for row in (step.rows if step.rows is not None else (step.params,)))
