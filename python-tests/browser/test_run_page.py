"""The page of a run on paper, and one of more tasks than are sent at once."""

from __future__ import annotations

import re
import threading
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

import cloaca
from browser.barriers import barriers
from browser.looking import PHONE, RAIL, Look, Visit, cut_off, overflow, resize, settle
from browser.shop import Shop

VIEWS = pytest.mark.parametrize("view", ["timeline", "table"])


@pytest.mark.parametrize("view", ["timeline", "graph", "table"])
def test_on_paper_a_run_has_neither_navigation_nor_buttons(
    look: Look, shop: Shop, view: str
) -> None:
    page = look.open(f"/runs/{shop.failed}?view={view}")
    controls = page.locator("nav, button, .btn, #run-views, .skip").filter(visible=True)
    expect(controls).not_to_have_count(0)

    page.emulate_media(media="print")

    expect(controls).to_have_count(0)
    expect(page.get_by_role("heading", level=1)).to_have_text("price_list")
    expect(page.locator("#run-tasks")).to_contain_text("publish")
    expect(page.locator("#pane")).to_contain_text("PriceError")


@pytest.fixture
def large(program: cloaca.DefaultRunner, registry: cloaca.Registry) -> cloaca.RunHandle:
    """A run of 450 tasks, of which none has begun: two chunks and a part of one."""
    with cloaca.WorkflowBuilder("large", registry=registry):
        for number in range(450):

            @cloaca.task(id=f"t{number:03}")
            def body(context: dict[str, Any]) -> None: ...

    return program.submit("large", delay=3600)


@pytest.mark.each_backend
@VIEWS
def test_further_rows_of_a_run_come_as_one_scrolls_to_them(
    visit: Visit, large: cloaca.RunHandle, view: str
) -> None:
    page = visit.open_live(f"/runs/{large.id}?view={view}&open=all")
    expect(_row(page, 198)).to_be_attached()
    expect(_row(page, 200)).not_to_be_attached()

    for last in (198, 398):
        _row(page, last).scroll_into_view_if_needed()
        expect(_row(page, last + 2)).to_be_attached()

    _row(page, 449).scroll_into_view_if_needed()
    expect(_row(page, 449)).to_be_in_viewport()


@VIEWS
def test_the_heads_of_the_columns_stay_while_one_scrolls(
    visit: Visit, large: cloaca.RunHandle, view: str
) -> None:
    page = visit.open_live(f"/runs/{large.id}?view={view}&open=all")
    head = page.locator("#run-table th, #tl-axis").first
    tasks = page.locator("#run-tasks > .panel-head")

    _row(page, 150).scroll_into_view_if_needed()

    expect(head).to_be_in_viewport()
    above, below = tasks.bounding_box(), head.bounding_box()
    assert above is not None
    assert below is not None
    assert above["y"] <= 0
    assert below["y"] == above["y"] + above["height"]


def _row(page: Page, number: int) -> Locator:
    """The row of a task."""
    return page.locator(f'#run-tasks [data-task="t{number:03}"]')


@pytest.mark.each_backend
def test_logs_follow_a_run_to_its_end(
    visit: Visit, program: cloaca.DefaultRunner, registry: cloaca.Registry
) -> None:
    gate = threading.Event()
    with cloaca.WorkflowBuilder("talk", registry=registry):

        @cloaca.task
        def talks(context: dict[str, Any], handle: cloaca.TaskHandle) -> None:
            for number in range(200):
                handle.log(f"line {number}")
            assert gate.wait(60)
            handle.log("the last line")

    run = program.submit("talk")
    page = visit.open_live(f"/runs/{run.id}/logs")
    lines = page.locator("#log-box .m")
    expect(lines.last).to_have_text("line 199")
    expect(lines.last).to_be_in_viewport()

    gate.set()

    expect(lines.last).to_have_text("the last line")
    expect(lines.last).to_be_in_viewport()
    expect(page.locator("#run-head .state")).to_have_text("Completed")
    expect(page.locator("#log-next")).to_have_count(0)


@pytest.mark.parametrize("width", [PHONE, RAIL])
def test_where_the_pane_has_no_place_beside_the_tasks_a_tap_brings_it_as_a_sheet(
    look: Look, shop: Shop, width: int
) -> None:
    page = look.open(f"/runs/{shop.completed}", width=width)
    pane = page.locator("#pane")

    page.locator("#run-tasks [data-task=parse]").click()

    expect(pane.get_by_role("heading", name="parse")).to_be_in_viewport()
    expect(pane.get_by_text("parsed 6 feeds")).to_be_in_viewport()
    assert overflow(page) == []
    assert barriers(page) == []
    page.get_by_role("button", name="Close").click()
    expect(pane.get_by_role("heading", name="parse")).not_to_be_in_viewport()
    expect(page.locator("#run-tasks [data-task=parse]")).to_be_in_viewport()


def test_on_a_phone_a_failure_stands_above_the_tasks_and_all_of_it_in_the_sheet(
    look: Look, shop: Shop
) -> None:
    page = look.open(f"/runs/{shop.failed}", width=PHONE)
    error, tasks = page.locator("#pane-error"), page.locator("#run-tasks")
    above, below = error.bounding_box(), tasks.bounding_box()
    assert above is not None
    assert below is not None
    assert above["y"] < below["y"]
    assert page.evaluate("scrollY") == 0
    expect(page.locator("#pane-attempts")).to_be_hidden()

    page.get_by_role("button", name="Attempts, input and logs").click()

    expect(page.locator("#pane-attempts")).to_be_visible()
    expect(error).to_be_in_viewport()


