"""16: runs can be found again: newest first, by what they are, a page at a time."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from tables import each_row

import cloaca

WAIT = 60


def define(name: str) -> None:
    def body(context: cloaca.Context) -> None:
        if context.get("fail"):
            raise RuntimeError("asked to")

    with cloaca.WorkflowBuilder(name):
        cloaca.task(id="only", retry_attempts=1)(body)


def ids(runs: list[cloaca.RunInfo]) -> list[str]:
    return [run.id for run in runs]


@pytest.mark.each_backend
def test_a_line_tells_all_about_its_run(runner: cloaca.DefaultRunner) -> None:
    define("listed")
    result = runner.submit("listed", {"fail": True}, tags={"team": "a", "x": "ü"}).result()
    (run,) = runner.list_runs()
    assert run.id == result.execution_id
    assert (run.workflow_name, run.version) == ("listed", result.version)
    assert (run.status, run.error_message) == ("Failed", result.error_message)
    assert (run.started_at, run.ended_at) == (result.start_time, result.end_time)
    assert run.created_at <= result.start_time
    assert dict(run.tags) == {"team": "a", "x": "ü"}


def test_an_empty_database_has_no_runs(runner: cloaca.DefaultRunner) -> None:
    assert runner.list_runs() == []
    assert runner.list_runs(status="Completed", tags={"a": "b"}, workflow_name="none") == []


def test_newest_first_and_a_page_at_a_time(runner: cloaca.DefaultRunner) -> None:
    define("paged")
    submitted = [handle.id for handle in runner.submit_many("paged", [None] * 25)]
    newest_first = submitted[::-1]
    assert ids(runner.list_runs()) == newest_first
    assert ids(runner.list_runs(limit=10)) == newest_first[:10]

    pages: list[str] = []
    before: str | None = None
    while page := runner.list_runs(limit=10, before=before):
        pages += ids(page)
        before = page[-1].id
    assert pages == newest_first


def test_runs_that_come_in_meanwhile_do_not_shift_the_pages(runner: cloaca.DefaultRunner) -> None:
    define("shifting")
    submitted = [handle.id for handle in runner.submit_many("shifting", [None] * 4)]
    first = runner.list_runs(limit=2)
    runner.submit("shifting")
    second = runner.list_runs(limit=2, before=first[-1].id)
    assert ids(first) + ids(second) == submitted[::-1]


def test_at_most_a_hundred_unless_asked(runner: cloaca.DefaultRunner) -> None:
    define("hundred")
    runner.submit_many("hundred", [None] * 103)
    assert len(runner.list_runs()) == 100
    assert len(runner.list_runs(limit=1000)) == 103


def test_by_status(runner: cloaca.DefaultRunner) -> None:
    define("statuses")
    inside, release = threading.Event(), threading.Event()

    def body(context: cloaca.Context) -> None:
        inside.set()
        release.wait(WAIT)

    with cloaca.WorkflowBuilder("held"):
        cloaca.task(id="only")(body)
    good = runner.execute("statuses").execution_id
    bad = runner.execute("statuses", {"fail": True}).execution_id
    held = runner.submit("held")
    assert inside.wait(WAIT)
    assert ids(runner.list_runs(status="Completed")) == [good]
    assert ids(runner.list_runs(status="Failed")) == [bad]
    assert ids(runner.list_runs(status="Running")) == [held.id]
    assert runner.list_runs(status="Cancelled") == []
    release.set()
    held.wait(WAIT)
    assert ids(runner.list_runs(status="Completed")) == [held.id, good]


def test_by_workflow(runner: cloaca.DefaultRunner) -> None:
    define("one")
    define("two")
    one, two = runner.submit("one"), runner.submit("two")
    assert ids(runner.list_runs(workflow_name="one")) == [one.id]
    assert ids(runner.list_runs(workflow_name="public::embedded::two")) == [two.id]
    assert runner.list_runs(workflow_name="three") == []


def test_all_tags_must_match(runner: cloaca.DefaultRunner) -> None:
    define("tagged")
    both = runner.submit("tagged", tags={"a": "1", "b": "2"})
    one = runner.submit("tagged", tags={"a": "1"})
    runner.submit("tagged", tags={"a": "11", "b": "2"})
    runner.submit("tagged")
    assert ids(runner.list_runs(tags={"a": "1"})) == [one.id, both.id]
    assert ids(runner.list_runs(tags={"b": "2", "a": "1"})) == [both.id]
    assert runner.list_runs(tags={"a": "2"}) == []
    assert len(runner.list_runs(tags={})) == 4


@each_row("text", ["%", "_", "'", '"', "\\", "a.b", "$.a", "日本", "a b", "[0]", "1"])
def test_tags_are_text_and_nothing_else(runner: cloaca.DefaultRunner, text: str) -> None:
    define("tagged")
    tagged = runner.submit("tagged", tags={text: text})
    runner.submit("tagged", tags={"x": "1", "ab": "xaxbx"})
    assert ids(runner.list_runs(tags={text: text})) == [tagged.id]
    assert runner.list_runs(tags={text: "x"}) == []


def test_conditions_are_combined(runner: cloaca.DefaultRunner) -> None:
    define("one")
    define("two")
    for name in ("one", "two"):
        for fail in (False, True):
            runner.submit(name, {"fail": fail}, tags={"n": name}).wait(WAIT)
    runs = runner.list_runs(status="Failed", workflow_name="two", tags={"n": "two"})
    assert [(run.status, run.workflow_name) for run in runs] == [("Failed", "two")]
    assert runner.list_runs(status="Failed", workflow_name="two", tags={"n": "one"}) == []
    assert runner.list_runs(status="Failed", workflow_name="two", before=runs[0].id) == []


@each_row(
    ("arguments", "name", "kind"),
    [
        ({"status": "completed"}, "status", ValueError),
        ({"status": 7}, "status", TypeError),
        ({"limit": 0}, "limit", ValueError),
        ({"limit": -1}, "limit", ValueError),
        ({"limit": "10"}, "limit", TypeError),
        ({"limit": True}, "limit", TypeError),
        ({"limit": 2**70}, "limit", ValueError),
        ({"before": 7}, "before", TypeError),
        ({"before": "\udc80"}, "before", ValueError),
        ({"before": "garbage"}, "before", ValueError),
        ({"before": ""}, "before", ValueError),
        ({"workflow_name": 7}, "workflow_name", TypeError),
        ({"workflow_name": ""}, "workflow_name", ValueError),
        ({"workflow_name": "embedded::quick"}, "workflow_name", ValueError),  # two of three parts
        ({"workflow_name": "public::::quick"}, "workflow_name", ValueError),
        ({"workflow_name": "\udc80"}, "workflow_name", ValueError),
        ({"tags": ["a"]}, "tags", TypeError),
        ({"tags": {"a": 1}}, "tags", TypeError),
        ({"tags": {1: "a"}}, "tags", TypeError),
        ({"tags": {"": "a"}}, "tags", ValueError),
        ({"tags": {"a": "\0"}}, "tags", ValueError),
    ],
)
def test_bad_conditions_are_refused_by_name(
    shared_runner: cloaca.DefaultRunner, arguments: dict[str, Any], name: str, kind: Any
) -> None:
    with pytest.raises(kind, match=name) as caught:
        shared_runner.list_runs(**arguments)
    assert isinstance(caught.value, cloaca.CloacaError)


@each_row(
    ("tags", "kind"),
    [(["a"], TypeError), ({"a": 1}, TypeError), ({"a": "x" * 256}, ValueError)],
)
def test_bad_tags_are_refused_when_submitted(
    shared_runner: cloaca.DefaultRunner, tags: Any, kind: Any
) -> None:
    define("tagged")
    with pytest.raises(kind, match="tags"):
        shared_runner.submit("tagged", tags=tags)
    with pytest.raises(kind, match="tags"):
        shared_runner.submit_many("tagged", [None], tags=tags)
