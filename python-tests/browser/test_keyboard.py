"""All of the page by the keyboard alone."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from browser.looking import Look
from browser.places import PLACES, Place
from browser.shop import Shop


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


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
def test_the_tab_key_reaches_every_control_and_shows_where_it_is(
    look: Look, shop: Shop, place: Place
) -> None:
    page = look.show(place.path(shop))

    unreached, unseen = _tab_round(page)
    while page.evaluate("haveChanged"):  # by an update of the page: what is new has no name
        unreached, unseen = _tab_round(page)

    assert unreached == []
    assert unseen == set()


def _tab_round(page: Page) -> tuple[list[str], set[str]]:
    """Press the tab key once round, from the document that has the focus at first: the controls
    that it did not reach, and those that did not show it.
    """
    controls: dict[str, int] = page.evaluate(CONTROLS)
    for _ in range(sum(controls.values()) + 1):
        page.keyboard.press("Tab")
    focused: list[tuple[str, bool]] = page.evaluate("focused")
    reached = {name for name, _ in focused}
    unseen = {name for name, is_seen in focused if name in controls and not is_seen}
    return [name for name in controls if name not in reached], unseen


CONTROLS = """() => {
  const seen = (each) =>
    each.checkVisibility({visibilityProperty: true}) && !each.closest("[inert]");
  const all = "a[href], button:not(:disabled), input:not([type=hidden]):not(:disabled), select, "
    + "textarea, summary, [tabindex='0']";
  const find = () => [...document.querySelectorAll(all)].filter(seen)
    .filter((each) => each.tabIndex >= 0)
    // Of radio buttons the tab key reaches the chosen one, and arrows the others.
    .filter((each) => each.type !== "radio" || each.checked);
  const found = find();
  // Each has a name that stays when its text changes, as times do. The tab key stops at each part
  // of a date, and at the button of its calendar.
  const stops = {date: 4, time: 4, "datetime-local": 7};
  const named = found.map((each, place) => {
    each.nameOfTest = `${place} ${each.outerHTML.slice(0, 160)}`;
    return [each.nameOfTest, stops[each.type] || 1];
  });
  window.haveChanged = false;
  window.lookForChanges = () => {
    const now = find();
    window.haveChanged ||=
      now.length !== found.length || now.some((each, place) => each !== found[place]);
  };
  // What has the focus when the key comes up: to ask for it after each would take as long again.
  window.focused = [];
  window.lookAtFocus ||= addEventListener("keyup", () => focused.push(focusOfTest())) || true;
  window.focusOfTest = () => {
    lookForChanges();
    const each = document.activeElement, box = each.getBoundingClientRect();
    const marked = [each, ...each.querySelectorAll("*"), each.parentElement].some((part) => {
      const {outlineStyle, outlineWidth, boxShadow, stroke} = getComputedStyle(part);
      return (outlineStyle !== "none" && parseFloat(outlineWidth) > 0) || boxShadow !== "none"
        || (part.matches(".ring") && stroke !== "none");
    });
    const inside = box.bottom > 0 && box.top < innerHeight
      && box.right > 0 && box.left < innerWidth;
    return [each.nameOfTest || each.outerHTML.slice(0, 160), marked && inside];
  };
  return Object.fromEntries(named);
}"""
