"""73: people act on runs through the web page: each act, its plan, and who is refused it."""

from __future__ import annotations

import json
import re
import sqlite3
from base64 import b64encode
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from html import unescape
from typing import TYPE_CHECKING, Any, Literal

import pytest
from scenarios.steering import until
from tables import each_row

import cloaca

if TYPE_CHECKING:
    from httpx2 import Response

PATIENCE = 60
HOME = "http://testserver"
HOSTILE = "<script>alert(1)</script>"


class Page:
    """The page as a browser of one visitor sees it."""

    def __init__(
        self, client: cloaca.Client, role: Literal["view", "steer"] = "steer", **options: Any
    ) -> None:
        from starlette.testclient import TestClient  # takes as long to import as all of the rest

        def auth(_: object) -> cloaca.Visitor:
            return cloaca.Visitor(role, "ann")

        app = cloaca.ui(client, auth=auth, hosts=("testserver",), **options)
        self._web = TestClient(app, headers={"origin": HOME}, follow_redirects=False)
        self._web.get("/runs")
        self.token = self._web.cookies["cloaca_form"]

    def get(self, address: str, **options: Any) -> Response:
        return self._web.get(address, **options)

    def act(self, run: cloaca.RunHandle, act: str, **fields: object) -> Response:
        data = {"form_token": self.token, **fields}
        return self._web.post(f"/runs/{run.id}/{act}", data=data)

    def post(self, address: str, **options: Any) -> Response:
        return self._web.post(address, **options)


