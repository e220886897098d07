"""Acts on schedules and triggers by their forms."""

from __future__ import annotations

import threading

import pytest
from playwright.sync_api import Locator, Page, expect

import cloaca
from browser.looking import Visit
from browser.serving import PATIENCE


@pytest.fixture(autouse=True)
def price_list(registry: cloaca.Registry) -> None:
    """The workflow ``price_list``."""
    with cloaca.WorkflowBuilder("price_list", registry=registry):
        cloaca.task(id="publish")(lambda context: None)


@pytest.fixture
def nightly(program: cloaca.DefaultRunner) -> str:
    """The id of the schedule ``every night``."""
    return program.schedule("every night", "price_list", "0 2 * * *", "UTC")


def add_form(page: Page, cron: str) -> Locator:
    """The form of a new schedule of ``price_list``, filled in up to its button."""
    form = page.locator("#schedule-form")
    form.get_by_label("Name").fill("early")
    form.get_by_label("Workflow").select_option(label="price_list")
    form.get_by_label("Cron expression").fill(cron)
    form.get_by_label("Time zone").fill("Europe/Oslo")
    return form


# -- new ones and their times --------------------------------------------------------------------


def test_a_schedule_is_added_once_its_times_are_explained(
    visit: Visit, program: cloaca.DefaultRunner
) -> None:
    page = visit.open("/schedules")
    page.locator(".page-head").get_by_role("link", name="Add a schedule").click()
    form = add_form(page, "30 2 * * *")

    expect(page.locator("#explanation")).to_contain_text("02:30 every day in Europe/Oslo")
    expect(page.locator("#explanation li").first).to_contain_text("02:30")
    assert program.list_cron_schedules() == []
    form.get_by_role("button", name="Add schedule").click()

    expect(page.locator("#schedule-said")).to_contain_text("The schedule is there")
    expect(page.get_by_role("heading", level=1)).to_have_text("early")
    (made,) = program.list_cron_schedules()
    assert (made["name"], made["workflow_name"]) == ("early", "price_list")
    assert (made["cron_expression"], made["timezone"]) == ("30 2 * * *", "Europe/Oslo")


def test_wrong_times_are_told_and_what_was_typed_stays(
    visit: Visit, program: cloaca.DefaultRunner
) -> None:
    visit.expected = ["422"]
    page = visit.open("/schedules/new")
    form = add_form(page, "61 2 * * *")
    form.get_by_label("Context of its runs").fill('{"shop": "no"}')

    expect(page.locator("#explanation-wrong")).to_contain_text("'61' in the minute field")
    form.get_by_role("button", name="Add schedule").click()

    expect(page.get_by_role("alert")).to_have_text("Nothing was saved: its times are wrong.")
    expect(page.locator("#explanation-wrong")).to_contain_text("'61' in the minute field")
    expect(form.get_by_label("Name")).to_have_value("early")
    expect(form.get_by_label("Workflow").locator("option:checked")).to_have_text("price_list")
    expect(form.get_by_label("Cron expression")).to_have_value("61 2 * * *")
    expect(form.get_by_label("Time zone")).to_have_value("Europe/Oslo")
    expect(form.get_by_label("Context of its runs")).to_have_value('{"shop": "no"}')
    assert program.list_cron_schedules() == []
    form.get_by_label("Cron expression").fill("1 2 * * *")
    form.get_by_role("button", name="Add schedule").click()
    expect(page.locator("#schedule-said")).to_be_visible()


def test_a_name_that_is_taken_is_refused_and_the_other_schedule_stays(
    visit: Visit, program: cloaca.DefaultRunner, nightly: str
) -> None:
    visit.expected = ["422"]
    page = visit.open("/schedules/new")
    form = add_form(page, "30 4 * * *")
    form.get_by_label("Name").fill("every night")

    form.get_by_role("button", name="Add schedule").click()

    expect(page.get_by_role("alert")).to_contain_text("There is a schedule 'every night' already")
    expect(form.get_by_label("Cron expression")).to_have_value("30 4 * * *")
    assert program.get_cron_schedule(nightly)["cron_expression"] == "0 2 * * *"


def test_the_settings_of_a_schedule_change(
    visit: Visit, program: cloaca.DefaultRunner, nightly: str
) -> None:
    visit.expected = ["422"]
    page = visit.open(f"/schedules/{nightly}")
    page.get_by_role("link", name="Change…").click()
    cron = page.get_by_label("Cron expression")
    expect(cron).to_have_value("0 2 * * *")

    cron.fill("0 0 31 2 *")
    expect(page.locator("#explanation-wrong")).to_contain_text("days that never come")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("its times are wrong")
    expect(cron).to_have_value("0 0 31 2 *")
    cron.fill("5 * * * *")
    expect(page.locator("#explanation")).to_contain_text("5 past every hour in UTC")
    page.get_by_label("Queue").fill("slow")
    page.get_by_role("button", name="Save").click()

    expect(page.locator("#schedule-said")).to_contain_text("The schedule is changed")
    expect(page.locator("#schedule-settings")).to_contain_text("slow")
    expect(page.locator("#schedule-head")).to_contain_text("5 * * * *")
    assert program.get_cron_schedule(nightly)["cron_expression"] == "5 * * * *"


