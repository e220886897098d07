"""Which runs have been kept long enough."""

from __future__ import annotations

from tables import each_row

from cloaca_core.features.upkeep.cutoffs import (
    Rule,
    cutoff_of_deleted_schedules,
    cutoffs,
    usual_retention,
)
from cloaca_core.features.upkeep.records import KeptWorkflow

NOW = 1_000
KEPT = [KeptWorkflow("usual", None), KeptWorkflow("short", 10), KeptWorkflow("ever", -1)]


@each_row(
    ("rule", "expected"),
    [
        (Rule(100), [("usual", 900), ("short", 990)]),
        (Rule(None), [("short", 990)]),  # the runner keeps all, but where a workflow says so
        (Rule(100, before=5), [("usual", 5), ("short", 5), ("ever", 5)]),  # it was asked for
        (Rule(100, workflow="short"), [("short", 990)]),
        (Rule(100, workflow="ever"), []),
        (Rule(None, before=5, workflow="ever"), [("ever", 5)]),
        (Rule(100, workflow="unknown"), []),
    ],
)
def test_each_workflow_has_its_own(rule: Rule, expected: list[tuple[str, int]]) -> None:
    assert cutoffs(KEPT, rule, NOW) == expected


@each_row(
    ("rule", "expected"),
    [
        (Rule(100), 900),
        (Rule(None), None),
        (Rule(None, before=5), 5),
        (Rule(100, workflow="usual"), None),  # whose they were is not known
    ],
)
def test_ticks_of_deleted_schedules_go_as_the_runner_says(rule: Rule, expected: int | None) -> None:
    assert cutoff_of_deleted_schedules(rule, NOW) == expected


@each_row(
    ("was_set", "keeps_all", "expected"),
    [(False, False, 90), (True, False, 90), (False, True, None), (True, True, 90)],
)
def test_an_upgraded_database_keeps_all_until_days_are_set(
    was_set: bool, keeps_all: bool, expected: int | None
) -> None:
    assert usual_retention(90, was_set=was_set, keeps_all=keeps_all) == expected
    assert usual_retention(None, was_set=was_set, keeps_all=keeps_all) is None
