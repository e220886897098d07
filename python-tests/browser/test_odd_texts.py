"""A script in any text that a user controls never runs, and shows as text that fits."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest
from own_database import OwnDatabases
from playwright.sync_api import Browser, expect

import cloaca
from browser import odd
from browser.looking import PHONE, Look, Tabs, overflow, resize, settle
from browser.places import PLACES, Place
from browser.serving import Served, served
from browser.shop import Shop


@pytest.fixture(scope="module")
def odd_url(
    databases_in: Callable[[Path], OwnDatabases], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    databases = databases_in(tmp_path_factory.mktemp("odd"))
    yield databases.new()
    databases.close()


@pytest.fixture(scope="module")
def runs(odd_url: str) -> Shop:
    """Runs whose every text is a script."""
    return odd.fill(odd_url, datetime.now(UTC))


@pytest.fixture(scope="module")
def odd_page(runs: Shop, odd_url: str) -> Iterator[Served]:
    client = cloaca.Client(odd_url, registry=cloaca.Registry())
    with client, served(client) as page:
        yield page


@pytest.fixture(scope="module")
def odd_tabs(chromium: Browser, odd_page: Served) -> Iterator[Tabs]:
    tabs = Tabs(chromium, odd_page.address)
    yield tabs
    tabs.close()


@pytest.fixture
def look(chromium: Browser, odd_page: Served, odd_tabs: Tabs) -> Iterator[Look]:
    look = Look(chromium, odd_page.address, odd_tabs)
    yield look
    look.close()
    assert look.faults == []  # a script that was refused is one, too


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
def test_it_is_text(look: Look, runs: Shop, place: Place) -> None:
    page = look.show(odd_path(place, runs))

    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert overflow(page) == []
    resize(page, PHONE)
    settle(page)
    assert overflow(page) == []
    assert page.evaluate("window.ran") is None
    assert page.locator("#page img, #page script:not([nonce])").count() == 0


def odd_path(place: Place, runs: Shop) -> str:
    """The same page of a workflow, a task, a trigger or a limit whose name is a script."""
    path = place.path(runs)
    name = odd.LIMIT if path.startswith("/limit") else odd.TEXT
    return re.sub(r"(?<=\?(?:name|task)=)\w+", quote(name), path)


@pytest.mark.each_backend
def test_it_is_there_to_be_read(look: Look, runs: Shop) -> None:
    page = look.show(f"/runs/{runs.failed}")

    expect(page.locator("#page")).to_contain_text(odd.SCRIPT)
