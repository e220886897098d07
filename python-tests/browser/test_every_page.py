"""Every page: it opens without a fault, is read by everybody, and fits."""

from __future__ import annotations

import re
from contextlib import closing
from html import unescape
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from browser.barriers import barriers
from browser.looking import NARROW, PHONE, RAIL, Look, cut_off, overflow, resize, settle
from browser.places import PLACES, Place, without_place
from browser.serving import Served
from browser.shop import Shop
from browser.tabbing import tab_round

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
    assert tab_round(page) == ([], set())
    for width in RAIL, PHONE, NARROW:
        resize(page, width)
        settle(page)
        assert overflow(page) == []
        assert cut_off(page) == []
        if width == PHONE:
            assert barriers(page) == []


def test_where_the_side_is_a_rail_its_icons_have_names(look: Look) -> None:
    """It is the same on every page."""
    assert barriers(look.show("/", width=RAIL)) == []


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


def test_pages_are_read_without_scripts(look: Look, shop: Shop) -> None:
    """Two of them, for what is sent of each is looked at below; scripts would only add to it."""
    for place in (each for each in PLACES if each.name in ("/runs", "/runs/failed")):
        page = look.show(place.path(shop), scripts=False)

        expect(page.get_by_role("heading", level=1)).to_contain_text(place.heading)
        expect(page.locator("#page")).to_contain_text(place.text)


@pytest.mark.each_backend
def test_every_page_has_what_the_database_says(shop_page: Served, shop: Shop) -> None:
    with closing(HTTPConnection("127.0.0.1", shop_page.port, timeout=60)) as connection:
        found = {place.name: _text(connection, place.path(shop)) for place in PLACES}

    lacking = [
        place.name
        for place in PLACES
        if place.heading not in found[place.name] or place.text not in found[place.name]
    ]
    assert lacking == []


def _text(connection: HTTPConnection, path: str) -> str:
    """What stands between the tags of a page, for a visitor whose time zone is known."""
    connection.request("GET", path, headers={"Cookie": "cloaca_zone=UTC"})
    page = connection.getresponse().read().decode()
    return " ".join(unescape(re.sub("<[^>]*>", "", page.partition("<body")[2])).split())


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
