"""``cloaca ui``: one browser, until Ctrl-C."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from browser.looking import Visit
from browser.serving import PATIENCE
from browser.shop import Shop


@pytest.fixture
def command(shop: Shop, shop_url: str) -> Iterator[subprocess.Popen[str]]:
    """The command on the database of the shop."""
    words = [sys.executable, "-m", "cloaca", "ui", "--database-url", shop_url]
    process = subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        yield process
        if process.poll() is None:
            process.kill()


@pytest.fixture
def address(command: subprocess.Popen[str]) -> str:
    """The address that it prints."""
    assert command.stdout is not None
    return command.stdout.readline().strip()


@pytest.fixture
def visit(chromium: Browser, address: str) -> Iterator[Visit]:
    visit = Visit(chromium, address.partition("/?")[0])
    yield visit
    visit.close()
    assert visit.faults == []


@pytest.mark.each_backend
def test_the_browser_that_opens_the_address_first_has_the_page_and_no_other(
    visit: Visit, address: str
) -> None:
    visit.expected = ["401", "404"]  # a browser looks for an icon at the root
    first, runs = visit.open(address), f"{address.partition('?')[0]}runs"
    assert "token" not in first.url

    second = visit.open()
    again, without = second.goto(address), second.goto(runs)
    first.goto(runs)

    assert again is not None
    assert without is not None
    assert (again.status, without.status) == (401, 401)
    expect(second.locator("body")).to_contain_text("Sign in first")
    expect(first.get_by_role("heading", level=1)).to_have_text("Runs")
    expect(first.locator("[data-row]").first).to_be_visible()


def test_ctrl_c_ends_it_though_a_page_is_open(
    visit: Visit, address: str, command: subprocess.Popen[str]
) -> None:
    # The page says so when the program does not answer, and asks again.
    visit.expected = ["ERR_", "htmx:", "503"]
    page = visit.open(address)
    page.goto(f"{address.partition('?')[0]}runs")
    expect(page.get_by_role("heading", level=1)).to_have_text("Runs")

    command.send_signal(signal.SIGINT)

    _, said = command.communicate(timeout=PATIENCE)
    assert (command.returncode, said) == (0, "Ctrl-C ends it.\n")
