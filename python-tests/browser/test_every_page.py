"""Every page: it opens without a fault, is read by everybody, and fits."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from browser.looking import NARROW, PHONE, RAIL, Look, barriers, cut_off, overflow, resize, settle
from browser.places import PLACES, Place, without_place
from browser.shop import Shop

EACH_PLACE = pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)


def test_every_page_has_a_place_here() -> None:
    assert without_place() == set()


@EACH_PLACE
def test_it_opens_without_a_fault_or_a_barrier_and_fits(
    look: Look, shop: Shop, place: Place
) -> None:
    page = look.show(place.path(shop))

    expect(page.get_by_role("heading", level=1)).to_contain_text(place.heading)
    expect(page.locator("#page")).to_contain_text(place.text)
    assert overflow(page) == []
    assert cut_off(page) == []
    assert barriers(page) == []
    for width in RAIL, PHONE:
        resize(page, width)
        settle(page)
        assert overflow(page) == []
        assert cut_off(page) == []
        assert barriers(page, dark=width == PHONE) == []


@pytest.mark.parametrize("width", [NARROW, RAIL])
def test_every_page_fits_where_its_layout_is_narrowest(look: Look, shop: Shop, width: int) -> None:
    page = look.open(width=width)
    found = {}

    for place in PLACES:
        page.goto(place.path(shop))
        found[place.name] = overflow(page) + cut_off(page)

    assert {name: wide for name, wide in found.items() if wide} == {}


def test_what_a_phone_has_no_tab_for_opens_above_the_last_one(look: Look) -> None:
    page = look.open("/", width=PHONE)
    more = page.get_by_role("button", name="More")

    more.click()
    tab, list_ = more.bounding_box(), page.locator("#more").bounding_box()
    page.locator("#more").get_by_role("link", name="Actions").click()

    expect(page).to_have_url(re.compile("/actions$"))
    assert tab is not None
    assert list_ is not None
    assert 0 < tab["y"] - (list_["y"] + list_["height"]) < 20
    assert list_["x"] + list_["width"] > tab["x"]


@pytest.mark.parametrize("path", ["/triggers", "/runners", "/actions"])
def test_the_last_tab_of_a_phone_is_that_of_the_places_behind_it(look: Look, path: str) -> None:
    page = look.show(path, width=PHONE)
    marked = page.locator("#side-list [aria-current]").filter(visible=True)

    expect(marked).to_have_text(["More"])


def test_a_place_with_a_tab_of_its_own_marks_that_tab_alone(look: Look) -> None:
    page = look.show("/inbox", width=PHONE)
    marked = page.locator("#side-list [aria-current]").filter(visible=True)

    expect(marked).to_have_count(1)
    expect(marked).to_contain_text("Inbox")


def test_a_schedule_on_the_page_of_its_workflow_has_its_name_and_both_clocks(look: Look) -> None:
    page = look.show("/workflow?name=price_list")
    schedule = page.locator("#workflow-starters li")
    name = schedule.locator("b")

    expect(name).to_have_text("prices every night")
    assert name.evaluate("(each) => each.scrollWidth <= each.clientWidth")
    expect(schedule).to_contain_text(
        re.compile(r"(\d+ \w+ )?(\d\d:00) here is (\w+ )?02:00 in Europe/Copenhagen")
    )


def test_a_filter_that_cannot_be_read_fits_a_phone(look: Look) -> None:
    page = look.open(f"/runs?q={'x' * 3_000}", width=PHONE)

    expect(page.locator("#runs-error")).to_contain_text("keys are status")
    assert overflow(page) == []


@pytest.mark.each_backend
@EACH_PLACE
def test_it_is_read_without_scripts(look: Look, shop: Shop, place: Place) -> None:
    page = look.show(place.path(shop), scripts=False)

    expect(page.get_by_role("heading", level=1)).to_contain_text(place.heading)
    expect(page.locator("#page")).to_contain_text(place.text)


def test_a_row_of_runs_opens_its_run_wherever_it_is_clicked(look: Look, shop: Shop) -> None:
    page = look.open("/runs?q=status:failed")
    row = page.locator(f"#r-{shop.failed}")

    row.get_by_role("checkbox").check()
    assert urlsplit(page.url).path == "/runs"
    row.click(position={"x": 60, "y": 5})
    expect(page).to_have_url(re.compile(f"/runs/{shop.failed}$"))


def test_an_error_has_the_whole_row_of_a_phone(look: Look, shop: Shop) -> None:
    page = look.open("/runs?q=status:failed", width=PHONE)
    row = page.locator(f"#r-{shop.failed}")
    whole, error = row.bounding_box(), row.locator(".p-full").bounding_box()

    assert whole is not None
    assert error is not None
    assert error["width"] > whole["width"] * 0.8
