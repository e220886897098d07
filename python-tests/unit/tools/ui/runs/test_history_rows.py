"""The history of a run in words."""

from __future__ import annotations

import pytest
from tables import each_row

from cloaca_tools.ui.runs import history_rows
from cloaca_tools.ui.runs.history_rows import HistoryRow, history_part
from cloaca_tools.views.run.history import Happening

THEN = "2026-11-27T07:30:00+00:00"


def redact(text: str) -> str:
    return text.replace("hunter2", "***")


def row(**fields: object) -> HistoryRow:
    """The row of one event or act."""
    (only,) = history_part([Happening(THEN, **fields)], redact).rows  # type: ignore[arg-type]
    return only


@each_row(
    ("given", "who", "what", "why"),
    [
        ({"kind": "created", "by": "ann"}, "ann", "started the run", ""),
        ({"kind": "created"}, "", "Created", ""),
        ({"kind": "started", "round": 1}, "", "Started", ""),
        ({"kind": "started", "round": 3}, "", "Round 3 started", ""),
        ({"kind": "retried", "by": "bob", "reason": "hunter2"}, "bob", "retried the run", "***"),
        ({"kind": "sent", "by": "bob", "reason": "paid"}, "bob", "sent paid", ""),
        ({"kind": "approved", "by": "bob", "reason": "ask: yes"}, "bob", "decided ask: yes", ""),
        (
            {"kind": "paused", "by": "bob", "changed": False},
            "bob",
            "paused the run, which changed nothing",
            "",
        ),
    ],
)
def test_an_act_tells_who_and_why(given: dict[str, object], who: str, what: str, why: str) -> None:
    found = row(**given)

    assert (found.who, found.what, found.why) == (who, what, why)


def test_a_failure_of_a_task_tells_its_attempt_and_its_error() -> None:
    found = row(kind="task_failed", task="a", attempt=2, status="Failed", detail="E: hunter2\nmore")

    assert (found.task, found.what, found.error) == ("a", "failed, attempt 2", "E: ***")
    assert (found.state, found.is_course) == ("Failed", False)


def test_a_process_that_died_is_red() -> None:
    found = row(kind="task_started", task="a", attempt=1, crashes=2)

    assert (found.state, found.what) == ("Failed", "started; its process died twice")


def test_the_end_of_a_run_does_not_repeat_the_error_of_its_task() -> None:
    failed = Happening(THEN, "task_failed", task="a", attempt=1, status="Failed", detail="E: x")
    ended = Happening(THEN, "ended", status="Failed", detail="a: E: x", round=1)
    other = Happening(THEN, "ended", status="Failed", detail="time is over", round=2)

    skipped = Happening(THEN, "task_skipped", task="b", status="Skipped", detail="rule not met")

    rows = history_part([other, ended, skipped, failed], redact).rows

    assert [(each.what, each.error) for each in rows if not each.is_course] == [
        ("Round 2 failed", "time is over"),
        ("Failed", ""),
        ("failed", "E: x"),
    ]


def test_older_rows_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_rows, "MOST", 2)
    act = Happening(THEN, "paused", "ann")
    part = history_part([act, Happening(THEN, "started", round=1), act, act], redact)

    assert (len(part.rows), part.asked, part.hidden) == (2, 1, 2)
