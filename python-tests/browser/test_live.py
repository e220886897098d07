"""An open page follows the program, and costs nothing while nobody looks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

import cloaca
from browser.looking import PHONE, Visit
from browser.serving import Served, served

HIDDEN = """(hidden) => {
  Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
  Object.defineProperty(document, "visibilityState",
    {value: hidden ? "hidden" : "visible", configurable: true});
  document.dispatchEvent(new Event("visibilitychange"));
}"""
"""What a browser does when another tab covers a page."""
CHANGES = """(element) => {
  window.changes = 0;
  new MutationObserver((found) => { window.changes += found.length; })
    .observe(element, {childList: true, characterData: true, subtree: true});
}"""
"""Counts the changes of a live region, each of which is read aloud."""


@pytest.fixture(autouse=True)
def order(registry: cloaca.Registry) -> None:
    """The workflow ``order``, which waits for its payment."""
    with cloaca.WorkflowBuilder("order", registry=registry):
        cloaca.wait_for("paid", "paid")


@pytest.fixture
def runs(visit: Visit) -> Page:
    """The list of runs, which is told of changes by now."""
    return visit.open_live("/runs")


@pytest.mark.each_backend
def test_a_new_run_and_each_of_its_changes_show_without_a_reload(
    runs: Page, program: cloaca.DefaultRunner
) -> None:
    runs.evaluate("window.isTheSame = true")

    run = program.submit("order", tags={"shop": "no"})
    row = runs.locator(f"#r-{run.id}")
    expect(row).to_contain_text("Waiting")
    program.cancel(run.id)
    expect(row).to_contain_text("Cancelled")

    assert runs.evaluate("window.isTheSame")


def test_rows_stay_where_they_are_and_new_ones_wait_behind_a_link(
    runs: Page, program: cloaca.DefaultRunner
) -> None:
    shown = program.submit("order")
    link = runs.locator(f"#r-{shown.id} a").first
    link.focus()

    new = program.submit("order")

    expect(runs.locator("#runs-new")).to_have_text("1 new")
    expect(link).to_be_focused()
    expect(runs.locator("[data-row]")).to_have_count(1)
    runs.locator("#runs-new").click()
    expect(runs.locator(f"#r-{new.id}")).to_be_visible()


def test_what_somebody_writes_and_picks_stays(runs: Page, program: cloaca.DefaultRunner) -> None:
    shown = program.submit("order")
    row = runs.locator(f"#r-{shown.id}")
    row.get_by_role("checkbox").check()
    said = runs.get_by_role("status").get_by_text("1 selected")
    expect(said).to_be_visible()
    said.evaluate(CHANGES)
    field = runs.get_by_label("Filter runs")
    field.fill("status:fai")

    program.cancel(shown.id)

    expect(row).to_contain_text("Cancelled")
    expect(row.get_by_role("checkbox")).to_be_checked()
    expect(field).to_be_focused()
    expect(field).to_have_value("status:fai")
    assert runs.evaluate("window.changes") == 0  # it is not read aloud again


def test_details_stay_as_somebody_left_them(visit: Visit, program: cloaca.DefaultRunner) -> None:
    run = program.submit("order", tags={"shop": "no"})
    page = visit.open_live(f"/runs/{run.id}")
    fold = page.locator("#pane-send")
    expect(fold).to_have_attribute("open", "")
    fold.locator("summary").click()

    program.pause(run.id)

    expect(page.locator("#run-head").get_by_role("status")).to_have_text("Paused")
    expect(fold).not_to_have_attribute("open", "")


def test_a_hidden_tab_is_told_nothing_and_catches_up(
    runs: Page, program: cloaca.DefaultRunner, program_page: Served
) -> None:
    runs.evaluate(HIDDEN, True)
    program_page.wait_for_streams(0)
    run = program.submit("order")

    runs.evaluate(HIDDEN, False)

    expect(runs.locator(f"#r-{run.id}")).to_be_visible()
    program_page.wait_for_streams(1)


def test_a_page_that_opens_out_of_sight_listens_when_it_is_seen(
    visit: Visit, program: cloaca.DefaultRunner, program_page: Served
) -> None:
    page = visit.open()
    page.add_init_script(f"({HIDDEN})(true)")
    page.goto("/runs")
    page.wait_for_load_state("networkidle")
    program_page.wait_for_streams(0)
    run = program.submit("order")

    page.evaluate(HIDDEN, False)

    expect(page.locator(f"#r-{run.id}")).to_be_visible()
    program_page.wait_for_streams(1)


def test_a_page_that_is_closed_leaves_no_stream(runs: Page, program_page: Served) -> None:
    runs.close()
    program_page.wait_for_streams(0)


def test_a_browser_that_comes_for_the_first_time_gets_its_own_time_zone(
    visit: Visit, program: cloaca.DefaultRunner
) -> None:
    run = program.submit("order")
    page = visit.open(zone="Asia/Tokyo")
    page.context.clear_cookies()

    page.goto("/runs")

    expect(page.locator(f"#r-{run.id} time").first).to_have_attribute("title", re.compile("JST"))
    expect(page.get_by_text("Times are in")).to_have_count(0)


def test_a_page_that_never_refreshes_has_the_times_of_the_browser_as_well(visit: Visit) -> None:
    page = visit.open(zone="Asia/Tokyo")
    page.context.clear_cookies()

    page.goto("/schedules/new?cron=0+2+*+*+*")

    expect(page.locator("#zones option").last).to_have_attribute("value", "Asia/Tokyo")
    expect(page.get_by_label("Cron expression")).to_be_visible()


def test_a_browser_that_keeps_no_cookie_has_its_time_zone_in_the_address(
    visit: Visit, program: cloaca.DefaultRunner
) -> None:
    run = program.submit("order")
    page = visit.open(zone="Asia/Tokyo")
    page.context.clear_cookies()
    page.add_init_script(
        "Object.defineProperty(document, 'cookie', {get: () => '', set: () => undefined})"
    )

    page.goto("/runs")

    expect(page.locator(f"#r-{run.id} time").first).to_have_attribute("title", re.compile("JST"))
    expect(page).to_have_url(re.compile("clock=Asia%2FTokyo"))


def test_a_browser_without_scripts_is_told_the_zone_of_the_times(
    visit: Visit, program: cloaca.DefaultRunner
) -> None:
    page = visit.open(zone="Asia/Tokyo", java_script_enabled=False)
    page.context.clear_cookies()

    page.goto("/runs")

    expect(page.get_by_text("Times are in")).to_be_visible()


def test_a_page_that_is_one_too_many_says_so_and_is_live_once_another_closes(
    chromium: Browser, program: cloaca.DefaultRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloaca_tools.ui.site.places.STREAMS", 1)
    with served(program) as page:
        visit = Visit(chromium, page.address)
        first = visit.open_live("/runs")
        second = visit.open("/runs")
        expect(second.locator("#live-state")).to_have_text("Many pages are open, trying again")

        first.close()

        expect(second.locator("#live-state")).to_have_text("Live")
        visit.close()


LOST = re.compile(r"^Not connected since \d\d:\d\d\. What you see is of then\.$")


def test_an_open_page_keeps_what_it_shows_when_the_program_stops_and_goes_on_with_it(
    chromium: Browser, program: cloaca.DefaultRunner
) -> None:
    run = program.submit("order")
    with served(program) as first:
        visit = Visit(chromium, first.address)
        page = visit.open_live("/runs")
        page.set_viewport_size({"width": PHONE, "height": 800})
        row, state = page.locator(f"#r-{run.id}"), page.locator("#live-state").get_by_text("Live")
        expect(state).to_be_visible()
        expect(row).to_contain_text("Waiting")

    expect(page.get_by_role("status").get_by_text(LOST)).to_be_visible()
    expect(page.get_by_role("heading", name="Runs", exact=True)).to_be_visible()
    expect(row).to_contain_text("Waiting")

    with served(program, port=first.port):
        expect(state).to_be_visible()
        expect(page.locator("#lost p")).to_be_hidden()
        program.cancel(run.id)
        expect(row).to_contain_text("Cancelled")
        visit.close()


@pytest.mark.backend("sqlite", reason="the database is a file, which is moved away")
def test_an_open_page_keeps_what_it_shows_when_the_database_does_not_answer(
    chromium: Browser, tmp_path: Path
) -> None:
    place = tmp_path / "orders.db"
    with (
        cloaca.Client(f"sqlite://{place}?mode=rwc", registry=cloaca.Registry()) as client,
        served(client) as program,
    ):
        visit = Visit(chromium, program.address)
        page = visit.open_live("/runs")

        place.rename(tmp_path / "elsewhere.db")
        page.evaluate("htmx.trigger('#live', 'changed')")

        expect(page.get_by_role("status").get_by_text(LOST)).to_be_visible()
        expect(page.get_by_role("heading", name="Runs", exact=True)).to_be_visible()
        page.reload()
        expect(page.get_by_role("heading", name="The database is gone")).to_be_visible()
        expect(page.locator("#live-state")).to_have_text("Not connected")
        (tmp_path / "elsewhere.db").rename(place)
        expect(page.get_by_role("heading", name="Runs", exact=True)).to_be_visible()
        expect(page.locator("#live-state").get_by_text("Live")).to_be_visible()
        visit.close()
