"""Which runs are given away: those whose turn comes last, and none that begin soon."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from model.facts_by_hand import run_row
from tables import each_row

from cloaca_core._engine.claim.surplus import surplus

if TYPE_CHECKING:
    from cloaca_core._engine.plan.active_run import ActiveRun
    from cloaca_core.records.runs import RunRow


@dataclass
class Waiting:
    row: RunRow = field(default_factory=run_row)


def given(begun: int, *rows: tuple[str, int, int]) -> list[str]:
    """The ids of what is given of runs with these ids, priorities and instants."""
    runs = [
        Waiting(run_row()._replace(id=run_id, priority=priority, claimable_at=since))
        for run_id, priority, since in rows
    ]
    return [each.row.id for each in surplus(cast("list[ActiveRun]", runs), begun)]


@each_row(
    ("waiting", "expected"), [("", ""), ("a", "a"), ("ab", "b"), ("abc", "bc"), ("dcba", "cd")]
)
def test_the_newer_half_is_given(waiting: str, expected: str) -> None:
    assert given(0, *[(name, 0, ord(name)) for name in waiting]) == list(expected)


def test_of_runs_of_one_instant_those_with_the_later_ids() -> None:
    assert given(0, ("b", 0, 1), ("a", 0, 1)) == ["b"]


def test_the_important_ones_stay() -> None:
    assert given(0, ("new", 5, 9), ("old", 0, 1)) == ["old"]


@each_row(("begun", "expected"), [(1, "cd"), (3, "d"), (4, ""), (9, "")])
def test_as_many_stay_as_begin_here_within_a_second(begun: int, expected: str) -> None:
    assert given(begun, *[(name, 0, ord(name)) for name in "abcd"]) == list(expected)
