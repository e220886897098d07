"""What keys do; the tab key is pressed on every page in ``test_every_page.py``."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from browser.looking import Look


@pytest.fixture
def runs(look: Look) -> Page:
    """The list of runs, of which the newest stands first."""
    return look.open("/runs")


@pytest.mark.each_backend
def test_a_slash_leads_to_the_filter_and_enter_applies_it(runs: Page) -> None:
    runs.keyboard.press("/")
    runs.keyboard.type("workflow:close_the_day")
    runs.keyboard.press("Enter")

    expect(runs).to_have_url(re.compile("q=workflow%3Aclose_the_day"))
    expect(runs.locator("[data-row]")).to_have_count(1)


def test_j_and_k_move_through_the_rows_and_enter_opens_one(runs: Page) -> None:
    links = [row.get_by_role("link").first for row in runs.locator("[data-row]").all()]

    for key, row in ("j", 0), ("j", 1), ("j", 2), ("k", 1):
        runs.keyboard.press(key)
        expect(links[row]).to_be_focused()
    address = links[1].get_attribute("href")
    runs.keyboard.press("Enter")

    expect(runs).to_have_url(re.compile(f"{address}$"))


def test_a_question_mark_shows_the_keys_and_escape_hides_them(runs: Page) -> None:
    keys = runs.get_by_role("dialog", name="Keys")

    runs.keyboard.press("?")
    expect(keys).to_be_visible()
    runs.keyboard.press("Escape")

    expect(keys).to_be_hidden()


def test_keys_are_letters_where_somebody_writes(runs: Page) -> None:
    field = runs.get_by_label("Filter runs")
    field.focus()

    runs.keyboard.type("/jkrc?")

    expect(field).to_have_value("/jkrc?")
    expect(runs.get_by_role("dialog", name="Keys")).to_be_hidden()
