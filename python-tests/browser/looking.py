"""Pages of a browser whose faults are noted: errors, failed requests, refused scripts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import quote

from playwright.sync_api import (
    Browser,
    BrowserContext,
    CDPSession,
    ConsoleMessage,
    Page,
    Request,
    Response,
)

NARROW: Final = 320
PHONE: Final = 390
RAIL: Final = 721
LAPTOP: Final = 1280
HEIGHTS: Final = {NARROW: 640, PHONE: 844, RAIL: 900, LAPTOP: 900}

Theme: TypeAlias = Literal["light", "dark"]

_AXE = Path(__file__).with_name("axe.min.js")

_REFUSED = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`refused by the policy: ${event.violatedDirective} ${event.blockedURI}`));
"""


class Visit:
    """The pages of one test. ``faults`` has what went wrong in any of them; a test that provokes
    one names a part of it in ``expected``.
    """

    def __init__(self, browser: Browser, address: str) -> None:
        self._browser = browser
        self._address = address
        self._contexts: list[BrowserContext] = []
        self._noted: list[str] = []
        self.expected: list[str] = []

    @property
    def faults(self) -> list[str]:
        """What went wrong and was not expected."""
        return [each for each in self._noted if not any(part in each for part in self.expected)]

    def open(
        self,
        path: str | None = None,
        *,
        width: int = LAPTOP,
        theme: Theme = "light",
        zone: str = "UTC",
        **options: Any,
    ) -> Page:
        """A page in a context of its own, at this path if one is given; ``options`` are those of
        the context. It has the cookie of its time zone, as from its second page on.
        """
        context = self._browser.new_context(
            base_url=self._address,
            viewport={"width": width, "height": HEIGHTS[width]},
            color_scheme=theme,
            timezone_id=zone,
            reduced_motion="reduce",
            **options,
        )
        self._contexts.append(context)
        context.set_default_timeout(20_000)
        context.add_cookies(
            [{"name": "cloaca_zone", "value": quote(zone, safe=""), "url": self._address}]
        )
        if options.get("java_script_enabled", True):
            context.add_init_script(_REFUSED)
        page = context.new_page()
        self._watch(page)
        if path is not None:
            page.goto(path)
        return page

    def open_live(self, path: str) -> Page:
        """The same, which is told of changes by now: the first event has come, and the page has
        asked for itself anew.
        """
        page = self.open()
        with page.expect_response(is_asked_anew):
            page.goto(path)
        return page

    def close(self) -> None:
        """Close all pages."""
        for context in self._contexts:
            context.close()

    def _watch(self, page: Page) -> None:
        page.on("console", self._said)
        page.on("pageerror", lambda error: self._noted.append(f"error: {error}"))
        page.on("requestfailed", self._failed)
        page.on("response", self._answered)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._noted.append(f"{message.type}: {message.text}")

    def _failed(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # a page that is left ends its stream
            self._noted.append(f"failed: {request.url}: {request.failure}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            self._noted.append(f"{response.status} {response.url}")


def is_asked_anew(response: Response) -> bool:
    """Whether a page has asked for itself anew."""
    return response.request.headers.get("hx-target", "").endswith("#page")


# -- what a page is like -------------------------------------------------------------------------


def overflow(page: Page) -> list[str]:
    """The elements that make the page wider than its window."""
    found: list[str] = page.evaluate(_OVERFLOW)
    return found


_OVERFLOW = """() => {
  const root = document.documentElement, edge = root.clientWidth;
  if (root.scrollWidth <= edge) return [];
  const wide = [...document.querySelectorAll("body *")]
    .filter((each) => each.getBoundingClientRect().right > edge + 0.5);
  return [`${root.scrollWidth} > ${edge}`, ...wide.slice(0, 5).map((each) =>
    `${each.tagName.toLowerCase()}#${each.id}.${each.getAttribute("class") || ""}`)];
}"""


def cut_off(page: Page) -> list[str]:
    """The elements with text of which the end is cut off by the panel that they stand in."""
    found: list[str] = page.evaluate(_CUT_OFF)
    return found


_CUT_OFF = """() => {
  const own = (each) =>
    [...each.childNodes].some((node) => node.nodeType === 3 && /\\S/.test(node.data));
  const scrolls = (each, panel) => {
    for (let at = each; at !== panel; at = at.parentElement)
      if (getComputedStyle(at).overflowX !== "visible") return true;
    return false;
  };
  return [...document.querySelectorAll(".panel *:not(svg *)")].filter((each) => {
    const panel = each.closest(".panel"), box = each.getBoundingClientRect();
    return own(each) && box.width > 1 && box.right > panel.getBoundingClientRect().right + 0.5
      && !scrolls(each, panel);
  }).slice(0, 5).map((each) =>
    `${each.tagName.toLowerCase()} ${each.textContent.trim().slice(0, 40)}`);
}"""


def barriers(page: Page) -> list[str]:
    """What axe-core finds, in both themes, that keeps somebody from reading or using the page.

    The debugger gives it to the page: the page's policy would refuse it. The theme changes colours
    alone, so in the second one only contrast is asked for.
    """
    session = page.context.new_cdp_session(page)
    session.send("Runtime.evaluate", {"expression": _AXE.read_text(encoding="utf-8")})
    found = _asked(session, "{}")
    page.emulate_media(color_scheme="dark")
    found += _asked(session, '{runOnly: ["color-contrast"]}')
    session.detach()
    return found


def _asked(session: CDPSession, options: str) -> list[str]:
    """The violations, each with its element."""
    question = {"expression": _RUN % options, "awaitPromise": True, "returnByValue": True}
    found: list[str] = json.loads(session.send("Runtime.evaluate", question)["result"]["value"])
    return found


_RUN = """
axe.run(document, {resultTypes: ["violations"], ...%s}).then(({violations}) => JSON.stringify(
  violations.flatMap((each) => each.nodes.slice(0, 3).map((node) =>
    `${each.id}: ${node.target} ${node.failureSummary.split("\\n").slice(1).join(" ")}`))))
"""
