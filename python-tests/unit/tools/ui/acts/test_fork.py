"""A fork by its form: the input of its task is there, is edited in place, and shown as a diff."""

from __future__ import annotations

import re
from html import unescape
from typing import Final

import pytest
from starlette.testclient import TestClient

import cloaca

HIDDEN_KEY: Final = "api_token"
ORIGIN: Final = {"origin": "http://testserver"}


@pytest.fixture
def browser(runner: cloaca.DefaultRunner) -> TestClient:
    """A visitor who may act."""
    app = cloaca.ui(runner, auth=lambda _: cloaca.Visitor("steer", "ann"), hosts=("testserver",))
    return TestClient(app, headers=ORIGIN)


@pytest.fixture
def failed(runner: cloaca.DefaultRunner) -> cloaca.RunHandle:
    """A run whose second task has failed; the third has never begun, the branch was skipped."""
    with cloaca.WorkflowBuilder("order"):

        @cloaca.task
        def load(context: cloaca.Context) -> None:
            context.set("rows", 3)

        @cloaca.task(dependencies=[load], retry_attempts=1)
        def send(context: cloaca.Context) -> None:
            if context.get("to") != "bob":
                raise ValueError("no such address")

        @cloaca.task(dependencies=[load], trigger_rules=cloaca.context_value("to", "==", "eve"))
        def refund(context: cloaca.Context) -> None:
            """Is not wanted."""

    run = runner.submit("order", {"to": "ann", HIDDEN_KEY: "sesam"})
    assert run.result(60).status == "Failed"
    return run


def fields(page: str) -> dict[str, str]:
    """The form of the plan, as it would be sent."""
    form = page.partition('id="plan-form"')[2].partition("</form>")[0]
    inputs = re.findall(r'<input [^>]*?name="([^"]*)" (?:type="\w*" )?value="([^"]*)"', form)
    given = {name: unescape(value) for name, value in inputs}
    texts = re.findall(r'<textarea [^>]*?name="([^"]*)"[^>]*>\n?(.*?)</textarea>', form, re.DOTALL)
    task = re.search(r"<option selected>([^<]*)", form)
    assert task is not None
    return {**given, "task": task[1], **{name: unescape(text) for name, text in texts}}


def as_json(browser: TestClient, run: cloaca.RunHandle) -> dict[str, str]:
    """The form of a fork from ``send``, of which the input is JSON."""
    address = f"/runs/{run.id}/fork"
    form = fields(browser.get(f"{address}?task=send").text)
    return fields(sent(browser, address, {**form, "as": "json"}))


def sent(browser: TestClient, address: str, form: dict[str, str]) -> str:
    answer = browser.post(address, data=form)
    assert answer.status_code == 200
    return answer.text


def test_the_input_is_edited_and_its_change_shown_before_it_is_sent(
    browser: TestClient, runner: cloaca.DefaultRunner, failed: cloaca.RunHandle
) -> None:
    """Without a script: the form is sent to see the change, and again to make the run."""
    address = f"/runs/{failed.id}/fork"
    form = fields(browser.get(f"{address}?task=send").text)
    shown = {name: form[name] for name in form if name.startswith("data.")}
    assert shown == {"data.to": "ann", f"data.{HIDDEN_KEY}": "***", "data.rows": "3"}

    form["data.to"] = "bob"
    page = sent(browser, f"{address}/change", form)
    assert "-P &#39;to:=&#34;bob&#34;&#39; send</code>" in page
    assert '<span class="del"><span class="s">\N{MINUS SIGN}</span>&#34;to&#34;: ' in page
    assert "sesam" not in page
    assert runner.count_runs() == 1

    made = browser.post(address, data=fields(page), follow_redirects=False)
    final = runner.get_run(made.headers["location"].rpartition("/")[2]).result(60)
    seen = {name: final.final_context[name] for name in ("to", HIDDEN_KEY)}
    assert (final.status, seen) == ("Completed", {"to": "bob", HIDDEN_KEY: "sesam"})


def test_a_plan_of_another_task_keeps_what_was_edited(
    browser: TestClient, failed: cloaca.RunHandle
) -> None:
    address = f"/runs/{failed.id}/fork"
    form = {**as_json(browser, failed), "context": '{"to": "bob"}', "task": "load"}

    page = sent(browser, address, form)  # not yet: the form was for another task

    assert fields(page)["base"] == "load"
    assert fields(page)["context"] == '{\n  "to": "bob",\n  "api_token": "***"\n}'
    assert "Changes ±1 key" in page


def test_a_text_that_is_no_object_is_told_beside_it(
    browser: TestClient, runner: cloaca.DefaultRunner, failed: cloaca.RunHandle
) -> None:
    address = f"/runs/{failed.id}/fork"
    form = {**as_json(browser, failed), "context": "[1]"}

    for page in sent(browser, address, form), sent(browser, f"{address}/change", form):
        assert fields(page)["context"] == "[1]"
        assert "The input must be a JSON object" in page
    assert runner.count_runs() == 1


def test_a_field_that_is_wrong_is_told_and_nothing_is_forked(
    browser: TestClient, runner: cloaca.DefaultRunner, failed: cloaca.RunHandle
) -> None:
    address = f"/runs/{failed.id}/fork"
    form = {**fields(browser.get(f"{address}?task=send").text), "data.rows": "many"}

    for page in sent(browser, address, form), sent(browser, f"{address}/change", form):
        assert fields(page)["data.rows"] == "many"
        assert (
            page.count("Rows must be a number, such as 12.5") == 2
        )  # at the field, and as the change
    assert runner.count_runs() == 1


def test_the_switch_keeps_what_was_edited(browser: TestClient, failed: cloaca.RunHandle) -> None:
    address = f"/runs/{failed.id}/fork"
    form = fields(browser.get(f"{address}?task=send").text)
    form |= {"data.to": "bob", "more": '{"good": true}'}

    text = fields(sent(browser, address, {**form, "as": "json"}))
    back = fields(sent(browser, address, {**text, "as": "fields"}))

    assert text["context"] == (
        '{\n  "to": "bob",\n  "api_token": "***",\n  "rows": 3,\n  "good": true\n}'
    )
    assert (back["data.to"], back["more"]) == ("bob", "")


def test_a_script_gets_the_change_alone(browser: TestClient, failed: cloaca.RunHandle) -> None:
    address = f"/runs/{failed.id}/fork"
    form = {**as_json(browser, failed), "context": '{"to": "bob"}'}
    answer = browser.post(
        f"{address}/change", data=form, headers={"hx-target": "div#fork-change"}
    ).text

    assert answer.strip().startswith('<div id="fork-change"')
    assert "<textarea" not in answer
    command = f"cloaca runs fork {failed.id} -P &#39;to:=&#34;bob&#34;&#39; send</code>"
    assert f'<span id="plan-command" class="cli"><code tabindex="0">{command}' in answer
    assert 'hx-target="#plan-command"' in answer


def test_the_plan_counts_no_task_that_its_rule_skips_again(
    browser: TestClient, failed: cloaca.RunHandle
) -> None:
    page = browser.get(f"/runs/{failed.id}/fork?task=send").text

    assert "Fork, run 1, keep 1, skip 1" in page
    assert "its rule skips it again" in page
