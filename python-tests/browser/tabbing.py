"""The tab key, pressed once round a page."""

from __future__ import annotations

from playwright.sync_api import Page


def tab_round(page: Page) -> tuple[list[str], set[str]]:
    """Press the tab key once round, from the document that has the focus at first: the controls
    that it did not reach, and those that did not show it.
    """
    unreached, unseen = _once_round(page)
    while page.evaluate("haveChanged"):  # by an update of the page: what is new has no name
        unreached, unseen = _once_round(page)
    page.evaluate("document.activeElement.blur()")
    return unreached, unseen


def _once_round(page: Page) -> tuple[list[str], set[str]]:
    controls: dict[str, int] = page.evaluate(_CONTROLS)
    for _ in range(sum(controls.values()) + 1):
        page.keyboard.press("Tab")
    focused: list[tuple[str, bool]] = page.evaluate("focused")
    reached = {name for name, _ in focused}
    unseen = {name for name, is_seen in focused if name in controls and not is_seen}
    return [name for name in controls if name not in reached], unseen


_CONTROLS = """() => {
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
