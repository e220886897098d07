"""Fixtures of the tests in a browser: one browser for all, and a context of its own for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from own_database import OwnDatabases
from playwright.sync_api import Browser, expect, sync_playwright

import cloaca
from browser import shop as shops
from browser.acting import ANN
from browser.looking import Look, Tabs, Visit
from browser.serving import Served, served
from browser.shop import Shop
from dev.console import TaskFailed
from dev.environments import browser as programs

expect.set_options(timeout=60_000)

_UNOPTIMISED = "--js-flags=--no-opt,--no-maglev"
"""To compile scripts for speed costs more than it gives: a page is left after a moment."""


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser of all tests."""
    try:
        program = programs.program()
    except TaskFailed as failure:
        pytest.fail(str(failure), pytrace=False)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=[*programs.options(), _UNOPTIMISED], timeout=60_000
        )
        yield browser
        browser.close()


# -- a shop to look at ---------------------------------------------------------------------------


@pytest.fixture(scope="session")
def shop_url(
    databases_in: Callable[[Path], OwnDatabases], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A database for the shop, which tests only look at."""
    databases = databases_in(tmp_path_factory.mktemp("shop"))
    yield databases.new()
    databases.close()


@pytest.fixture(scope="session")
def shop(shop_url: str) -> Shop:
    """The runs of the shop, up to now."""
    return shops.fill(shop_url, datetime.now(UTC))


@pytest.fixture(scope="session")
def shop_page(shop: Shop, shop_url: str) -> Iterator[Served]:
    """The page of the shop, of a program that runs nothing."""
    client = cloaca.Client(shop_url, registry=cloaca.Registry())
    with client, served(client) as page:
        yield page


@pytest.fixture(scope="session")
def shop_tabs(chromium: Browser, shop_page: Served) -> Iterator[Tabs]:
    """Tabs for tests that look at one page of the shop."""
    tabs = Tabs(chromium, shop_page.address)
    yield tabs
    tabs.close()


@pytest.fixture
def look(chromium: Browser, shop_page: Served, shop_tabs: Tabs) -> Iterator[Look]:
    """A visit to the page of the shop; at its end it has had no faults."""
    look = Look(chromium, shop_page.address, shop_tabs)
    yield look
    look.close()
    assert look.faults == []


# -- a program to act on -------------------------------------------------------------------------


@pytest.fixture
def registry() -> cloaca.Registry:
    """That of the test's program."""
    return cloaca.Registry()


@pytest.fixture
def program(database_url: str, registry: cloaca.Registry) -> Iterator[cloaca.DefaultRunner]:
    """A program that runs the workflows of ``registry``, which tests fill as they go."""
    # What waits is Waiting at once, where a program would leave it ten seconds in memory.
    config = cloaca.DefaultRunnerConfig(shutdown_grace_seconds=5, evict_after_seconds=0.2)
    with cloaca.DefaultRunner(database_url, config=config, registry=registry) as runner:
        yield runner


@pytest.fixture
def program_page(program: cloaca.DefaultRunner) -> Iterator[Served]:
    """The page that the program serves to ann."""
    with served(program, auth=lambda _: ANN) as page:
        yield page


@pytest.fixture
def visit(chromium: Browser, program_page: Served) -> Iterator[Visit]:
    """A visit to that page; at its end it has had no faults."""
    visit = Visit(chromium, program_page.address)
    yield visit
    visit.close()
    assert visit.faults == []
