"""Draws the pictures; ``pictures`` starts it.

The shop's runs are made by the real engine on a virtual clock, and the page is looked at with the
wall clock standing still, so that a picture depends on the page alone.
"""

from __future__ import annotations

import io
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from dev.console import TaskFailed
from dev.environments import browser
from dev.files import write_atomically
from dev.project import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from browser.shop import Shop

FOLDER: Final = ROOT / "docs" / "assets" / "page"
NOW: Final = datetime(2026, 3, 11, 8, 14, tzinfo=UTC)
NIGHTS: Final = 44
WIDTH: Final = 1280
SCALE: Final = 1.5
_PATIENCE: Final = 60_000
COLOURS: Final = 256
"""Colours of a picture: all that a page has but for the edges of letters."""


@dataclass(frozen=True, slots=True)
class Picture:
    """``path`` may name a run by its field of ``Shop``, as ``{failed}``; ``height`` is in pixels of
    the page; ``key`` opens a dialog.
    """

    file: str
    path: str
    height: int
    theme: Literal["light", "dark"] = "light"
    key: str = ""


PICTURES: Final = (
    Picture("run-timeline.png", "/runs/{failed}", 760),
    Picture("run-timeline-dark.png", "/runs/{failed}", 760, "dark"),
    Picture("run-graph.png", "/runs/{failed}?view=graph", 900),
    Picture("run-graph-dark.png", "/runs/{failed}?view=graph", 900, "dark"),
    Picture("retry.png", "/runs/{failed}", 900, key="r"),
    Picture("now.png", "/", 900),
    Picture("runs.png", "/runs", 760),
    Picture("workflow.png", "/workflow?name=price_list", 720),
    Picture("inbox.png", "/inbox", 760),
)


def main() -> None:
    """Draw all pictures."""
    import time_machine
    from playwright.sync_api import sync_playwright

    import cloaca
    from browser import shop as shops
    from browser.serving import served

    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="cloaca-pictures-") as folder:
        url = f"sqlite:///{Path(folder, 'shop.db')}"
        shop = shops.fill(url, NOW, nights=NIGHTS)
        with (
            time_machine.travel(NOW, tick=False),
            cloaca.Client(url, registry=cloaca.Registry()) as client,
            served(client, auth=lambda _: cloaca.Visitor("steer", "ann")) as page,
            sync_playwright() as playwright,
        ):
            program = playwright.chromium.launch(
                executable_path=browser.program(), args=browser.options()
            )
            for picture in PICTURES:
                drawn = _drawn(program, page.address, picture, shop)
                write_atomically(FOLDER / picture.file, _shrunk(drawn))
            program.close()


def _drawn(program: Browser, address: str, picture: Picture, shop: Shop) -> bytes:
    """A picture as the browser makes it."""
    context = program.new_context(
        viewport={"width": WIDTH, "height": picture.height},
        device_scale_factor=SCALE,
        color_scheme=picture.theme,
        timezone_id="UTC",
        reduced_motion="reduce",
    )
    context.add_cookies([{"name": "cloaca_zone", "value": "UTC", "url": address}])
    page = context.new_page()
    _open(page, f"{address}{picture.path.format(**_fields(shop))}")
    if picture.key:
        page.keyboard.press(picture.key)
        page.locator("dialog[open]").wait_for()
    drawn = page.screenshot()
    context.close()
    return drawn


def _open(page: Page, address: str) -> None:
    """Open a page, and wait until it has asked for itself anew, as it does once at first."""
    page.set_default_timeout(_PATIENCE)
    with page.expect_response(lambda each: "hx-target" in each.request.headers):
        answer = page.goto(address)
        if answer is None or not answer.ok:
            raise TaskFailed(f"{address} was answered {answer and answer.status}")
    page.wait_for_function("() => !document.querySelector('.htmx-request')")


def _fields(shop: Shop) -> dict[str, str]:
    return {name: getattr(shop, name) for name in shop.__slots__}


def _shrunk(drawn: bytes) -> bytes:
    """The picture with few colours, in as few bytes as PNG takes for them."""
    from PIL import Image

    with Image.open(io.BytesIO(drawn)) as image:
        few = image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
        made = io.BytesIO()
        few.save(made, "PNG", optimize=True)
    return made.getvalue()


if __name__ == "__main__":
    main()
