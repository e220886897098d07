"""Decisions by their forms, in the inbox and beside a task, and runs that a failure has paused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

import cloaca
from browser.acting import last_act
from browser.looking import Visit
from browser.serving import PATIENCE


@dataclass
class Refund:
    """The data of a decision."""

    amount: float
    items: dict[str, int]
    places: list[str]


@pytest.fixture(autouse=True)
def workflows(registry: cloaca.Registry) -> None:
    """``mail`` and ``refund`` ask a person; ``order`` is paused if its terminal is off."""
    with cloaca.WorkflowBuilder("mail", registry=registry):
        cloaca.approval("send_it", "Send this answer?", choices=["send", "reject"])
    with cloaca.WorkflowBuilder("refund", registry=registry):
        cloaca.approval("sign", "Refund this order?", schema=Refund)
    with cloaca.WorkflowBuilder("order", registry=registry) as order:
        order.exhausted_policy("pause")

        @cloaca.task(retry_attempts=1)
        def charge(context: cloaca.Context) -> dict[str, Any]:
            if context["terminal"] == 3:
                raise ConnectionError("terminal 3 does not answer")
            return {"paid": True}

        cloaca.task(id="ship", dependencies=[charge])(lambda context: None)


# -- decisions -----------------------------------------------------------------------------------


@pytest.mark.each_backend
def test_an_approval_is_decided(visit: Visit, program: cloaca.DefaultRunner) -> None:
    run = program.submit("mail")
    page = visit.open("/inbox")

    page.get_by_role("button", name="Reject").click()

    expect(page.locator("#inbox-done")).to_contain_text("reject")
    run.wait(PATIENCE)
    assert last_act(program) == ("approve", "ann")


def test_wrong_data_of_a_decision_are_told_and_stay(
    visit: Visit, program: cloaca.DefaultRunner
) -> None:
    visit.expected = ["422"]
    run = program.submit("refund")
    page = visit.open("/inbox")
    card = page.get_by_role("form", name="Refund this order?")

    card.get_by_label("Amount").fill("30")
    card.get_by_label("Items").fill("headphones")
    card.get_by_text("Add a note").click()
    card.get_by_label("Note").fill("the box was open")
    card.get_by_role("button", name="Approve").click()
    expect(card).to_contain_text("Items must be JSON")
    expect(card.get_by_label("Items")).to_be_focused()
    expect(card.get_by_label("Items")).to_have_value("headphones")
    expect(card.get_by_label("Amount")).to_have_value("30")
    expect(card.get_by_label("Note")).to_have_value("the box was open")
    assert len(program.waiting_for_people()) == 1
    card.get_by_label("Items").fill('{"headphones": 1}')
    card.get_by_role("button", name="Approve").click()

    expect(page.locator("#inbox-done")).to_contain_text("approve")
    decided = run.result(PATIENCE).final_context["sign"]
    assert decided["data"] == {"amount": 30, "items": {"headphones": 1}, "places": []}
    assert (decided["by"], decided["note"]) == ("ann", "the box was open")


def test_a_list_is_filled_in_row_by_row(visit: Visit, program: cloaca.DefaultRunner) -> None:
    run = program.submit("refund")
    page = visit.open("/inbox")
    card = page.get_by_role("form", name="Refund this order?")

    card.get_by_label("Amount").fill("30")
    card.get_by_label("Items").fill("{}")
    card.get_by_label("Places 1", exact=True).locator("input").fill("Oslo")
    card.get_by_role("button", name="Add a row to Places").click()
    card.get_by_label("Places 2", exact=True).locator("input").fill("Bergen")
    card.get_by_role("button", name="Remove Places 1").click()
    expect(card.get_by_label("Amount")).to_have_value("30")
    card.get_by_role("button", name="Approve").click()

    expect(page.locator("#inbox-done")).to_contain_text("approve")
    decided = run.result(PATIENCE).final_context["sign"]
    assert decided["data"] == {"amount": 30, "items": {}, "places": ["Bergen"]}


def test_data_of_a_decision_beside_its_task_are_told_and_stay_too(
    visit: Visit, program: cloaca.DefaultRunner
) -> None:
    visit.expected = ["422"]
    run = program.submit("refund")
    page = visit.open(f"/runs/{run.id}")
    form = page.locator("#approve")

    form.get_by_label("Amount").fill("30")
    form.get_by_label("Items").fill("headphones")
    form.get_by_label("Note").fill("the box was open")
    form.get_by_role("button", name="Approve").click()
    expect(form).to_contain_text("Items must be JSON")
    expect(form.get_by_label("Amount")).to_have_value("30")
    expect(form.get_by_label("Note")).to_have_value("the box was open")
    assert len(program.waiting_for_people()) == 1
    form.get_by_label("Items").fill('{"headphones": 1}')
    form.get_by_role("button", name="Approve").click()

    expect(page.locator("#run-head .state-pill")).to_have_text("Completed")
    decided = run.result(PATIENCE).final_context["sign"]
    assert decided["data"] == {"amount": 30, "items": {"headphones": 1}, "places": []}
    assert last_act(program) == ("approve", "ann")


# -- runs that a failure has paused ---------------------------------------------------------------


@pytest.fixture
def stopped(program: cloaca.DefaultRunner) -> cloaca.RunHandle:
    """A run of ``order`` whose terminal is off."""
    return program.submit("order", {"terminal": 3})


def card_of(page: Page, run: cloaca.RunHandle) -> Locator:
    """The card of such a run, which comes by itself."""
    card = page.locator(f"#stopped-{run.id}")
    expect(card).to_contain_text("charge used up its 1 attempt")
    expect(card).to_contain_text("terminal 3 does not answer")
    return card


def test_a_run_that_a_failure_has_paused_goes_on_with_other_keys(
    visit: Visit, program: cloaca.DefaultRunner, stopped: cloaca.RunHandle
) -> None:
    page = visit.open("/inbox")
    card = card_of(page, stopped)
    expect(card).to_contain_text("runs the 1 task after it")

    card.get_by_text("Change what the next tasks see").click()
    card.get_by_label("Keys to replace").fill('{"terminal": 4}')
    card.get_by_role("button", name="Resume").click()

    expect(page.locator("#inbox-done")).to_contain_text("order: resumed. Recorded as ann")
    expect(page.locator("#inbox-open")).to_contain_text("Nothing waits for you")
    expect(page.locator("#decided-list li")).to_contain_text("ann: resumed")
    assert stopped.result(PATIENCE).final_context["paid"] is True
    assert last_act(program) == ("resume", "ann")


def test_keys_that_are_no_object_are_told_and_stay(visit: Visit, stopped: cloaca.RunHandle) -> None:
    visit.expected = ["422"]
    page = visit.open("/inbox")
    card = card_of(page, stopped)
    keys = card.get_by_label("Keys to replace")

    card.get_by_text("Change what the next tasks see").click()
    keys.fill("[4]")
    card.get_by_role("button", name="Resume").click()

    expect(card).to_contain_text("the context must be a JSON object")
    expect(keys).to_be_visible()
    expect(keys).to_have_value("[4]")
    assert stopped.status() == "Paused"


def test_a_run_that_a_failure_has_paused_is_cancelled_after_a_question(
    visit: Visit, program: cloaca.DefaultRunner, stopped: cloaca.RunHandle
) -> None:
    page = visit.open("/inbox")
    card = card_of(page, stopped)
    question = page.get_by_role("dialog", name="Cancel order?")

    card.get_by_role("link", name="Cancel run").click()
    question.get_by_role("link", name="Keep").click()
    expect(question).to_be_hidden()
    expect(card).to_be_visible()
    assert stopped.status() == "Paused"
    card.get_by_role("link", name="Cancel run").click()
    question.get_by_label("Reason").fill("sold out")
    question.get_by_role("button", name="Cancel the run").click()

    expect(page.locator("#inbox-done")).to_contain_text("order: cancelled, sold out.")
    expect(page.locator("#inbox-open")).to_contain_text("Nothing waits for you")
    assert stopped.status() == "Cancelled"
    assert last_act(program) == ("cancel", "ann")
    assert [each.reason for each in program.actions(limit=1)] == ["sold out"]


def test_without_scripts_the_question_leads_back_to_the_inbox(
    visit: Visit, stopped: cloaca.RunHandle
) -> None:
    page = visit.open("/inbox")
    card_of(page, stopped)
    page = visit.open("/inbox", java_script_enabled=False)
    cancel = card_of(page, stopped).get_by_role("link", name="Cancel run")

    cancel.click()
    page.get_by_role("link", name="Keep").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Inbox")
    cancel.click()
    page.get_by_role("button", name="Cancel the run").click()

    expect(page.locator("#inbox-done")).to_contain_text("order: cancelled.")
    assert stopped.status() == "Cancelled"
