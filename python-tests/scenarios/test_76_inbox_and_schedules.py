"""76: on the web page people decide, and look after schedules, triggers and runners; a visitor who
only looks, and a page that is read-only, change nothing.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import TYPE_CHECKING, Any, Literal

import pytest
from click.testing import CliRunner
from scenarios.steering import Gate, until
from tables import each_row

import cloaca
from cloaca_core.store.runner_rows import RunnerName
from cloaca_testing.conformance.commits import submit
from cloaca_testing.conformance.rows import new_run, runner as row
from cloaca_tools.cli.root import cli
from cloaca_tools.transfer.opened import Place
from cloaca_tools.ui.pages.inbox import ACTS

if TYPE_CHECKING:
    from httpx2 import Response

WAIT = 60
HOSTILE = "<script>alert(1)</script>"
HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)">')


class Page:
    """The page as a browser of one visitor sees it."""

    def __init__(
        self,
        client: cloaca.Client,
        role: Literal["view", "steer"] = "steer",
        *,
        read_only: bool = False,
    ) -> None:
        from starlette.testclient import TestClient  # takes as long to import as all of the rest

        def auth(_: object) -> cloaca.Visitor:
            return cloaca.Visitor(role, "ann")

        app = cloaca.ui(client, auth=auth, hosts=("testserver",), read_only=read_only)
        self._web = TestClient(app, headers={"origin": "http://testserver"}, follow_redirects=False)

    def get(self, address: str, status: int = 200, *, wants: str = "") -> str:
        """The text of a page, or of the element of it that a script ``wants``."""
        headers = {"hx-target": f"div#{wants}"} if wants else {}
        answer: Response = self._web.get(address, headers=headers)
        assert answer.status_code == status, answer.text
        return str(answer.text)

    def post(self, address: str, **fields: str) -> Response:
        """Send a form of this page."""
        self._web.get("/inbox")
        token = self._web.cookies["cloaca_form"]
        return self._web.post(address, data={"form_token": token, **fields})

    def acted(self, address: str, **fields: str) -> str:
        """Send a form that is taken; the page that the browser goes on with."""
        answer = self.post(address, **fields)
        assert answer.status_code == 303, answer.text
        return self.get(answer.headers["location"])


@dataclass
class Refund:
    """The data of a decision."""

    amount: float
    way: Literal["card", "voucher"]
    urgent: bool = False


@pytest.fixture
def page(runner: cloaca.DefaultRunner) -> Page:
    return Page(runner)


@pytest.fixture
def asked(runner: cloaca.DefaultRunner) -> cloaca.RunHandle:
    """A run that asks whether money is to be paid back."""
    with cloaca.WorkflowBuilder("refund"):

        @cloaca.task
        def look_up(context: cloaca.Context) -> dict[str, Any]:
            return {"order": f"headphones {HOSTILE}", "api_token": "s3cret"}

        sign = cloaca.approval(
            "sign",
            f"Refund? {HOSTILE}",
            schema=Refund,
            timeout=3_600,
            default="reject",
            dependencies=[look_up],
        )
        cloaca.task(id="pay", dependencies=[sign])(lambda context: None)
    run = runner.submit("refund", {"customer": 8812}, tags={"mail": HOSTILE})
    until(lambda: len(runner.waiting_for_people()) == 1)
    return run


@pytest.fixture
def stopped(runner: cloaca.DefaultRunner) -> cloaca.RunHandle:
    """A run that is paused since its task used up its attempts."""
    with cloaca.WorkflowBuilder("order") as builder:
        builder.exhausted_policy("pause")

        @cloaca.task(retry_attempts=2, retry_delay_ms=1)
        def charge(context: cloaca.Context) -> dict[str, Any]:
            if context["terminal"] == 3:
                raise ConnectionError("terminal 3 does not answer")
            return {"paid": True}

        cloaca.task(id="ship", dependencies=["charge"])(lambda context: None)
    run = runner.submit("order", {"terminal": 3})
    until(lambda: run.status() == "Paused" and run.info().active_bodies == 0)
    return run


def nothing(name: str = "nightly") -> None:
    with cloaca.WorkflowBuilder(name):
        cloaca.task(id="t")(lambda context: None)


# -- decisions -------------------------------------------------------------------------------------


def test_a_decision_shows_what_it_is_about_and_takes_its_data(
    page: Page, asked: cloaca.RunHandle, runner: cloaca.DefaultRunner
) -> None:
    text = page.get("/inbox")
    assert HOSTILE not in text
    shown = unescape(text)
    assert f"Refund? {HOSTILE}" in shown
    assert f"headphones {HOSTILE}" in shown
    assert "8812" in shown
    assert "s3cret" not in shown
    assert "then “reject”" in shown
    assert ">1</span>" in text  # in the side

    given = {"run": asked.id, "task": "sign", "choice": "approve", "note": "seen"}
    after = page.acted(
        "/inbox/decide",
        **given,
        **{"data.amount": "249.5", "data.way": '"card"', "data.urgent": "on"},
    )

    assert "Recorded as ann" in after
    assert "Nothing waits for you" in after
    asked.wait(WAIT)
    decided = asked.result(WAIT).final_context["sign"]
    assert decided["data"] == {"amount": 249.5, "way": "card", "urgent": True}
    assert (decided["choice"], decided["by"], decided["note"]) == ("approve", "ann", "seen")


def test_each_item_that_asks_has_a_card_of_its_own(
    page: Page, runner: cloaca.DefaultRunner
) -> None:
    with cloaca.WorkflowBuilder("asks"):

        @cloaca.task(map=["a", "b"])
        def each(context: cloaca.Context, item: str, handle: cloaca.TaskHandle) -> Any:
            return handle.approval("pay", f"Pay {item}?")["choice"]

    run = runner.submit("asks")
    until(lambda: len(runner.waiting_for_people()) == 2)
    text = page.get("/inbox")
    cards = [f'id="ask-{run.id}-pay-{index}"' for index in (0, 1)]
    assert [text.count(card) for card in cards] == [1, 1]
    assert "each[1]" in text

    form = {"run": run.id, "task": "pay", "map": "each", "item": "1", "choice": "reject"}
    after = page.acted("/inbox/decide", **form)

    assert (cards[0] in after, cards[1] in after) == (True, False)
    late = page.post("/inbox/decide", **form)
    assert late.status_code == 409
    pane = page.get(f"/runs/{run.id}?task=each")
    assert "asked by each[0]" in pane
    runner.approve(run.id, "pay")
    assert run.result(WAIT).final_context["each"] == ["approve", "reject"]


@each_row(
    ("fields", "reason"),
    [
        ({}, "Amount is needed"),
        ({"data.amount": "lots", "data.way": '"card"'}, "Amount must be a number"),
        ({"data.amount": "1", "data.way": '"cash"'}, "Way must be one of the choices"),
        ({"data.amount": "1", "data.way": '"card"', "choice": "maybe"}, "choice must be one of"),
        ({"data.amount": "1", "data.way": '"card"', "note": "n" * 256}, "255"),
    ],
)
def test_wrong_data_are_told_and_kept_and_nothing_is_decided(
    page: Page,
    asked: cloaca.RunHandle,
    runner: cloaca.DefaultRunner,
    fields: dict[str, str],
    reason: str,
) -> None:
    form = {"run": asked.id, "task": "sign", "choice": "approve", "note": HOSTILE, **fields}

    answer = page.post("/inbox/decide", **form)

    assert answer.status_code == 422
    assert reason in unescape(answer.text)
    assert HOSTILE not in answer.text
    assert f'value="{fields.get("data.amount", "")}"' in answer.text
    assert len(runner.waiting_for_people()) == 1


@dataclass
class Address:
    """A place."""

    street: str


@dataclass
class Line:
    """An article."""

    sku: int


@dataclass
class Parcel:
    """What a decision takes: an address, and a line for each article."""

    address: Address
    lines: list[Line] = field(default_factory=list)


def test_objects_and_lists_are_filled_in_by_fields_and_rows(
    page: Page, runner: cloaca.DefaultRunner
) -> None:
    with cloaca.WorkflowBuilder("send"):
        sign = cloaca.approval("sign", "Send it?", schema=Parcel)
        cloaca.task(id="go", dependencies=[sign])(lambda context: None)
    run = runner.submit("send")
    until(lambda: len(runner.waiting_for_people()) == 1)
    form = {"run": run.id, "task": "sign", "data.address.street": "", "data.lines.0.sku": "7"}

    more = page.post("/inbox/decide", **form, add="data.lines").text
    assert 'name="data.lines.0.sku" type="number" value="7"' in more
    assert 'name="data.lines.1.sku"' in more
    assert len(runner.waiting_for_people()) == 1

    wrong = page.post("/inbox/decide", **form, choice="approve").text
    (first,) = re.findall(r'name="([^"]+)"[^>]*aria-invalid="true"[^>]* autofocus', wrong)
    assert first == "data.address.street"

    page.acted(
        "/inbox/decide", **{**form, "data.address.street": "Main street 1"}, choice="approve"
    )
    assert run.result(WAIT).final_context["sign"]["data"] == {
        "address": {"street": "Main street 1"},
        "lines": [{"sku": 7}],
    }


def test_a_rejection_needs_no_data(page: Page, asked: cloaca.RunHandle) -> None:
    page.acted("/inbox/decide", run=asked.id, task="sign", choice="reject")

    assert asked.result(WAIT).final_context["sign"]["choice"] == "reject"
    assert asked.tasks()["pay"].status == "Skipped"


def test_who_comes_too_late_is_told_so(page: Page, asked: cloaca.RunHandle) -> None:
    asked.approve("sign", "reject", by="bob")

    answer = page.post("/inbox/decide", run=asked.id, task="sign", choice="reject")

    assert answer.status_code == 409
    assert "bob was faster." in answer.text
    assert "was not recorded" in answer.text
    assert 'hx-trigger="changed' not in answer.text  # there is no such page to ask for
    assert 'hx-trigger="changed' in page.get("/inbox")


def test_a_decision_whose_runner_has_left_is_told_alike_everywhere(
    asked: cloaca.RunHandle, runner: cloaca.DefaultRunner, database_url: str
) -> None:
    runner.shutdown()
    with cloaca.Client(database_url) as client:
        client.get_run(asked.id).approve("sign", data={"amount": 1, "way": "card"})
        page = Page(client)
        told = "is decided, and a runner is to record that"

        tasks = {each.task_id: each.why for each in client.get_run(asked.id).explain().tasks}
        shown = CliRunner().invoke(cli, ["--database-url", database_url, "runs", "show", asked.id])
        text = page.get(f"/runs/{asked.id}?task=sign")

        assert told in tasks["sign"]
        assert told in shown.output
        assert told in text
        assert "waits for a decision" not in shown.output + text
        assert "Nothing waits for a person" in page.get("/")


def test_a_form_that_is_not_whole_and_one_of_another_run_are_refused(
    page: Page, asked: cloaca.RunHandle
) -> None:
    assert page.post("/inbox/decide", run=asked.id).status_code == 422
    elsewhere = page.post("/inbox/decide", run="nowhere", task="sign", choice="approve")
    assert elsewhere.status_code == 404
    assert page.post("/inbox/resume", run="nowhere").status_code == 404


# -- runs that a failure has paused ---------------------------------------------------------------


def test_a_run_that_a_failure_has_paused_goes_on_with_other_keys(
    page: Page, stopped: cloaca.RunHandle
) -> None:
    text = page.get("/inbox")
    assert "used up its 2 attempts" in text
    assert "ConnectionError: terminal 3 does not answer" in text
    assert "2 fresh attempts</code>" not in text
    assert "runs the 1 task after it" in text

    wrong = page.post("/inbox/resume", run=stopped.id, context="[4]")
    assert wrong.status_code == 422
    assert "must be a JSON object" in unescape(wrong.text)
    assert stopped.status() == "Paused"

    after = page.acted("/inbox/resume", run=stopped.id, context='{"terminal": 4}')

    assert "Nothing waits for you" in after
    assert stopped.result(WAIT).final_context["paid"] is True
    late = page.post("/inbox/resume", run=stopped.id)
    assert late.status_code == 409


def test_a_run_that_a_failure_has_paused_can_be_cancelled(
    page: Page, stopped: cloaca.RunHandle, runner: cloaca.DefaultRunner
) -> None:
    question = page.get(f"/runs/{stopped.id}/cancel?from=inbox")
    assert "Cancel order?" in question
    assert 'href="/inbox" data-close>Keep' in question
    sent = dict(HIDDEN.findall(question))
    assert stopped.status() == "Paused"

    after = page.acted(f"/runs/{stopped.id}/cancel", reason="sold out", **sent)

    assert "order: cancelled, sold out." in after
    assert "Nothing waits for you" in after
    assert stopped.status() == "Cancelled"
    (act, *_) = runner.actions()
    assert (act.kind, act.by, act.reason) == ("cancel", "ann", "sold out")
    assert "sold out" in page.get("/actions")
    assert "sold out" not in page.get("/actions?by=cloaca")
    assert "No such action" in page.get("/actions?kind=fork")


def test_many_runs_that_a_program_has_started_hide_no_decision(
    page: Page, runner: cloaca.DefaultRunner, asked: cloaca.RunHandle
) -> None:
    runner.approve(asked.id, "sign", data={"amount": 1, "way": "card"}, by="ann")
    asked.wait(WAIT)
    nothing("parcel")
    for number in range(ACTS + 1):
        runner.submit("parcel", delay=3_600, by=f"shop {number % 2}")

    assert "ann: approve" in page.get("/inbox")
    decided = page.get("/actions?kind=approve")
    assert "sign: approve" in decided
    assert "started" in decided  # another kind to choose

    # 101 of them are by shop 0: two whole pages, and one
    address, shown = "/actions?by=shop+0", []
    while address:
        text = page.get(address)
        shown += re.findall(r'<tr id="act-([^"]*)" data-row', text)
        older = re.search(r'href="(/actions[^"]*)">Older actions', text)
        address = unescape(older[1]) if older else ""
    assert len(shown) == len(set(shown)) == 101
    assert "is not the mark of an action" in page.get("/actions?before=junk", 422)
    for wrong in ("by=%00", "kind=%00", "before=2026-11-27T07:30:00%2B00:00/%00/x"):
        page.get(f"/actions?{wrong}", 422)


def test_the_inbox_is_there_when_a_workflow_was_resumed(
    page: Page, runner: cloaca.DefaultRunner
) -> None:
    runner.pause_workflow("order", by="ann")
    runner.resume_workflow("order", by="ann")

    assert "Nothing waits for you" in page.get("/inbox")


def test_a_run_that_a_person_has_paused_is_not_in_the_inbox(
    page: Page, stopped: cloaca.RunHandle
) -> None:
    stopped.resume(context={"terminal": 4})
    until(lambda: stopped.status() == "Completed")
    nothing()
    assert "Nothing waits for you" in page.get("/inbox")


# -- schedules -------------------------------------------------------------------------------------


@pytest.mark.each_backend
def test_schedules_are_added_explained_switched_changed_and_deleted(
    page: Page, runner: cloaca.DefaultRunner
) -> None:
    nothing()
    assert "No schedules yet" in page.get("/schedules")
    assert "02:30 every day" in page.get("/schedules/new?cron=30+2+*+*+*&timezone=Europe/Oslo")
    alone = page.get("/schedules/new?cron=x", wants="explanation")
    assert alone.lstrip().startswith('<div id="explanation"')
    assert "field-error" in alone

    form = {"name": HOSTILE, "workflow": "nightly", "cron": "30 2 * * *", "timezone": "Europe/Oslo"}
    asked = page.post("/schedules/new", **form, explain="yes")
    assert asked.status_code == 200
    assert "02:30 every day" in asked.text
    for wrong in ({"cron": "61 * * * *"}, {"timezone": "Moon/Sea"}, {"params": "[1]"}):
        assert page.post("/schedules/new", **{**form, **wrong}).status_code == 422
    assert runner.list_cron_schedules() == []

    context = '{"who": "ann", "password": "s3cret"}'
    after = page.acted("/schedules/new", **form, params=context, overlap="queue", queue="big")

    assert "s3cret" not in after
    assert HOSTILE not in after
    assert "<dt>Queue</dt><dd>big</dd>" in after
    (made,) = runner.list_cron_schedules()
    assert (made["name"], made["queue"]) == (HOSTILE, "big")
    assert (made["overlap_policy"], made["enabled"]) == ("queue", True)
    taken = page.post("/schedules/new", **form)
    assert taken.status_code == 422
    assert "already" in taken.text

    here = f"/schedules/{made['id']}"
    assert "off since" in page.acted(f"{here}/switch", enabled="no")
    assert runner.get_cron_schedule(made["id"])["enabled"] is False
    page.acted(f"{here}/switch", enabled="yes", on="one")
    assert runner.get_cron_schedule(made["id"])["enabled"] is True

    assert "every minute" in page.post(f"{here}/edit", cron="* * * * *", explain="y").text.lower()
    assert page.post(f"{here}/edit", cron="0 0 31 2 *", timezone="UTC").status_code == 422
    assert "The schedule is changed" in page.acted(f"{here}/edit", cron="5 * * * *", timezone="UTC")
    assert runner.get_cron_schedule(made["id"])["cron_expression"] == "5 * * * *"

    assert "Delete the schedule" in page.get(f"{here}/delete")
    assert "is deleted" in page.acted(f"{here}/delete")
    assert runner.list_cron_schedules() == []
    kinds = ["add", "disable", "enable", "change", "delete"]
    assert [(act.kind, act.by) for act in reversed(runner.actions())] == [
        (f"{kind}_schedule", "ann") for kind in kinds
    ]
    log = page.get("/actions?kind=change_schedule")
    assert "schedule changed" in log
    assert "schedule added" not in log
    assert "schedule added" in page.get("/actions?kind=schedules")
    assert "schedule added" not in page.get("/actions?kind=triggers")
    assert HOSTILE not in log
    assert f"{HOSTILE}: 5 * * * *, UTC" in unescape(log)
    page.get(here, 404)
    assert page.post(f"{here}/delete").status_code == 404


@pytest.mark.each_backend
def test_a_schedule_is_run_by_hand_and_all_of_it_changes(
    page: Page, runner: cloaca.DefaultRunner
) -> None:
    """What a form hides stays, and so does what it does not name."""
    nothing()
    nothing("weekly")
    shops = [{"name": "a", "token": "s3cret"}, {"name": "b", "token": "s4cret"}]
    schedule = runner.schedule(
        "n", "nightly", "0 2 * * *", "UTC", params={"shops": shops}, time_limit=60
    )
    here = f"/schedules/{schedule}"

    shown = page.get(f"{here}/edit")
    assert "s3cret" not in shown
    hidden = '{"shops": [{"name": "b", "token": "***"}]}'
    wrong = page.post(f"{here}/edit", workflow="hourly")
    assert wrong.status_code == 422
    assert "There is no workflow 'hourly'. Known: nightly, weekly." in unescape(wrong.text)
    assert page.post(f"{here}/edit", params='{"a": "***"}').status_code == 422
    first = "2026-01-02T03:04"
    said = page.acted(f"{here}/edit", workflow="weekly", params=hidden, queue="q", start=first)
    assert "The schedule is changed" in said
    again = page.post(f"{here}/edit", cron="61 * * * *").text
    assert again.count("in the minute field") == 1
    page.acted(f"{here}/edit", queue="")

    assert "Run now" in page.get("/schedules")
    after = page.acted(f"{here}/run")
    assert "weekly" in after
    (tick,) = runner.get_cron_execution_history(schedule)
    run = runner.get_run(tick["workflow_execution_id"])
    context = run.result(WAIT).final_context
    assert context["shops"] == [shops[1]]
    assert (context["schedule_id"], "is_recovery" in context) == (schedule, False)
    assert run.info().workflow_name == "weekly"
    row = runner.get_cron_schedule(schedule)
    assert (row["start_date"][:10], row["queue"], row["name"]) == ("2026-01-02", None, "n")
    acts = [(act.kind, act.by) for act in runner.actions()]
    assert acts[0] == ("run_schedule", "ann")
    assert "run by hand" in page.get(here)
    assert "<dt>Time limit</dt><dd>1 m 00 s</dd>" in page.get(here)
    assert page.post("/schedules/00000000-0000-0000-0000-000000000000/run").status_code == 404


def test_a_back_fill_makes_the_runs_that_its_preview_shows(
    page: Page, runner: cloaca.DefaultRunner
) -> None:
    nothing()
    schedule = runner.schedule("nightly", "nightly", "0 2 * * *", "UTC")
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    ran = runner.backfill(schedule, today - timedelta(days=9), today - timedelta(days=7))
    assert len(ran.run_ids) == 2
    here = f"/schedules/{schedule}/backfill"
    first, last = [f"{today - timedelta(days=days):%Y-%m-%d}" for days in (10, 6)]

    text = page.get(f"{here}?from={first}&to={last}")

    assert "5 ticks: 2 have a run, 3 would be made." in text
    assert text.count('class="make"') == 3
    assert "Make 3 runs" in text
    assert "cloaca schedules backfill" in text
    sent = dict(HIDDEN.findall(text))
    after = page.acted(here, start=sent["start"], end=unescape(sent["end"]))
    assert "3 runs made." in after
    assert after.count("back-filled") == 5
    ticks = runner.get_cron_execution_history(schedule)
    assert len({tick["workflow_execution_id"] for tick in ticks}) == 5
    again = page.get(f"{here}?from={first}&to={last}")
    assert "There is nothing to make." in again
    assert "Make 0 runs" in again


@each_row("period", ["from=x", "from=2026-03-29&to=2026-03-01", "to=1960-01-01", "from=9999-01-01"])
def test_a_period_that_cannot_be_back_filled_is_told(
    page: Page, runner: cloaca.DefaultRunner, period: str
) -> None:
    schedule = runner.schedule("nightly", "nightly", "0 2 * * *", "UTC")

    text = page.get(f"/schedules/{schedule}/backfill?{period}", 422)

    assert 'role="alert"' in text
    assert "Make" not in text.partition('role="alert"')[2]
    end = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    beyond = page.post(f"/schedules/{schedule}/backfill", start="2026-01-01T00:00:00Z", end=end)
    assert beyond.status_code == 422
    assert runner.list_runs() == []


# -- triggers, runners, tenants --------------------------------------------------------------------


def test_triggers_are_listed_and_switched(page: Page, runner: cloaca.DefaultRunner) -> None:
    assert "No triggers yet" in page.get("/triggers")
    nothing("letters")
    fired = threading.Event()

    @cloaca.trigger(name="mail & box", on="letters", poll_interval="100ms")
    def poll() -> Any:
        return cloaca.TriggerResult.skip() if fired.is_set() else fire()

    def fire() -> cloaca.TriggerResult:
        fired.set()
        return cloaca.TriggerResult.fire({"n": 1})

    until(lambda: bool(runner.get_trigger_execution_history("mail & box")))
    until(lambda: runner.count_runs(status="Completed") == 1)
    name = "name=mail+%26+box"
    assert "mail &amp; box" in page.get("/triggers")
    assert "every 100 ms" in page.get("/triggers")
    assert "Completed" in page.get(f"/trigger?{name}")

    assert "off since" in page.acted(f"/trigger/switch?{name}", enabled="no", on="one")

    found = runner.get_trigger_schedule("mail & box")
    assert found is not None
    assert found["enabled"] is False
    assert "trigger disabled" in page.get("/actions?by=ann")
    page.get("/trigger?name=none", 404)
    assert page.post("/trigger/switch?name=none", enabled="no").status_code == 404


def test_a_trigger_that_fails_says_so_in_the_list_on_its_page_and_on_now(
    page: Page, runner: cloaca.DefaultRunner
) -> None:
    nothing("letters")
    runner.execute("letters")
    well = threading.Event()

    @cloaca.trigger(name="mail", on="letters", poll_interval="50ms")
    def poll() -> bool:
        if not well.is_set():
            raise ConnectionError("https://ann:sesam@shop/: refused")
        return False

    until(lambda: (runner.get_trigger_schedule("mail") or {})["failed_polls"] > 1)
    text = "ConnectionError: https://ann:***@shop/: refused"
    for address in ("/triggers", "/trigger?name=mail", "/"):
        assert text in page.get(address)
    assert "1 failing" in page.get("/triggers")
    assert "polls failed" in page.get("/trigger?name=mail")

    well.set()
    until(lambda: (runner.get_trigger_schedule("mail") or {})["last_error"] is None)
    assert "ConnectionError" not in page.get("/triggers")
    assert cloaca.Observer(runner).overview().wait().failing_triggers == ()


def test_a_runner_is_asked_to_leave(
    page: Page, database_url: str, runner: cloaca.DefaultRunner
) -> None:
    gate, registry = Gate(), cloaca.Registry()
    with cloaca.WorkflowBuilder("held", registry=registry):
        cloaca.task(id="t")(gate.hold)
    config = cloaca.DefaultRunnerConfig(runner_id="other", shutdown_grace_seconds=WAIT)
    with cloaca.DefaultRunner(database_url, config=config, registry=registry) as other:
        other.submit("held")
        assert gate.begun.wait(WAIT)
        assert "Let this runner leave?" in page.get("/runners/drain?runner=other")
        assert "Draining" not in page.get("/runners")

        after = page.acted("/runners/drain", runner="other")

        assert "It was asked to leave." in after
        assert "runner asked to leave" in page.get("/actions?by=ann")
        assert "Draining" in after
        gate.open.set()
        until(lambda: 'id="runner-other"' not in page.get("/runners"))
    assert page.post("/runners/drain", runner="other").status_code == 409
    page.get("/runners/drain?runner=other", 404)


def test_a_lost_runner_stays_for_a_day_with_what_became_of_its_runs(
    page: Page, database_url: str, runner: cloaca.DefaultRunner
) -> None:
    async def lose() -> None:
        async with Place.of(database_url).opened() as store:
            alive = row("r1")._replace(lease_until=2**62)  # until it is declared dead here
            await store.register(alive, RunnerName(7, "r1", "build-7", 4711))
            await submit(store, new_run("a", workflow="elsewhere"))
            await store.fence("r1", 0)

    asyncio.run(lose())  # the program of the page takes its run over

    until(lambda: "lost within a day" in page.get("/runners"))
    shown = page.get("/runners")
    assert "1 alive, 1 lost within a day" in shown
    assert "build-7 · 17" in shown
    assert "1 run taken over." in shown
    page.get("/runners/drain?runner=r1", 404)
    now = page.get("/")
    assert "1 lost within a day" in now
    (alive,) = cloaca.Observer(runner).overview().wait().runners
    assert f">{alive.name}</a>" in now


def test_queues_stand_below_the_runners(
    page: Page, database_url: str, runner: cloaca.DefaultRunner
) -> None:
    assert "Queues</h2>" not in page.get("/runners")
    config = cloaca.DefaultRunnerConfig(runner_id="card", queues=["gpu"])
    with cloaca.DefaultRunner(database_url, config=config, registry=cloaca.Registry()):
        shown = page.get("/runners")
    assert "Queues</h2>" in shown
    assert "Queue gpu" in shown

    with cloaca.WorkflowBuilder("training"):
        cloaca.task(id="train", queue="gpu")(lambda context: None)
    run = runner.submit("training")
    run.result(WAIT)
    assert "queue gpu</p>" in page.get(f"/runs/{run.id}?task=train")


def test_without_a_runner_the_page_says_how_to_start_one(
    database_url: str, open_runner: Callable[..., cloaca.DefaultRunner]
) -> None:
    open_runner().shutdown()
    with cloaca.Client(database_url, registry=cloaca.Registry()) as client:
        text = Page(client).get("/runners")
    assert "No runner is there" in text
    assert "cloaca worker" in text


@pytest.mark.backend("sqlite", reason="there a tenant is a file that only its program knows")
def test_tenants_that_are_files_are_not_in_the_side(page: Page) -> None:
    text = page.get("/tenants")

    assert "Each tenant is a file of its own" in text
    assert 'href="/tenants"' not in text


@pytest.mark.backend("postgres", reason="there a tenant is a schema")
def test_tenants_that_are_schemas_are_in_the_side_of_a_page_of_all(page: Page) -> None:
    assert "a tenant's own page" in unescape(page.get("/tenants"))  # each test has a schema


# -- who may not -----------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", ["role", "read_only"])
def test_who_may_not_act_sees_no_forms_and_changes_nothing(
    runner: cloaca.DefaultRunner,
    asked: cloaca.RunHandle,
    stopped: cloaca.RunHandle,
    reason: str,
) -> None:
    nothing()
    schedule = runner.schedule("nightly", "nightly", "0 2 * * *", "UTC")
    before = runner.get_cron_schedule(schedule)
    (here,) = cloaca.Observer(runner).overview().wait().runners
    page = Page(runner, "view") if reason == "role" else Page(runner, read_only=True)
    at = f"/schedules/{schedule}"
    for looked in ("/inbox", "/schedules", at, f"{at}/backfill", "/triggers", "/runners"):
        assert 'method="post"' not in page.get(looked)
    for address in (
        f"/runs/{stopped.id}/cancel?from=inbox",
        "/schedules/new",
        f"{at}/edit",
        f"{at}/delete",
    ):
        page.get(address, 403)
    acts: list[tuple[str, dict[str, str]]] = [
        ("/inbox/decide", {"run": asked.id, "task": "sign", "choice": "reject"}),
        ("/inbox/resume", {"run": stopped.id, "context": '{"terminal": 4}'}),
        (f"/runs/{stopped.id}/cancel", {"from": "inbox"}),
        ("/schedules/new", {"name": "n", "workflow": "nightly", "cron": "0 1 * * *"}),
        (f"{at}/edit", {"cron": "0 1 * * *", "timezone": "UTC"}),
        (f"{at}/switch", {"enabled": "no"}),
        (f"{at}/delete", {}),
        (f"{at}/backfill", {"start": "2026-01-01T00:00:00Z", "end": "2026-01-09T00:00:00Z"}),
        ("/trigger/switch?name=x", {"enabled": "no"}),
        ("/runners/drain", {"runner": here.id}),
    ]

    for address, fields in acts:
        assert page.post(address, **fields).status_code == 403, address

    assert [each["id"] for each in runner.list_cron_schedules()] == [schedule]
    assert runner.get_cron_schedule(schedule) == before
    assert len(runner.waiting_for_people()) == 1
    assert stopped.status() == "Paused"
    assert runner.count_runs() == 2
    assert cloaca.Observer(runner).overview().wait().runners[0].draining_since is None


# -- limits ---------------------------------------------------------------------------------------


@pytest.mark.each_backend
def test_a_limit_is_changed_by_its_form_and_only_by_who_may(database_url: str) -> None:
    registry = cloaca.Registry()
    registry.register_limit(cloaca.Limit("api", total=20))
    with cloaca.DefaultRunner(database_url, registry=registry) as runner:
        page, looker = Page(runner), Page(runner, "view")
        assert "0 of 20" in page.get("/limits")
        assert "total 20 → 5" in page.get("/limit/change?name=api&total=5")
        assert "whole number or none" in page.get("/limit/change?name=api&total=x", 422)
        unknown = page.get("/limit?name=apis", 404)
        assert "There is no such limit" in unknown
        assert '<a class="link" href="/limit?name=api">' in unknown
        looker.get("/limit/change?name=api", 403)
        assert "Change…" not in looker.get("/limit?name=api")
        assert looker.post("/limit/change", name="api", total="5").status_code == 403
        assert page.post("/limit/change", name="api", total="x").status_code == 422
        assert runner.limits()[0].total == 20

        shown = page.acted("/limit/change", name="api", total="5", rate="none")
        assert "ann has set other settings" in shown
        assert runner.limits()[0].total == 5
        assert "total 5 → 20" in page.get("/limit/clear?name=api")
        page.acted("/limit/clear", name="api")
        assert runner.limits()[0].total == 20
        assert [each.kind for each in runner.actions()] == ["clear_limit", "set_limit"]
