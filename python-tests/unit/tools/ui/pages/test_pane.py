"""All about the selected task: as facts, and as the page shows them."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from typing import Any, Literal

import pytest
from model.families import attempt, family, run, tasks, view
from starlette.testclient import TestClient
from tables import each_row

import cloaca
from cloaca_core.features.task_logs.views import LogLine
from cloaca_core.run.rows import AttemptRow
from cloaca_tools.ui.pages.pane import LINES, Log, Pane, newest, selected, shaped
from cloaca_tools.views import RunTree
from cloaca_tools.views.run.task_details import Rows, TaskDetails, task_details
from cloaca_tools.views.run.tree import tree

HOSTILE = "<script>alert(1)</script>"


def plain(text: str) -> str:
    """Hides nothing."""
    return text


def told(*attempts: AttemptRow, status: str = "Failed") -> RunTree:
    of = tasks(load=(), send=("load",), last=("send",))
    return tree(family(view(run(status=status), *attempts, of=of)))


def details(task: str, *attempts: AttemptRow, status: str = "Failed") -> TaskDetails:
    rows = Rows(
        tasks=[task],
        attempt=None,
        run=run(status=status, input="{}"),
        attempts=attempts,
        restarts=(),
        rounds=(),
        definition=None,
        forks=(),
        replacements=(),
        waits=(),
        messages=(),
        memos={},
    )
    return task_details(rows)[0]


def pane(task: str, *attempts: AttemptRow, why: str = "") -> Pane:
    top = told(*attempts)
    node = next(each for each in top.tasks if each.task_id == task)
    found = replace(details(task, *attempts), kind="task", most_attempts=3)
    return shaped(top, node, found, Log((), 0, 0), why, plain)


FAILS = (
    attempt("load", 1, 1, 2),
    attempt("send", 1, 5, 6, "Failed", retry=8),
    attempt("send", 2, 8, 10, "Failed", retry=20),
    attempt("send", 3, 20, 21, "Failed"),
)


def test_the_times_of_a_task_are_those_of_all_its_attempts() -> None:
    assert pane("send", *FAILS).words == "3 of 3 attempts · queued 3.0 s · ran 4.0 s · waited 12 s"


def test_attempts_come_newest_first_with_the_waits_after_them() -> None:
    other = FAILS[2]._replace(error_message="another")
    tries = pane("send", FAILS[0], FAILS[1], other, FAILS[3]).tries

    assert [(each.info.attempt, each.says, each.waited) for each in tries] == [
        (3, "", None),
        (2, "ValueError: another", 10.0),
        (1, "ValueError: it broke", 2.0),
    ]
    assert [each.says for each in pane("send", *FAILS).tries] == ["", "same error", "same error"]


def test_the_time_between_two_rounds_is_neither_a_wait_nor_queueing() -> None:
    attempts = (
        attempt("load", 1, 1, 2),
        attempt("send", 1, 2, 3, "Failed"),
        attempt("send", 2, 45, 46, "Failed"),
    )
    top = told(*attempts)
    top = replace(top, run=replace(top.run, round=2, started_at="2023-11-14T22:14:03+00:00"))
    found = replace(details("send", *attempts), kind="task", most_attempts=1, first_attempt=2)
    rounds = [replace(each, round=n) for n, each in enumerate(found.attempts, 1)]
    shown = shaped(
        top, top.tasks[1], replace(found, attempts=tuple(rounds)), Log((), 0, 0), "", plain
    )

    assert [each.waited for each in shown.tries] == [None, None]
    assert shown.words == "1 attempt · queued 2.0 s · ran 1.0 s"


def test_a_skipped_task_has_no_attempt() -> None:
    skipped = attempt("send", 0, None, 3, "Skipped")
    found = pane("send", FAILS[0], skipped, why="it was skipped")
    assert (found.attempt, found.tries, found.why) == (None, (), "it was skipped")


@each_row(
    ("wanted", "attempts", "expected"),
    [
        ("last", FAILS, "last"),
        ("nothing", FAILS, "send"),  # the one that failed
        ("", (FAILS[0],), "load"),  # the last that ended
        ("", (), "load"),  # the first
        ("", (FAILS[0], attempt("send", 1, 5, None, "Running")), "send"),
    ],
)
def test_a_task_is_selected(wanted: str, attempts: tuple[AttemptRow, ...], expected: str) -> None:
    assert selected(told(*attempts, status="Running"), wanted) == expected


def test_a_run_without_tasks_has_none_selected() -> None:
    assert selected(tree(family(view(run())))) == ""


def line(number: int, text: str = "x") -> LogLine:
    return LogLine("r", "t", 1, number, "2023-11-14T22:13:20+00:00", "INFO", "handle", text)


def test_of_a_long_log_the_newest_lines_show() -> None:
    found = newest([line(number) for number in range(500)], LINES)

    assert (len(found.lines), found.lines[-1].number, found.hidden) == (LINES, 499, 500 - LINES)
    assert newest([line(1)], LINES) == Log((line(1),), 0, 1)


def test_of_long_lines_fewer_show() -> None:
    found = newest([line(number, "x" * 30_000) for number in range(9)], LINES)
    assert (len(found.lines), found.hidden) == (3, 6)


# -- as the page shows it ------------------------------------------------------------------------


@pytest.fixture
def failed(runner: cloaca.DefaultRunner) -> cloaca.RunHandle:
    """A run whose task has failed after it logged and kept something."""
    with cloaca.WorkflowBuilder("order"):

        @cloaca.task(id=f"charge {HOSTILE}", retry_attempts=1)
        def charge(context: cloaca.Context, handle: cloaca.TaskHandle) -> dict[str, Any]:
            handle.step(f"look {HOSTILE}", lambda: HOSTILE)
            for number in range(LINES + 5):
                handle.log(f"line {number} {HOSTILE}", level="error")
            raise ValueError(f"no money {HOSTILE}")

    submitted = runner.submit("order", {HOSTILE: HOSTILE, "rows": [HOSTILE] * 50})
    assert submitted.result(60).status == "Failed"
    return submitted


def page(
    client: cloaca.Client, address: str, role: Literal["view", "steer"] = "steer"
) -> tuple[int, str]:
    app = cloaca.ui(client, auth=lambda _: cloaca.Visitor(role, "ann"), hosts=("testserver",))
    answer = TestClient(app).get(address)
    return answer.status_code, answer.text


def test_the_error_shows_the_users_own_line_first(
    runner: cloaca.DefaultRunner, failed: cloaca.RunHandle
) -> None:
    status, text = page(runner, f"/runs/{failed.id}")

    assert status == 200
    hit = re.search(r'<span class="hit"><span class="n">\d+</span>(.*?)</span>', text)
    assert hit is not None
    assert unescape(hit[1]).startswith('raise ValueError(f"no money')
    assert f"/runs/{failed.id}/case" in text


def test_no_text_of_a_user_is_markup(
    runner: cloaca.DefaultRunner, failed: cloaca.RunHandle
) -> None:
    for address in ("", "/retry", "/fork", "/export", "?lines=all"):
        assert HOSTILE not in page(runner, f"/runs/{failed.id}{address}")[1], address


def test_older_lines_of_a_log_are_a_link_away(
    runner: cloaca.DefaultRunner, failed: cloaca.RunHandle
) -> None:
    short = page(runner, f"/runs/{failed.id}")[1]
    whole = page(runner, f"/runs/{failed.id}?lines=all")[1]

    assert "5 older lines" in short
    assert "line 0 " not in short
    assert "line 0 " in whole


def test_an_attempt_is_chosen_by_its_number(
    runner: cloaca.DefaultRunner, failed: cloaca.RunHandle
) -> None:
    assert page(runner, f"/runs/{failed.id}?attempt=1")[0] == 200
    for wrong in ("2", "x", "-1", "9" * 30):
        assert page(runner, f"/runs/{failed.id}?attempt={wrong}")[0] == 404


def test_who_only_looks_sees_no_form(
    runner: cloaca.DefaultRunner, failed: cloaca.RunHandle
) -> None:
    looks, steers = (page(runner, f"/runs/{failed.id}", role)[1] for role in ("view", "steer"))

    assert "<form" in steers.partition('id="page"')[2]
    for part in ('method="post"', "Retry…", "Fork from here…", "form_token"):
        assert part not in looks
    assert f"/runs/{failed.id}/export" in looks
