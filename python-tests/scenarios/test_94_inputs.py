"""94: an input that its workflow does not take is refused, missing keys get their defaults."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest

import cloaca

pytestmark = pytest.mark.each_backend


@dataclass
class Line:
    price: Decimal
    count: int = 1


@dataclass
class Order:
    order_id: int
    lines: list[Line] = field(default_factory=list)
    note: str = "none"


FULL = {"order_id": 1, "lines": [{"price": "9.50", "count": 1}], "note": "none"}


def define(kind: Any = Order, registry: cloaca.Registry | None = None) -> None:
    builder = cloaca.WorkflowBuilder("orders", registry=registry)
    with builder if kind is None else builder.input(kind):

        @cloaca.task
        def load(context: cloaca.Context) -> dict[str, Any]:
            return {"seen": context.to_dict()}


def test_an_input_is_checked_where_a_run_is_asked_for_and_completed_where_it_begins(
    runner: cloaca.DefaultRunner,
) -> None:
    define()

    for ask in (runner.submit, runner.execute):
        with pytest.raises(cloaca.InputError) as refused:
            ask("orders", {"order_id": 1, "lines": [{"price": 9.5}]})
        assert refused.value.path == "lines[0].price"
        assert refused.value.met == "9.5"
    with pytest.raises(cloaca.InputError, match=r"^contexts\[1\]\.order_id: expected an integer"):
        runner.submit_many("orders", [{"order_id": 1}, {}])
    assert runner.list_runs() == []

    result = runner.execute("orders", {"order_id": 1, "lines": [{"price": "9.50"}], "more": 2})
    assert result.final_context["seen"] == {**FULL, "more": 2}
    assert result.final_context["note"] == "none"
    result = runner.execute("orders", {**FULL, "note": ""})
    assert result.final_context["seen"] == {**FULL, "note": ""}


def test_a_client_without_the_code_checks_by_the_recorded_schema(
    runner: cloaca.DefaultRunner, database_url: str
) -> None:
    define()
    runner.execute("orders", FULL)

    with cloaca.Client(database_url, registry=cloaca.Registry()) as client:
        for submit in (
            lambda: client.submit("orders", {"order_id": "1"}),
            lambda: client.submit_many("orders", [{"order_id": "1"}]),
        ):
            with pytest.raises(cloaca.InputError, match=r'order_id: expected an integer, got "1"'):
                submit()
        with pytest.raises(cloaca.InputError, match=r"order_id: expected an integer, got nothing"):
            client.schedule("nightly", "orders", "@daily", "UTC")
        handle = client.submit("orders", {"order_id": 2})
        assert handle.result().final_context["note"] == "none"


def test_people_see_the_input_and_give_it_in_fields(
    runner: cloaca.DefaultRunner, database_url: str
) -> None:
    from click.testing import CliRunner
    from starlette.testclient import TestClient

    from cloaca_tools.cli.root import cli

    define()
    run = runner.submit("orders", {"order_id": 1, "lines": [{"price": "9.50"}]})
    run.wait()
    run_id = run.id
    assert cloaca.Observer(runner).changes(run_id, "load").wait().input == FULL
    assert cloaca.export_case(runner, run_id)["input"] == FULL

    def command(*arguments: str) -> tuple[int, str]:
        environment = {"CLOACA_DATABASE_URL": database_url}
        done = CliRunner().invoke(cli, arguments, env=environment)
        return done.exit_code, done.output

    code, shown = command("workflows", "show", "orders")
    assert code == 0
    assert re.search(r"order_id +an integer +needed", shown)
    assert re.search(r"note +a text +\"none\"", shown)
    code, told = command("run", "orders", "--help")
    assert code == 0
    assert "Input of orders, as -P KEY=TEXT or -P KEY:=JSON:" in told
    assert re.search(r"note +a text; \"none\" by default", told)
    assert "Input of" not in command("run", "--help")[1] + command("run", "none", "--help")[1]
    code, refused = command("run", "orders", "--detach", "-P", "order_id=x")
    assert code != 0
    assert 'order_id: expected an integer, got "x"' in refused

    def auth(_: object) -> cloaca.Visitor:
        return cloaca.Visitor("steer", "ann")

    page = TestClient(
        cloaca.ui(runner, auth=auth, hosts=("testserver",)),
        headers={"origin": "http://testserver"},
        follow_redirects=False,
    )
    assert (
        "order_id; optional: lines, note" in page.get("/workflow", params={"name": "orders"}).text
    )
    form = page.get("/workflow/start", params={"name": "orders"}).text
    assert 'name="data.lines.0.price"' in form
    sent = {"form_token": page.cookies["cloaca_form"], "name": "orders", "declared": "yes"}
    wrong = page.post("/workflow/start", data={**sent, "data.order_id": "x"})
    assert (wrong.status_code, "must be a whole number" in wrong.text) == (422, True)
    given = {"data.order_id": "7", "data.lines.0.price": "1.5", "data.lines.0.count": "2"}
    started = page.post("/workflow/start", data={**sent, **given, "data.note": "none"})
    assert started.status_code == 303
    handle = runner.get_run(started.headers["location"].removeprefix("/runs/"))
    seen = {"order_id": 7, "lines": [{"price": "1.5", "count": 2}], "note": "none"}
    assert handle.result().final_context["seen"] == seen


def test_an_input_that_an_older_program_gave_ends_the_run_before_its_first_task(
    open_runner: Callable[..., cloaca.DefaultRunner], database_url: str
) -> None:
    older = cloaca.Registry()
    define(None, older)
    with cloaca.Client(database_url, registry=older) as client:
        handle = client.submit("orders", {"order_id": "1"})
    define()
    runner = open_runner()

    result = runner.get_run(handle.id).result()
    assert result.status == "Failed"
    assert result.error_message == (
        'its workflow does not take this input: order_id: expected an integer, got "1"'
    )
    assert "does not take this input" in runner.explain(handle.id).why
