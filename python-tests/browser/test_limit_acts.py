"""A limit is changed by its form, once its effect is told."""

from __future__ import annotations

import threading

import pytest
from playwright.sync_api import expect

import cloaca
from browser.acting import last_act
from browser.looking import Visit
from browser.serving import PATIENCE


@pytest.fixture
def go_on(registry: cloaca.Registry) -> threading.Event:
    """Lets the body of ``calls`` end, which holds the only place of its key."""
    go_on = threading.Event()
    api = cloaca.Limit("api", total=2, per_key=1)
    with cloaca.WorkflowBuilder("calls", registry=registry):

        @cloaca.task(limits=[api.key("customer")])
        def call(context: cloaca.Context) -> None:
            go_on.wait(PATIENCE)

    return go_on


@pytest.mark.each_backend
def test_a_limit_is_stopped_and_goes_back_to_its_code(
    go_on: threading.Event, visit: Visit, program: cloaca.DefaultRunner
) -> None:
    runs = [program.submit("calls", {"customer": "ann"}) for _ in range(2)]
    page = visit.open("/limits")
    expect(page.locator("#limits-list")).to_contain_text("waited for")
    page.locator("#limits-list").get_by_role("link", name="api").click()
    expect(page.locator("#limit-line")).to_contain_text("Each key that is waited for is at its")
    expect(page.locator("main section").first).to_have_id("limit-keys")
    expect(page.locator("#limit-keys")).to_contain_text("ann")
    expect(page.locator("#limit-waiters tbody tr")).to_have_count(1)
    expect(page.locator("#limit-holders tbody tr")).to_have_count(1)

    page.get_by_role("link", name="Change…").click()
    form = page.locator("#limit-settings")
    form.get_by_label("At once 0 stops all").fill("0")
    form.get_by_role("button", name="Show what it does").click()
    expect(page.locator("#limit-effect")).to_contain_text("total 2 → 0")
    expect(page.locator("#limit-effect")).to_contain_text("1 place is taken")
    assert program.limits()[0].total == 2
    page.get_by_role("button", name="Change the limit").click()

    expect(page.locator("#limit-done")).to_contain_text("The new settings count")
    expect(page.locator("#limit-stopped")).to_contain_text("Nothing that needs it begins")
    assert program.limits()[0].total == 0
    assert last_act(program) == ("set_limit", "ann")

    page.get_by_role("link", name="Back to the code…").click()
    page.get_by_role("button", name="Back to the code").click()
    expect(page.locator("#limit-done")).to_contain_text("of the code count again")
    assert last_act(program) == ("clear_limit", "ann")
    go_on.set()
    assert [run.result(PATIENCE).status for run in runs] == ["Completed"] * 2
