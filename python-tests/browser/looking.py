"""Pages of a browser whose faults are noted: errors, failed requests, refused scripts."""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias
from urllib.parse import quote

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
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

_REFUSED = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`refused by the policy: ${event.violatedDirective} ${event.blockedURI}`));
"""


def new_context(
    browser: Browser,
    address: str,
    *,
    width: int = LAPTOP,
    theme: Theme = "light",
    zone: str = "UTC",
    **options: Any,
) -> BrowserContext:
    """Storage of its own for pages at this address; ``options`` are those of the context. It has
    the cookie of its time zone, as from a visitor's second page on.
    """
    context = browser.new_context(
        base_url=address,
        viewport={"width": width, "height": HEIGHTS[width]},
        color_scheme=theme,
        timezone_id=zone,
        reduced_motion="reduce",
        **options,
    )
    context.set_default_timeout(60_000)
    context.add_cookies([{"name": "cloaca_zone", "value": quote(zone, safe=""), "url": address}])
    if options.get("java_script_enabled", True):
        context.add_init_script(_REFUSED)
    return context


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

    def open(self, path: str | None = None, **options: Any) -> Page:
        """A page in a context of its own, at this path if one is given; ``options`` are those of
        ``new_context``.
        """
        context = new_context(self._browser, self._address, **options)
        self._contexts.append(context)
        page = context.new_page()
        self._watch(page)
        if path is not None:
            page.goto(path)
        return page

    def open_live(self, path: str) -> Page:
        """The same, which is told of changes by now: its stream is open."""
        page = self.open()
        with page.expect_response(lambda each: "/live?" in each.url):
            page.goto(path)
        return page

    def close(self) -> None:
        """Close all pages."""
        for context in self._contexts:
            context.close()

    def _watch(self, page: Page) -> None:
        page.on("console", self._said)
        page.on("pageerror", self._broke)
        page.on("requestfailed", self._failed)
        page.on("response", self._answered)

    def _ignore(self, page: Page) -> None:
        page.remove_listener("console", self._said)
        page.remove_listener("pageerror", self._broke)
        page.remove_listener("requestfailed", self._failed)
        page.remove_listener("response", self._answered)

    def _broke(self, error: Error) -> None:
        self._noted.append(f"error: {error}")

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._noted.append(f"{message.type}: {message.text}")

    def _failed(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # a page that is left ends its stream
            self._noted.append(f"failed: {request.url}: {request.failure}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            self._noted.append(f"{response.status} {response.url}")


_EMPTY = "localStorage.clear(); sessionStorage.clear();"


class Tabs:
    """Tabs that stay open for tests that look at one page only, one for each width and the like.

    A new tab has a process of its own in the browser, which costs more than showing the page does.
    In a tab that stays nothing of a page is left for the next one but the files that every page
    has: it runs no more, and what the browser stores for it is deleted.
    """

    def __init__(self, browser: Browser, address: str) -> None:
        self._browser = browser
        self._address = address
        self._open: dict[tuple[int, bool], Page] = {}

    def tab(self, width: int, *, scripts: bool) -> Page:
        """The tab of this width, in the light theme, in which scripts run or do not."""
        if (width, scripts) not in self._open:
            context = new_context(
                self._browser, self._address, width=width, java_script_enabled=scripts
            )
            if scripts:
                context.add_init_script(_EMPTY)
            self._open[width, scripts] = context.new_page()
        page = self._open[width, scripts]
        page.emulate_media(color_scheme="light")
        resize(page, width)
        return page

    def close(self) -> None:
        """Close all tabs."""
        for page in self._open.values():
            page.context.close()


class Look(Visit):
    """A visit that can also show pages in tabs which stay open."""

    def __init__(self, browser: Browser, address: str, tabs: Tabs) -> None:
        super().__init__(browser, address)
        self._tabs = tabs
        self._shown: list[Page] = []

    def show(self, path: str, *, width: int = LAPTOP, scripts: bool = True) -> Page:
        """The page at this path, in a tab of earlier tests: for a test that only looks at it."""
        page = self._tabs.tab(width, scripts=scripts)
        self._watch(page)
        self._shown.append(page)
        page.goto(path)
        return page

    def close(self) -> None:
        for page in self._shown:
            self._ignore(page)
        super().close()


# -- what a page is like -------------------------------------------------------------------------


def resize(page: Page, width: int) -> None:
    """Give the window of a page this width."""
    page.set_viewport_size({"width": width, "height": HEIGHTS[width]})


def settle(page: Page) -> None:
    """Wait until a page has been laid out and drawn for the window that it has now."""
    page.evaluate(
        "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )


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
