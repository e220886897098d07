"""Each act by its form: what it changes, and who stands in the log of actions."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, Route, expect

import cloaca
from browser.acting import last_act
from browser.looking import PHONE, Visit
from browser.serving import PATIENCE, served


class ShopError(Exception):
    """A shop refuses a price."""


@pytest.fixture(autouse=True)
def price_list(registry: cloaca.Registry) -> None:
    """The workflow ``price_list``: fetch, publish, which fails unless ``good``, and tell."""
    with cloaca.WorkflowBuilder("price_list", registry=registry):

        @cloaca.task
        def fetch(context: cloaca.Context) -> None:
            context.set("feeds", 6)

        @cloaca.task(dependencies=[fetch], retry_attempts=1)
        def publish(context: cloaca.Context) -> None:
            if not context.get("good"):
                raise ShopError("422 price is below cost")

        @cloaca.task(dependencies=[publish])
        def tell(context: cloaca.Context) -> None:
            context.set("told", True)


@pytest.fixture(autouse=True)
def waiting_ones(registry: cloaca.Registry) -> None:
    """``order`` waits for its payment, ``mail`` for a person."""
    with cloaca.WorkflowBuilder("order", registry=registry):
        cloaca.wait_for("paid", "paid")
    with cloaca.WorkflowBuilder("mail", registry=registry):
        cloaca.approval("send_it", "Send this answer?", choices=["send", "reject"])


@pytest.fixture
def failed(program: cloaca.DefaultRunner) -> cloaca.RunHandle:
    """A run of ``price_list`` that has failed."""
    run = program.submit("price_list")
    run.wait(PATIENCE)
    return run


def head(page: Page, state: str) -> None:
    """Wait until the head of the run says so."""
    expect(page.locator("#run-head .state-pill")).to_have_text(state)


def in_round(page: Page, number: int) -> None:
    """Wait until the head of the run says so."""
    expect(page.locator("#run-facts")).to_contain_text(re.compile(rf"Round\s*{number}"))


# -- a run ---------------------------------------------------------------------------------------


def test_a_retry_shows_its_plan_first_and_runs_what_that_says(
    visit: Visit, program: cloaca.DefaultRunner, failed: cloaca.RunHandle
) -> None:
    page = visit.open(f"/runs/{failed.id}")

    page.locator("#act-retry").click()
    plan = page.get_by_role("dialog")
    expect(plan.locator("#plan-act")).to_have_text("Run 2, keep 1")
    plan.get_by_label("Reason").fill("once more")
    plan.locator("#plan-act").click()

    in_round(page, 2)
    head(page, "Failed")
    assert last_act(program) == ("retry", "ann")
    assert [each.reason for each in program.actions(limit=1)] == ["once more"]


def test_a_fork_begins_where_the_form_says_and_leads_to_the_new_run(
    visit: Visit, program: cloaca.DefaultRunner, failed: cloaca.RunHandle
) -> None:
    page = visit.open(f"/runs/{failed.id}")

    page.locator("#act-fork").click()
    plan = page.get_by_role("dialog")
    plan.get_by_label("From").select_option("publish")
    expect(plan.get_by_role("group", name="Input of publish").get_by_label("Feeds")).to_have_value(
        "6"
    )
    plan.get_by_text("Add other keys").click()
    plan.get_by_label("Other keys").fill('{"good": true}')
    expect(plan.locator("#fork-change .add")).to_have_text('+"good": true')
    expect(plan.locator("#plan-command code")).to_contain_text("-P good:=true")
    plan.locator("#plan-act").click()

    head(page, "Completed")
    expect(page.locator("#run-facts")).to_contain_text("Fork of")
    assert failed.id not in page.url
    assert last_act(program) == ("fork", "ann")


def test_what_is_typed_and_chosen_while_a_plan_is_made_anew_stays(
    visit: Visit, program: cloaca.DefaultRunner, failed: cloaca.RunHandle
) -> None:
    page = visit.open(f"/runs/{failed.id}")
    page.locator("#act-fork").click()
    plan = page.get_by_role("dialog")
    plan.get_by_role("button", name="JSON").click()
    task, keys = plan.get_by_label("From"), plan.get_by_label("JSON object")
    expect(keys).to_be_visible()
    asked: list[Route] = []
    page.route(re.compile("/fork/change$"), lambda route: asked.append(route), times=1)

    with page.expect_request(re.compile("/fork/change$")):
        task.select_option("tell")
    for other in ("publish", "fetch"):  # the plan of the last one was not shown before
        task.select_option(other)
    keys.fill('{"good": true}')
    asked[0].continue_()

    expect(plan.locator("#plan-act")).to_have_text("Fork, run 3, keep 0")
    expect(task).to_have_value("fetch")
    expect(plan.get_by_role("group", name="Input of fetch")).to_be_visible()
    expect(keys).to_have_value('{\n  "good": true\n}')
    expect(keys).to_be_focused()
    plan.locator("#plan-act").click()
    head(page, "Completed")


def test_a_run_is_paused_goes_on_and_is_cancelled(
    visit: Visit, program: cloaca.DefaultRunner
) -> None:
    run = program.submit("order")
    page = visit.open(f"/runs/{run.id}")

    page.locator("#act-pause").click()
    head(page, "Paused")
    page.locator("#act-resume").click()
    head(page, "Waiting")
    page.locator("#act-cancel").click()
    page.get_by_role("dialog").locator("#plan-act").click()
    head(page, "Cancelled")

    assert [each.kind for each in reversed(program.actions())] == ["pause", "resume", "cancel"]
    assert {each.by for each in program.actions()} == {"ann"}


def test_an_event_is_sent(visit: Visit, program: cloaca.DefaultRunner) -> None:
    run = program.submit("order")
    page = visit.open(f"/runs/{run.id}")

    page.locator("#send-payload").fill('{"amount": 30}')
    page.locator("#send").get_by_role("button", name="Send").click()

    head(page, "Completed")
    assert run.result().final_context["paid"] == {"amount": 30}


def test_an_approval_is_decided(visit: Visit, program: cloaca.DefaultRunner) -> None:
    run = program.submit("mail")
    page = visit.open(f"/runs/{run.id}")

    page.locator("#approve").get_by_label("Note").fill("well written")
    page.locator("#approve").get_by_role("button", name="Send").click()

    head(page, "Completed")
    decision = run.result().final_context["send_it"]
    assert (decision["choice"], decision["by"], decision["note"]) == ("send", "ann", "well written")


def test_acts_that_cannot_apply_keep_their_place_and_say_why(
    visit: Visit, failed: cloaca.RunHandle
) -> None:
    page = visit.open(f"/runs/{failed.id}")

    for name in "pause", "cancel":
        act = page.locator(f"#act-{name}")
        expect(act).to_have_attribute("aria-disabled", "true")
        expect(act).to_have_attribute("title", re.compile("."))
        act.click(force=True)

    head(page, "Failed")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_on_a_phone_acts_that_cannot_apply_are_not_there(
    visit: Visit, failed: cloaca.RunHandle
) -> None:
    page = visit.open(f"/runs/{failed.id}", width=PHONE)

    expect(page.locator("#act-retry")).to_be_visible()
    for name in "pause", "cancel":
        expect(page.locator(f"#act-{name}")).to_be_hidden()


def test_on_a_phone_the_acts_on_a_waiting_run_are_one_row(
    visit: Visit, program: cloaca.DefaultRunner
) -> None:
    page = visit.open(f"/runs/{program.submit('order').id}", width=PHONE)
    names = "act-fork", "act-again", "act-pause", "act-cancel", "act-export"
    places = [page.locator(f"#{name}").bounding_box() for name in names]

    assert len({place["y"] for place in places if place}) == 1
    assert all(place and place["x"] + place["width"] <= PHONE for place in places)


def test_a_plan_as_a_page_begins_at_its_top(visit: Visit, failed: cloaca.RunHandle) -> None:
    page = visit.open(f"/runs/{failed.id}/fork", width=PHONE)
    page.locator("#plan-act").wait_for()

    assert page.evaluate("scrollY") == 0
    expect(page.locator("#plan-act")).not_to_be_focused()


def test_the_keys_r_and_c_ask_before_they_act(
    visit: Visit, program: cloaca.DefaultRunner, failed: cloaca.RunHandle
) -> None:
    waiting = program.submit("order")
    page = visit.open(f"/runs/{failed.id}")
    page.keyboard.press("r")
    expect(page.get_by_role("dialog").locator("#plan-act")).to_be_focused()
    page.keyboard.press("Enter")
    in_round(page, 2)

    page.goto(f"/runs/{waiting.id}")
    page.keyboard.press("c")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    head(page, "Waiting")


# -- without scripts -----------------------------------------------------------------------------


def test_acts_work_without_scripts(
    visit: Visit, program: cloaca.DefaultRunner, failed: cloaca.RunHandle
) -> None:
    waiting = program.submit("order")
    page = visit.open(f"/runs/{failed.id}", java_script_enabled=False)

    page.locator("#act-retry").click()
    page.locator("#plan-act").click()
    in_round(page, 2)
    page.goto(f"/runs/{waiting.id}")
    page.locator("#act-pause").click()
    head(page, "Paused")

    assert [each.kind for each in program.actions()] == ["pause", "retry"]


# -- many runs -----------------------------------------------------------------------------------


@pytest.mark.each_backend
def test_many_runs_are_cancelled_after_their_plan(
    visit: Visit, program: cloaca.DefaultRunner
) -> None:
    runs = program.submit_many("order", [{}] * 3)
    page = visit.open("/runs")

    page.get_by_label("Select this page").check()
    page.get_by_role("button", name="Cancel 3").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Cancel 3 runs?")
    page.locator("#bulk-form").get_by_role("button").click()

    done = page.locator("#runs-done")
    expect(done).to_have_text("3 runs are cancelled.")
    for run in runs:
        expect(page.locator(f"#r-{run.id}")).to_contain_text("Cancelled")
    assert last_act(program) == ("cancel", "ann")
    runs[0].retry()
    expect(page.locator(f"#r-{runs[0].id}")).not_to_contain_text("Cancelled")
    expect(done).to_be_visible()  # told of a change, it says so still


def test_many_runs_are_paused_and_resumed(visit: Visit, program: cloaca.DefaultRunner) -> None:
    runs = program.submit_many("order", [{}] * 2)
    page = visit.open("/runs")

    for verb, done in ("Pause", "2 runs are paused."), ("Resume", "2 runs are resumed."):
        page.get_by_label("Select this page").check()
        page.get_by_role("button", name=f"{verb} 2").click()
        page.locator("#bulk-form").get_by_role("button", name=verb).click()
        expect(page.locator("#runs-done")).to_have_text(done)
        assert last_act(program) == (verb.lower(), "ann")

    assert "Paused" not in {run.status() for run in runs}


def test_many_runs_begin_again_with_a_reason(
    visit: Visit, program: cloaca.DefaultRunner, failed: cloaca.RunHandle
) -> None:
    program.execute("price_list", {"good": True})
    page = visit.open("/runs?q=status:failed")

    page.get_by_label("Select this page").check()
    page.get_by_role("button", name="Retry 1").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Retry 1 run?")
    page.get_by_label("Reason").fill("the list is mended")
    page.locator("#bulk-form").get_by_role("button", name="Retry").click()

    expect(page.locator("#runs-done")).to_have_text("1 run is begun again.")
    assert [each.reason for each in program.actions()] == ["the list is mended"]
    assert failed.info().round == 2


# -- a workflow ----------------------------------------------------------------------------------


def test_a_run_is_started(visit: Visit, program: cloaca.DefaultRunner) -> None:
    program.execute("price_list", {"good": True, "shops": ["no"]})
    page = visit.open("/workflow?name=price_list")

    page.get_by_role("link", name="Start a run").click()
    expect(page.get_by_role("checkbox", name="Good")).to_be_checked()
    page.get_by_role("button", name="Add a row to Shops").click()
    expect(page.get_by_role("textbox", name="Shops 3")).to_be_focused()
    page.get_by_role("textbox", name="Shops 3").fill("se")
    page.keyboard.press("Enter")

    head(page, "Completed")
    assert program.count_runs() == 2
    page.get_by_role("link", name="Start again").click()
    expect(page.get_by_role("textbox", name="Shops 2")).to_have_value("se")
    page.get_by_role("button", name="JSON").click()
    expect(page.get_by_label("JSON object")).to_have_value(re.compile(r'"good": true,\s+"shops"'))


def test_a_context_that_is_no_object_is_told_and_stays(
    visit: Visit, program: cloaca.DefaultRunner
) -> None:
    visit.expected = ["422"]
    page = visit.open("/runs")
    page.locator(".page-head").get_by_role("link", name="Start a run").click()
    page.get_by_role("link", name="price_list").click()
    context = page.get_by_label("JSON object")

    context.fill("[1]")
    page.get_by_role("button", name="Start run").click()
    expect(page.get_by_role("alert")).to_contain_text("must be a JSON object")
    expect(context).to_have_value("[1]")
    assert program.count_runs() == 0
    context.fill('{"good": true}')
    page.get_by_role("button", name="Start run").click()

    head(page, "Completed")


def test_a_workflow_is_paused_and_goes_on(visit: Visit, program: cloaca.DefaultRunner) -> None:
    program.execute("price_list", {"good": True})
    page = visit.open("/workflow?name=price_list")

    page.get_by_role("link", name="Pause workflow").click()
    page.get_by_role("dialog").get_by_label("Reason").fill("the list is being cleaned")
    page.get_by_role("dialog").get_by_role("button", name="Pause").click()
    expect(page.locator("#workflow-head")).to_contain_text("Paused")
    assert [each.reason for each in program.actions()] == ["the list is being cleaned"]
    page.get_by_role("button", name="Resume workflow").click()
    expect(page.get_by_role("link", name="Pause workflow")).to_be_visible()

    assert [each.kind for each in program.actions()] == ["resume", "pause"]


# -- runners ---------------------------------------------------------------------------------------


def test_a_runner_is_asked_to_leave(
    visit: Visit, program: cloaca.DefaultRunner, database_url: str
) -> None:
    with cloaca.DefaultRunner(database_url, registry=cloaca.Registry()):
        runners = cloaca.Observer(program).overview().wait().runners
        (other,) = [each.id for each in runners if not each.is_here]
        page = visit.open("/runners")

        page.locator(f"#runner-{other}").get_by_role("link", name="Drain").click()
        page.get_by_role("dialog").get_by_role("button", name="Drain runner").click()

        expect(page.locator("#runners-drained, #runners-left")).to_be_visible()


# -- the log of actions --------------------------------------------------------------------------


def test_the_log_of_actions_says_who_did_what_and_is_narrowed(
    visit: Visit, program: cloaca.DefaultRunner
) -> None:
    run = program.submit("order")
    program.pause(run.id, reason="the stock is counted", by="bob")
    page = visit.open(f"/runs/{run.id}")
    page.locator("#act-resume").click()
    expect(page.locator("#act-pause")).to_be_visible()

    page.goto("/actions")
    rows = page.locator("#actions-list [data-row]")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("ann")
    expect(rows.first).to_contain_text("resumed")
    page.locator("#actions-people").get_by_role("link", name="bob").click()

    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("the stock is counted")
    page.locator("#actions-kinds").get_by_role("link", name="resumed").click()
    expect(page.locator("#actions-list")).to_contain_text("No such action")
    page.locator("#actions-list").get_by_role("link", name="All actions").click()
    expect(rows).to_have_count(2)


# -- who may look only ---------------------------------------------------------------------------


def test_a_visitor_who_looks_only_sees_no_act(
    chromium: Browser, program: cloaca.DefaultRunner, failed: cloaca.RunHandle
) -> None:
    with served(program, auth=lambda _: cloaca.Visitor("view", "bob")) as page_of_bob:
        visit = Visit(chromium, page_of_bob.address)
        for path in f"/runs/{failed.id}", "/runs", "/workflow?name=price_list":
            page = visit.open(path)
            expect(page.get_by_role("heading", level=1)).to_be_visible()
            assert page.locator("form[method=post]").count() == 0
        visit.close()
        assert visit.faults == []