def test_a_schedule_is_explained_added_and_deleted_without_scripts(
    visit: Visit, program: cloaca.DefaultRunner
) -> None:
    page = visit.open("/schedules/new", java_script_enabled=False)
    form = add_form(page, "30 2 * * *")

    form.get_by_role("button", name="Explain").click()
    expect(page.locator("#explanation")).to_contain_text("02:30 every day in Europe/Oslo")
    expect(form.get_by_label("Name")).to_have_value("early")
    form.get_by_role("button", name="Add schedule").click()
    expect(page.locator("#schedule-said")).to_contain_text("The schedule is there")
    page.get_by_role("link", name="Delete").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Delete the schedule “early”?")
    assert len(program.list_cron_schedules()) == 1
    page.get_by_role("button", name="Delete schedule").click()

    expect(page.locator("#schedules-said")).to_contain_text("The schedule is deleted")
    assert program.list_cron_schedules() == []


# -- on, off, deleted ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "said"), [("/schedules", "off since"), ("/schedules/{id}", "It is off")]
)
def test_a_schedule_is_switched_off_and_on(
    visit: Visit, program: cloaca.DefaultRunner, nightly: str, path: str, said: str
) -> None:
    page = visit.open(path.format(id=nightly))
    switch = page.get_by_role("switch", name="every night")

    switch.click()
    expect(switch).to_have_attribute("aria-checked", "false")
    expect(page.locator("#page")).to_contain_text(said)
    assert not program.get_cron_schedule(nightly)["enabled"]
    switch.click()
    expect(switch).to_have_attribute("aria-checked", "true")

    assert program.get_cron_schedule(nightly)["enabled"]
    assert page.url.endswith(path.format(id=nightly))


def test_a_schedule_is_deleted_after_a_question(
    visit: Visit, program: cloaca.DefaultRunner, nightly: str
) -> None:
    page = visit.open(f"/schedules/{nightly}")
    question = page.get_by_role("dialog", name="Delete the schedule “every night”?")

    page.get_by_role("link", name="Delete").click()
    question.get_by_role("button", name="Keep").click()
    expect(question).to_be_hidden()
    assert [each["id"] for each in program.list_cron_schedules()] == [nightly]
    visit.expected.append("404")  # the page may hear that its schedule is gone before it is left
    page.get_by_role("link", name="Delete").click()
    question.get_by_role("button", name="Delete schedule").click()

    expect(page.locator("#schedules-said")).to_contain_text("The schedule is deleted")
    expect(page.locator("#schedules-list")).to_contain_text("No schedules yet")
    assert program.list_cron_schedules() == []


def test_a_schedule_is_run_now(visit: Visit, program: cloaca.DefaultRunner, nightly: str) -> None:
    page = visit.open(f"/schedules/{nightly}")

    page.get_by_role("button", name="Run now: every night").click()

    expect(page.locator("#run-head")).to_contain_text("Completed")
    expect(page.get_by_role("heading", level=1)).to_have_text("price_list")
    (tick,) = program.get_cron_execution_history(nightly)
    assert tick["workflow_execution_id"] in page.url


# -- past ticks ----------------------------------------------------------------------------------


@pytest.mark.each_backend
def test_past_ticks_get_their_runs_after_the_preview_and_only_once(
    visit: Visit, program: cloaca.DefaultRunner, nightly: str
) -> None:
    page = visit.open("/schedules")

    page.locator(f"#s-{nightly}").get_by_role("link", name="Back-fill").click()
    show(page)
    expect(page.locator("#backfill-count")).to_contain_text("0 have a run, 3 would be made")
    expect(page.locator("#backfill-calendar .make")).to_have_count(3)
    assert program.count_runs() == 0
    page.get_by_role("button", name="Make 3 runs").click()

    expect(page.locator("#schedule-made")).to_contain_text("3 runs made")
    assert program.count_runs() == 3
    page.get_by_role("link", name="Back-fill").click()
    show(page)
    expect(page.locator("#backfill-count")).to_contain_text("3 have a run, 0 would be made")
    expect(page.get_by_role("button", name="Make 0 runs")).to_be_disabled()


def show(page: Page) -> None:
    """Ask for the preview of three days."""
    page.get_by_label("From").fill("2026-03-02")
    page.get_by_label("To").fill("2026-03-04")
    page.get_by_role("button", name="Show").click()


# -- triggers ------------------------------------------------------------------------------------


@pytest.fixture
def new_prices(registry: cloaca.Registry, program: cloaca.DefaultRunner) -> str:
    """The name of a trigger, which has fired once."""
    fired, ran = threading.Event(), threading.Event()
    with cloaca.WorkflowBuilder("import", registry=registry):
        cloaca.task(id="read")(lambda context: ran.set())

    @cloaca.trigger(on="import", poll_interval="100ms", registry=registry)
    def new_prices() -> cloaca.TriggerResult:
        if fired.is_set():
            return cloaca.TriggerResult.skip()
        fired.set()
        return cloaca.TriggerResult.fire()

    assert ran.wait(PATIENCE)
    return "new_prices"


@pytest.mark.parametrize("path", ["/triggers", "/trigger?name=new_prices"])
def test_a_trigger_is_switched_off_and_on(
    visit: Visit, program: cloaca.DefaultRunner, new_prices: str, path: str
) -> None:
    page = visit.open(path)
    switch = page.get_by_role("switch", name=new_prices)

    switch.click()
    expect(switch).to_have_attribute("aria-checked", "false")
    expect(page.locator("#page")).to_contain_text("off since")
    assert not is_on(program, new_prices)
    switch.click()
    expect(switch).to_have_attribute("aria-checked", "true")

    assert is_on(program, new_prices)
    assert page.url.endswith(path)


def is_on(program: cloaca.DefaultRunner, name: str) -> bool:
    """Whether a trigger is polled."""
    trigger = program.get_trigger_schedule(name)
    assert trigger is not None
    return bool(trigger["enabled"])
