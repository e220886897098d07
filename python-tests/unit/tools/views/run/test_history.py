"""The history of a run has its events and the acts on it, in one list."""

from __future__ import annotations

from dataclasses import replace

import pytest
from model.families import at, attempt, run, tasks, view

from cloaca_core.definition.maps.options import MapOptions
from cloaca_core.features.task_logs.records import ProgressRow
from cloaca_core.run.rows import RestartRow, RoundRow
from cloaca_core.store.acts import ActRow
from cloaca_tools.views.run import history as histories
from cloaca_tools.views.run.history import Happening, happenings
from cloaca_tools.views.run.reading import RunView


def act(kind: str, by: str, seconds: float, why: str | None = None, changed: int = 1) -> ActRow:
    return ActRow("x", "r", "flow", 1, kind, by, why, changed, at(seconds) or 0)


def told(found: tuple[Happening, ...]) -> list[tuple[str, str | None]]:
    return [(each.kind, each.by or each.task) for each in found]


@pytest.fixture
def retried() -> RunView:
    """A run whose task failed at second 9, and that was retried at second 20."""
    first = RoundRow("r", 1, "Failed", "a: it broke", None, None, None, at(1), at(9) or 0)
    again = RestartRow("r", "a", 2, 2)
    return view(
        run(round=2, started_at=at(20), ended_at=at(30)),
        attempt("a", 1, 1, 9, "Failed"),
        attempt("a", 2, 20, 30),
        of=tasks(a=[]),
        restarts=[again],
    )._replace(rounds=[first])


def test_events_and_acts_are_in_one_list_newest_first(retried: RunView) -> None:
    acts = [act("retry", "bob", 20, "the price was put right"), act("submit", "ann", 0)]

    found = happenings(retried, acts)

    assert told(found) == [
        ("ended", None),
        ("task_completed", "a"),
        ("task_started", "a"),
        ("started", None),
        ("retried", "bob"),
        ("ended", None),
        ("task_failed", "a"),
        ("task_started", "a"),
        ("started", None),
        ("created", "ann"),
    ]
    assert found[4].reason == "the price was put right"
    assert [each.round for each in found if each.kind == "ended"] == [2, 1]
    assert (found[5].status, found[5].detail) == ("Failed", "a: it broke")
    assert (found[6].attempt, found[6].detail) == (1, "ValueError: it broke")


def test_an_act_that_changed_nothing_says_so(retried: RunView) -> None:
    found = happenings(retried, [act("pause", "ann", 40, changed=0)])

    assert (found[0].kind, found[0].changed) == ("paused", False)


def test_a_death_of_a_process_is_no_matter_of_course() -> None:
    died = attempt("a")._replace(crashes=2)
    found = happenings(view(run(), died, of=tasks(a=[])), ())

    assert [(e.kind, e.crashes, e.is_course) for e in found if e.task] == [
        ("task_completed", 0, True),
        ("task_started", 2, False),
    ]


def test_the_end_of_a_map_counts_its_items() -> None:
    of = tasks(each=[], body=[])
    of["each"] = replace(of["each"], map=MapOptions(("files",)))
    told = [ProgressRow("r", task, 1, 6, 6, "1 failed", 0) for task in of]
    seen = view(run(), attempt("each"), attempt("body"), of=of)._replace(progress=told)

    assert [(e.task, e.detail) for e in happenings(seen, ()) if e.kind == "task_completed"] == [
        ("body", None),
        ("each", "6 of 6 items, 1 failed"),
    ]


def test_results_that_a_fork_has_kept_are_not_of_its_history() -> None:
    kept = view(run(created_at=at(5)), attempt("a", 1, 1, 2), of=tasks(a=[]))

    assert [each for each in happenings(kept, ()) if each.task] == []


def test_of_a_large_run_only_failures_of_tasks_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(histories, "MOST_COURSE", 1)
    large = view(run(), attempt("a"), attempt("b", 1, 1, 3, "Failed"), of=tasks(a=[], b=[]))

    assert [(e.kind, e.task) for e in happenings(large, ()) if e.task] == [("task_failed", "b")]