@pytest.mark.backend("sqlite", reason="another program locks the file")
def test_an_act_that_waits_for_a_locked_file_says_so(
    page: Page, failed: cloaca.RunHandle, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloaca_tools.ui.application.ACTING", 0.5)
    file = database_url.partition("://")[2].partition("?")[0]
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = page.act(failed, "retry", task="charge", planned="charge", default=1)
        other.execute("ROLLBACK")

    assert answer.status_code == 503
    assert "It is not known whether this was done" in answer.text


@dataclass
class Refund:
    """The data of a decision."""

    amount: float
    reason: Literal["broken", "late"]
    count: int = 1
    tell: bool = False


@pytest.fixture
def page(runner: cloaca.DefaultRunner) -> Page:
    return Page(runner)


@pytest.fixture
def failed(runner: cloaca.DefaultRunner) -> cloaca.RunHandle:
    """An order whose charge has failed; with ``paid`` in its context it does not."""
    with cloaca.WorkflowBuilder("order"):

        @cloaca.task
        def reserve(context: cloaca.Context) -> dict[str, Any]:
            return {"reserved": HOSTILE}

        @cloaca.task(dependencies=[reserve], retry_attempts=1)
        def charge(context: cloaca.Context) -> dict[str, Any]:
            if not context.get("paid", False):
                raise ValueError(f"no money {HOSTILE}")
            return {"charged": True}

        @cloaca.task(dependencies=[charge])
        def ship(context: cloaca.Context) -> dict[str, Any]:
            return {}

    run = runner.submit("order", {"customer": 7})
    assert run.result(PATIENCE).status == "Failed"
    return run


@pytest.fixture
def waiting(runner: cloaca.DefaultRunner) -> cloaca.RunHandle:
    """A refund that a person is to decide."""
    with cloaca.WorkflowBuilder("refund"):
        ask = cloaca.approval("decide", "Refund it?", choices=("approve", "reject"), schema=Refund)

        @cloaca.task(dependencies=[ask])
        def pay(context: cloaca.Context) -> dict[str, Any]:
            return {"done": context["decide"]}

    return waits(runner.submit("refund"))


@pytest.fixture
def listening(runner: cloaca.DefaultRunner) -> cloaca.RunHandle:
    """A run that waits for an event."""
    with cloaca.WorkflowBuilder("day"):
        cloaca.wait_for("bank_file", event="bank.file")
    return waits(runner.submit("day"))


def waits(run: cloaca.RunHandle) -> cloaca.RunHandle:
    """The same run, once it is recorded what a task of it waits for."""
    for snapshot in run.watch():
        waits = [task.waits_for for task in snapshot.tasks.values() if task.waits_for is not None]
        if any(each.since is not None for each in waits):
            return run
    raise AssertionError("it has ended")


def verdicts(answer: Response) -> dict[str, str]:
    """The verdict of each task in a plan that a page shows."""
    rows = re.findall(r'<tr id="plan-row.*?</tr>', answer.text, re.DOTALL)
    found = [
        (re.search(r'title="([^"]*)"', row), re.search(r"verdict v-(\w+)", row)) for row in rows
    ]
    return {unescape(name[1]): verdict[1] for name, verdict in found if name and verdict}


def acted(runner: cloaca.Client) -> list[tuple[str, str, str | None]]:
    """The log of actions: kind, who, reason; oldest first."""
    return [(each.kind, each.by, each.reason) for each in reversed(runner.actions(limit=50))]


@pytest.mark.each_backend
def test_a_retry_does_what_its_plan_says(
    runner: cloaca.DefaultRunner, failed: cloaca.RunHandle, page: Page
) -> None:
    plan = page.get(f"/runs/{failed.id}/retry")

    assert plan.status_code == 200
    assert verdicts(plan) == {"charge": "run", "ship": "run", "reserve": "keep"}
    assert "Run 2, keep 1" in plan.text
    assert f"cloaca runs retry {failed.id}" in plan.text

    answer = page.act(failed, "retry", task="charge", planned="charge", default=1, reason="again")

    assert (answer.status_code, answer.headers["location"]) == (
        303,
        f"/runs/{failed.id}?task=charge",
    )
    assert failed.result(PATIENCE).status == "Failed"
    counts = {task: [each.attempt for each in found] for task, found in tries(failed).items()}
    assert counts == {"reserve": [1], "charge": [1, 2], "ship": []}
    assert acted(runner) == [("retry", "ann", "again")]


def tries(run: cloaca.RunHandle) -> dict[str, list[cloaca.AttemptInfo]]:
    """The attempts of each task; those of bodies alone."""
    found: dict[str, list[cloaca.AttemptInfo]] = {"reserve": [], "charge": [], "ship": []}
    for each in run.attempts():
        if each.status != "Skipped":
            found[each.task_id].append(each)
    return found


def test_other_tasks_than_those_of_the_plan_are_planned_anew(
    runner: cloaca.DefaultRunner, failed: cloaca.RunHandle, page: Page
) -> None:
    answer = page.act(failed, "retry", task=["reserve"], planned="charge", reason="all of it")

    assert answer.status_code == 200
    assert verdicts(answer) == {"reserve": "run", "charge": "run", "ship": "run"}
    assert 'value="all of it"' in answer.text
    assert acted(runner) == []

    assert page.act(failed, "retry", task="reserve", planned="reserve").status_code == 303
    assert failed.result(PATIENCE).status == "Failed"
    assert [each.attempt for each in tries(failed)["reserve"]] == [1, 2]


def test_a_plan_that_cannot_be_says_why(
    runner: cloaca.DefaultRunner, failed: cloaca.RunHandle, waiting: cloaca.RunHandle, page: Page
) -> None:
    fork = page.act(failed, "fork", task="charge", context='{"paid": true}')
    completed = runner.get_run(fork.headers["location"].split("/")[2])
    assert completed.result(PATIENCE).status == "Completed"

    for run, says in ((completed, "fork"), (waiting, waiting.info().status)):
        plan = page.get(f"/runs/{run.id}/retry")
        assert plan.status_code == 409
        assert says in plan.text
        assert page.act(run, "retry").status_code == 409
    assert page.get(f"/runs/{failed.id}/retry?task=nothing").status_code == 404
    assert page.get(f"/runs/{failed.id}/cancel").status_code == 409


def test_a_fork_begins_with_other_keys(
    runner: cloaca.DefaultRunner, failed: cloaca.RunHandle, page: Page
) -> None:
    plan = page.get(f"/runs/{failed.id}/fork?task=charge")
    assert verdicts(plan) == {"charge": "run", "ship": "run", "reserve": "keep"}
    assert f"cloaca runs fork {failed.id} charge" in plan.text

    answer = page.act(failed, "fork", task="charge", planned="charge", context='{"paid": true}')

    new = runner.get_run(answer.headers["location"].removeprefix("/runs/"))
    assert new.result(PATIENCE).status == "Completed"
    assert new.info().forked_from == failed.id
    assert new.outputs()["charge"] == {"charged": True}
    assert [(kind, by) for kind, by, _ in acted(runner)] == [("fork", "ann")]


@each_row("context", ["{", "[1]", '"text"'])
def test_a_context_that_is_no_object_comes_back_with_its_error(
    runner: cloaca.DefaultRunner, failed: cloaca.RunHandle, page: Page, context: str
) -> None:
    answer = page.act(failed, "fork", task="charge", context=context)

    assert "field-error" in answer.text
    assert f">\n{context}</textarea>" in unescape(answer.text)
    assert acted(runner) == []


def test_a_run_is_paused_resumed_and_cancelled(
    runner: cloaca.DefaultRunner, listening: cloaca.RunHandle, page: Page
) -> None:
    assert page.act(listening, "pause", reason="stock count").status_code == 303
    assert listening.info().status == "Paused"
    assert page.act(listening, "resume", context='{"a": 1}').status_code == 303
    assert listening.info().status != "Paused"

    asked = page.get(f"/runs/{listening.id}/cancel")
    assert (asked.status_code, "Cancel day?" in asked.text) == (200, True)
    assert page.act(listening, "cancel", asked=1, reason="no longer").status_code == 303

    assert listening.result(PATIENCE).status == "Cancelled"
    assert acted(runner) == [
        ("pause", "ann", "stock count"),
        ("resume", "ann", None),
        ("cancel", "ann", "no longer"),
    ]
    assert page.act(listening, "pause").status_code == 409


@pytest.mark.parametrize("act", ["retry", "fork", "cancel"])
def test_a_reason_is_as_long_as_the_log_of_actions_takes_it(
    runner: cloaca.DefaultRunner,
    failed: cloaca.RunHandle,
    listening: cloaca.RunHandle,
    page: Page,
    act: str,
) -> None:
    run, task = (listening, "bank_file") if act == "cancel" else (failed, "charge")
    form = page.get(f"/runs/{run.id}/{act}").text
    (field,) = [each for each in form.split("<") if 'name="reason"' in each]
    assert 'maxlength="255"' in field

    refused = page.act(run, act, task=task, planned=task, asked=1, reason="r" * 256)

    assert (refused.status_code, "too long" in refused.text, acted(runner)) == (422, True, [])
    assert page.act(run, act, task=task, planned=task, asked=1, reason="r" * 255).status_code == 303
    assert [reason for _, _, reason in acted(runner)] == ["r" * 255]


def test_an_event_is_sent(
    runner: cloaca.DefaultRunner, listening: cloaca.RunHandle, page: Page
) -> None:
    wrong = page.act(listening, "send", task="bank_file", event="bank.file", payload="{")
    assert (wrong.status_code, "is not JSON" in wrong.text) == (422, True)

    answer = page.act(listening, "send", task="bank_file", event="bank.file", payload='{"n": 3}')

    assert answer.headers["location"] == f"/runs/{listening.id}?task=bank_file"
    assert listening.result(PATIENCE).final_context["bank_file"] == {"n": 3}
    assert acted(runner) == [("send", "ann", "bank.file")]


def test_an_event_is_sent_to_one_item_of_a_map(runner: cloaca.DefaultRunner, page: Page) -> None:
    with cloaca.WorkflowBuilder("files"):

        @cloaca.task(map=[10, 20])
        def read(context: cloaca.Context, item: int, handle: cloaca.TaskHandle) -> Any:
            return [item, handle.wait_for("bank.file")]

    run = runner.submit("files")
    address = f"/runs/{run.id}?task=read&item=1"
    until(lambda: page.get(address).text.count("waits for the event bank.file") == 2)
    shown = page.get(address).text
    form = {"task": "read", "event": "bank.file", "map": "read"}
    assert all(f'name="{name}" value="{value}"' in shown for name, value in form.items())
    wrong = page.act(run, "send", **form, item=1, payload="{")
    assert (wrong.status_code, 'name="item" value="1"' in wrong.text) == (422, True)

    for item in (1, 0):
        page.act(run, "send", **form, item=item, payload=item)

    assert run.result(PATIENCE).final_context["read"] == [[10, 0], [20, 1]]


def asking_body(runner: cloaca.DefaultRunner) -> cloaca.RunHandle:
    """A run whose body asks a person, by another name than its task's."""
    with cloaca.WorkflowBuilder("asking"):

        @cloaca.task(id="pay")
        def pay(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            context["choice"] = handle.approval("large", "More than 1,000?")["choice"]

    run = runner.submit("asking")
    while not runner.waiting_for_people():
        continue
    return run


def test_a_question_of_a_body_is_decided_where_its_task_is_shown(
    page: Page, runner: cloaca.DefaultRunner
) -> None:
    run = asking_body(runner)
    shown = page.get(f"/runs/{run.id}?task=pay").text
    assert "More than 1,000?" in shown
    assert 'name="approval" value="large"' in shown

    fields = {"task": "pay", "approval": "large", "choice": "approve"}
    answer = page.act(run, "approve", **fields)

    assert answer.headers["location"] == f"/runs/{run.id}?task=pay"
    assert run.result(PATIENCE).final_context["choice"] == "approve"
    assert acted(runner) == [("approve", "ann", "large: approve")]


def test_a_question_of_a_body_is_decided_in_the_inbox(
    page: Page, runner: cloaca.DefaultRunner
) -> None:
    run = asking_body(runner)
    shown = page.get("/inbox").text
    assert f'name="run" value="{run.id}"><input type="hidden" name="task" value="large"' in shown
    fields = {"form_token": page.token, "run": run.id, "task": "large", "choice": "reject"}

    assert page.post("/inbox/decide", data=fields).status_code == 303

    assert run.result(PATIENCE).final_context["choice"] == "reject"


def test_an_approval_is_decided_with_its_data(
    runner: cloaca.DefaultRunner, waiting: cloaca.RunHandle, page: Page
) -> None:
    fields = {"task": "decide", "choice": "approve", "note": "looked at it"}
    wrong = page.act(waiting, "approve", **fields, **{"data.amount": "much", "data.reason": ""})
    assert wrong.status_code == 422
    assert "Amount must be a number" in wrong.text
    assert "Reason is needed" in wrong.text
    assert 'value="much"' in wrong.text
    assert 'value="looked at it"' in wrong.text
    assert acted(runner) == []

    data = {"data.amount": "12.5", "data.reason": '"late"', "data.count": "", "data.tell": "on"}
    answer = page.act(waiting, "approve", **fields, **data)

    assert answer.headers["location"] == f"/runs/{waiting.id}?task=decide"
    decided = waiting.result(PATIENCE).final_context["done"]
    assert decided["by"] == "ann"
    assert decided["note"] == "looked at it"
    assert decided["data"] == {"amount": 12.5, "reason": "late", "tell": True}
    assert acted(runner) == [("approve", "ann", "decide: approve, looked at it")]
    assert page.act(waiting, "approve", **fields, **data).status_code == 409


def test_a_rejection_needs_no_data(
    runner: cloaca.DefaultRunner, waiting: cloaca.RunHandle, page: Page
) -> None:
    assert page.act(waiting, "approve", task="decide", choice="reject").status_code == 303
    assert waiting.result(PATIENCE).status == "Completed"
    assert acted(runner) == [("approve", "ann", "decide: reject")]


ACTS: dict[str, dict[str, object]] = {
    "cancel": {},
    "pause": {},
    "resume": {},
    "retry": {},
    "fork": {"task": "decide"},
    "send": {"event": "any"},
    "approve": {"task": "decide", "choice": "reject"},
}

FORMS = (
    "/runs/{run}/retry",
    "/runs/{run}/fork",
    "/runs/{run}/cancel",
    "/runs/bulk?kind=cancel&all=1",
    "/runs/start",
    "/workflow/start?name=refund",
    "/workflow/pause?name=refund",
    "/schedules/new",
    "/runs/{run}/cancel?from=inbox",
    "/runners/drain?runner=any",
)


@pytest.mark.parametrize("options", [{"role": "view"}, {"read_only": True}], ids=["view", "read"])
def test_who_may_not_act_changes_nothing(
    runner: cloaca.DefaultRunner, waiting: cloaca.RunHandle, options: dict[str, Any]
) -> None:
    page = Page(runner, **options)

    for act, fields in ACTS.items():
        assert page.act(waiting, act, **fields).status_code == 403, act
    for form in FORMS:
        assert page.get(form.format(run=waiting.id)).status_code == 403, form
    assert waiting.tasks()["decide"].status == "Waiting"
    assert acted(runner) == []
    assert page.get(f"/runs/{waiting.id}/export").status_code == 200


def _without(page: Page, address: str, fields: dict[str, object]) -> Response:
    return page.post(address, data={"other": 1, **fields})


def _wrong(page: Page, address: str, fields: dict[str, object]) -> Response:
    return page.post(address, data={**fields, "form_token": f"{page.token}x"})


def _from_elsewhere(page: Page, address: str, fields: dict[str, object]) -> Response:
    data = {**fields, "form_token": page.token}
    return page.post(address, data=data, headers={"origin": "http://elsewhere.example"})


@each_row("send", [_without, _wrong, _from_elsewhere])
def test_an_act_comes_from_a_form_of_the_page(
    runner: cloaca.DefaultRunner,
    waiting: cloaca.RunHandle,
    page: Page,
    send: Callable[[Page, str, dict[str, object]], Response],
) -> None:
    for act, fields in ACTS.items():
        assert send(page, f"/runs/{waiting.id}/{act}", fields).status_code == 403, act
    assert waiting.tasks()["decide"].status == "Waiting"
    assert acted(runner) == []


def test_a_run_that_is_not_there_is_not_found(runner: cloaca.DefaultRunner, page: Page) -> None:
    for act, fields in ACTS.items():
        data = {**fields, "form_token": page.token}
        assert page.post("/runs/01a0-nothing/" + act, data=data).status_code == 404, act


def test_a_run_is_one_file_that_needs_nothing_else(failed: cloaca.RunHandle, page: Page) -> None:
    answer = page.get(f"/runs/{failed.id}/export")

    assert f'filename="order-{failed.id}.html"' in answer.headers["content-disposition"]
    text = answer.text
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert style is not None
    source = f"sha256-{b64encode(sha256(style[1].encode()).digest()).decode()}"
    assert f"default-src 'none'; style-src '{source}';" in text
    for part in ("<script", "<link", "src=", "url(http", 'href="/', "form_token"):
        assert part not in text.replace("url(#hatch)", ""), part
    for part in ("no money", "reserved", "charge", "skipped because"):
        assert part in text.lower(), part


def test_a_run_is_saved_as_a_test_case(failed: cloaca.RunHandle, page: Page) -> None:
    answer = page.get(f"/runs/{failed.id}/case")

    assert answer.headers["content-disposition"] == (
        f'attachment; filename="order-{failed.id}-case.json"'
    )
    assert json.loads(answer.text)["tasks"]["charge"]["error"]["type"] == "ValueError"


def test_inputs_and_results_are_files(failed: cloaca.RunHandle, page: Page) -> None:
    given = page.get(f"/runs/{failed.id}/input?task=charge")
    assert json.loads(given.text) == {"customer": 7, "reserved": HOSTILE}
    made = page.get(f"/runs/{failed.id}/result?task=reserve")
    assert json.loads(made.text) == {"reserved": HOSTILE}
    assert page.get(f"/runs/{failed.id}/input?task=nothing").status_code == 404
    assert page.get(f"/runs/{failed.id}/input").status_code == 404