def test_on_a_phone_a_run_that_waits_for_a_person_has_the_decision_at_hand(
    look: Look, shop: Shop
) -> None:
    page = look.open(f"/runs/{shop.asks}", width=PHONE)
    send = page.get_by_role("button", name="Send", exact=True)
    expect(send).not_to_be_in_viewport()

    page.get_by_role("button", name="Decide…").click()

    expect(send).to_be_in_viewport()


def test_beside_a_pane_an_error_in_the_table_has_the_room_of_other_columns(
    look: Look, shop: Shop
) -> None:
    page = look.open(f"/runs/{shop.failed}?view=table")
    row = page.locator("#run-tasks [data-task=publish]")

    expect(row.locator(".after")).to_be_hidden()
    error, name = row.locator(".err").bounding_box(), row.locator(".mid-cut").bounding_box()
    assert error is not None
    assert name is not None
    assert error["width"] > 250 > name["width"] > 30


def test_the_pane_becomes_the_page_and_narrow_again(look: Look, shop: Shop) -> None:
    page = look.open(f"/runs/{shop.failed}")

    page.get_by_role("link", name="Wide").click()
    expect(page.locator("#run-tasks")).to_be_hidden()
    expect(page).to_have_url(re.compile("wide=on"))
    assert barriers(page) == []

    page.get_by_role("link", name="Narrow").click()
    expect(page.locator("#run-tasks")).to_be_visible()


@VIEWS
def test_rows_that_are_far_away_leave_the_page_and_come_again(
    visit: Visit, large: cloaca.RunHandle, view: str
) -> None:
    page = visit.open_live(f"/runs/{large.id}?view={view}&only=pending&task=t440")
    expect(_row(page, 440)).to_be_in_viewport()
    expect(_row(page, 100)).not_to_be_attached()

    page.mouse.wheel(0, -20_000)

    expect(_row(page, 0)).to_be_in_viewport()


@pytest.fixture
def broken(program: cloaca.DefaultRunner, registry: cloaca.Registry) -> cloaca.RunHandle:
    """A run of 420 tasks of which two have failed, far below the first ones."""
    with cloaca.WorkflowBuilder("broken", registry=registry):
        before: list[str] = []
        for number in range(50):

            @cloaca.task(id=f"prepare_{number:03}", dependencies=before)
            def step(context: dict[str, Any]) -> None: ...

            before = [f"prepare_{number:03}"]
        for number in range(370):

            @cloaca.task(id=f"convert_file_{number:03}", dependencies=before, retry_attempts=1)
            def convert(context: dict[str, Any], number: int = number) -> None:
                if number in (207, 311):
                    raise ValueError("checksum differs")

    run = program.submit("broken")
    run.wait(60)
    return run


@pytest.mark.parametrize("view", ["timeline", "graph", "table"])
def test_a_large_run_opens_at_its_fault_and_fits(
    visit: Visit, broken: cloaca.RunHandle, view: str
) -> None:
    page = visit.open_live(f"/runs/{broken.id}?view={view}")

    fault = page.locator('#run-tasks [data-task="convert_file_207"]').filter(visible=True)
    expect(fault).to_have_attribute("aria-current", "true")
    expect(fault).to_be_in_viewport()
    assert barriers(page) == []
    for width in RAIL, PHONE:
        resize(page, width)
        settle(page)
        assert overflow(page) == []
        assert cut_off(page) == []
    assert barriers(page) == []


def test_tasks_are_found_as_one_types_and_filtered_by_state(
    visit: Visit, broken: cloaca.RunHandle
) -> None:
    page = visit.open_live(f"/runs/{broken.id}")
    rows = page.locator("#run-tasks [data-row]")
    expect(rows).to_have_count(52)  # the two that failed below the line of their fan-out

    page.keyboard.press("/")
    page.keyboard.type("FILE_20")
    expect(rows).to_have_count(10)
    page.locator("#run-counts").get_by_role("link", name="2 failed").click()
    expect(rows).to_have_count(1)
    expect(page).to_have_url(re.compile(r"only=failed&q=FILE_20$"))
    page.locator("#run-counts").get_by_role("link", name="420 tasks").click()
    expect(rows).to_have_count(52)
    expect(page.get_by_role("searchbox", name="Find a task")).to_have_value("")

    page.get_by_role("link", name=re.compile(r"370\s*tasks: 2 failed")).click()
    expect(page.locator('[data-task="convert_file_100"]')).to_be_attached()


def test_on_a_phone_the_items_of_a_map_change_within_the_sheet(
    visit: Visit, program: cloaca.DefaultRunner, registry: cloaca.Registry
) -> None:
    with cloaca.WorkflowBuilder("library", registry=registry):

        @cloaca.task(map="files", label="name", retry_attempts=1)
        def convert(context: dict[str, Any], item: dict[str, Any]) -> None:
            if item["page"] == 57:
                raise ValueError("page 57 is torn")

    run = program.submit("library", {"files": [{"name": f"p{n}", "page": n} for n in range(60)]})
    run.wait(60)
    page = visit.open(f"/runs/{run.id}", width=PHONE)
    pane, item = page.locator("#pane"), page.locator("#item")

    page.get_by_role("button", name="All items, input and logs").click()
    pane.get_by_role("link", name="p57").click()
    expect(item.get_by_text("ValueError: page 57 is torn", exact=True)).to_be_in_viewport()
    assert barriers(page) == []
    pane.get_by_label("Find an item").fill("p7")
    pane.get_by_label("Find an item").press("Enter")
    expect(item.get_by_text("convert[p7]")).to_be_in_viewport()
    item.get_by_role("link", name="Close the item").click()

    expect(item).to_have_count(0)
    expect(pane.get_by_role("heading", name="convert")).to_be_in_viewport()
    assert pane.evaluate("pane => pane.matches(':popover-open')")
    assert overflow(page) == []
