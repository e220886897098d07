"""What keeps a visitor from reading or using a page, as axe-core finds it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import CDPSession, Page

from browser.looking import Theme

_AXE = Path(__file__).with_name("axe.min.js")
_readable: Final[set[str]] = set()
"""Looks of texts in which axe found enough contrast, on any page so far."""


def barriers(page: Page) -> list[str]:
    """What axe finds on the page, in the light theme and in the dark one, which changes colours
    alone.
    """
    return nameless(page) + unreadable(page, "light", "dark")


def nameless(page: Page) -> list[str]:
    """All that axe finds but too little contrast, which takes most of its time."""
    session = _session(page)
    found = _asked(session, "document", {"rules": {"color-contrast": {"enabled": False}}})
    session.detach()
    return found


def unreadable(page: Page, *themes: Theme) -> list[str]:
    """The texts with too little contrast in these themes, of those in a look that axe has not seen:
    pages share their colours.
    """
    session = _session(page)
    found: list[str] = []
    for theme in themes:
        page.emulate_media(color_scheme=theme)
        new: list[str] = page.evaluate(_NEW_LOOKS, sorted(_readable))
        faults = _asked(session, "newLooks", {"runOnly": ["color-contrast"]}) if new else []
        if not faults:
            _readable.update(new)
        found += faults
    session.detach()
    return found


def _session(page: Page) -> CDPSession:
    """The debugger gives axe to the page: the page's policy would refuse it."""
    session = page.context.new_cdp_session(page)
    if not page.evaluate("'axe' in window"):
        session.send("Runtime.evaluate", {"expression": _AXE.read_text(encoding="utf-8")})
    return session


def _asked(session: CDPSession, where: str, options: dict[str, Any]) -> list[str]:
    """The violations, each with its element."""
    run = _RUN % (where, json.dumps({"resultTypes": ["violations"], **options}))
    question = {"expression": run, "awaitPromise": True, "returnByValue": True}
    found: list[str] = json.loads(session.send("Runtime.evaluate", question)["result"]["value"])
    return found


_RUN = """
axe.run(%s, %s).then(({violations}) => JSON.stringify(
  violations.flatMap((each) => each.nodes.slice(0, 3).map((node) =>
    `${each.id}: ${node.target} ${node.failureSummary.split("\\n").slice(1).join(" ")}`))))
"""
# A look is what contrast follows from: a text's colour, whether it is large, and what it stands on.
_NEW_LOOKS = """(readable) => {
  const known = new Set(readable), grounds = new Map(), looks = new Map();
  // Grounds down to the first that hides what is below, and how far ancestors are seen through.
  const ground = (each) => {
    if (each === null) return ["", 1];
    if (!grounds.has(each)) {
      const {backgroundColor: colour, backgroundImage: image, opacity} = getComputedStyle(each);
      const [below, seen] = ground(each.parentElement);
      const own = image === "none" ? colour : `${colour} ${image}`;
      const hides = own.startsWith("rgb(") ? own : `${own}<${below}`;
      grounds.set(each, [own === "rgba(0, 0, 0, 0)" ? below : hides, seen * opacity]);
    }
    return grounds.get(each);
  };
  const hasText = (each) => each.matches("input, select, textarea")
    || [...each.childNodes].some((node) => node.nodeType === 3 && /\\S/.test(node.data));
  for (const each of document.querySelectorAll("body, body *")) {
    if (!hasText(each) || !each.checkVisibility({visibilityProperty: true})) continue;
    const {color, fontSize, fontWeight, textShadow} = getComputedStyle(each);
    const size = parseFloat(fontSize), isLarge = size >= (fontWeight >= 700 ? 18.66 : 24);
    const look = `${color} ${isLarge} ${textShadow} ${ground(each)}`;
    if (!known.has(look) && !looks.has(look)) looks.set(look, each);
  }
  window.newLooks = [...looks.values()];
  return [...looks.keys()];
}"""
