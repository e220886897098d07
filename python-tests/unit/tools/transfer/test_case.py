"""Runs as documents."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from scenarios.steering import until

import cloaca
from cloaca.testing import harness
from cloaca_core.errors import ConfigTypeError, TransferError
from cloaca_tools.transfer.case import export_case

WAIT = 60


@pytest.fixture
def registry() -> cloaca.Registry:
    registry = cloaca.Registry()
    with cloaca.WorkflowBuilder("order", registry=registry):

        @cloaca.task
        def charge(context: cloaca.Context, handle: cloaca.TaskHandle) -> dict[str, str]:
            return {"token": handle.step("token", lambda: "t"), "big": "x" * 5_000}

        ok = cloaca.approval("ok", "Send it?", dependencies=[charge])

        @cloaca.task(dependencies=[ok])
        def send(context: cloaca.Context) -> None:
            pass

    return registry


def test_it_has_all_of_a_run_that_goes_on(tmp_path: Path, registry: cloaca.Registry) -> None:
    with cloaca.DefaultRunner(tmp_path / "work.db", registry=registry) as runner:
        run = runner.submit("order", {"n": 1}, tags={"a": "b"})
        run.send("hint", {"x": 1})

        until(lambda: run.tasks()["ok"].status == "Waiting")
        case = export_case(runner, run.id)

    assert json.loads(json.dumps(case)) == case
    assert case["run"]["workflow"] == "public::embedded::order"
    assert case["run"]["tags"] == {"a": "b"}
    assert case["input"] == {"n": 1}
    charge = case["tasks"]["charge"]
    assert charge["input"] == {"n": 1}
    assert charge["change"]["set"]["token"] == "t"  # noqa: S105 - no secret
    assert [(memo["name"], memo["value"]) for memo in charge["memos"]] == [("token", "t")]
    assert charge["error"] is None
    assert case["tasks"]["ok"]["input"]["token"] == "t"  # noqa: S105 - no secret
    assert "send" not in case["tasks"]
    assert [message["name"] for message in case["messages"]] == ["hint"]


def test_a_failure_on_a_server_is_called_in_a_file(postgres_url: str) -> None:
    registry = cloaca.Registry()
    with cloaca.WorkflowBuilder("order", registry=registry):

        @cloaca.task
        def charge(context: cloaca.Context) -> None:
            raise ValueError(f"{context['n']} is too much")

    with cloaca.DefaultRunner(postgres_url, registry=registry) as runner:
        run = runner.submit("order", {"n": 5})
        assert run.result(WAIT).status == "Failed"
        case = export_case(runner, run.id)

    assert case["tasks"]["charge"]["error"]["message"] == "5 is too much"
    with harness(registry) as h, pytest.raises(ValueError, match="5 is too much"):
        h.load(case).only_task()


def test_messages_that_are_unread_are_there_after_however_many_others(
    tmp_path: Path, registry: cloaca.Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloaca_core.views.run_past.MESSAGES_SHOWN", 1)
    with cloaca.DefaultRunner(tmp_path / "work.db", registry=registry) as runner:
        run = runner.submit("order")
        for number in range(3):
            run.send("hint", number)
        until(lambda: run.tasks()["ok"].status == "Waiting")

        case = export_case(runner, run.id)

    assert [each["payload"] for each in case["messages"]] == [0, 1, 2]


def test_without_a_definition_there_is_no_case(tmp_path: Path, registry: cloaca.Registry) -> None:
    with cloaca.DefaultRunner(tmp_path / "work.db", registry=registry) as runner:
        runner.stop()
        run_id = runner.submit("order").id
    with closing(sqlite3.connect(tmp_path / "work.db")) as raw, raw:
        raw.execute("DELETE FROM cloaca_definition")
    with (
        cloaca.Client(tmp_path / "work.db", registry=cloaca.Registry()) as client,
        pytest.raises(TransferError, match="the definition of public::embedded::order"),
    ):
        export_case(client, run_id)


@pytest.fixture
def leaky() -> cloaca.Registry:
    """A workflow whose errors show a tag, a later value of its own, and a message."""
    registry = cloaca.Registry()
    with cloaca.WorkflowBuilder("leaky", registry=registry):

        @cloaca.task(retry_attempts=0)
        def first(context: cloaca.Context) -> None:
            raise ValueError("no hunter2, no swordfish, no ann@example.org")

        @cloaca.task
        def second(context: cloaca.Context) -> dict[str, str]:
            return {"password": "hunter2"}

    return registry


def test_masked_values_are_in_no_error_wherever_they_come_from(
    tmp_path: Path, leaky: cloaca.Registry
) -> None:
    with cloaca.DefaultRunner(tmp_path / "work.db", registry=leaky) as runner:
        runner.stop()
        run = runner.submit("leaky", tags={"mail": "ann@example.org", "a": "b"})
        run.send("hint", {"password": "swordfish"})
        runner.start()
        run.result(WAIT)

        case = export_case(runner, run.id, mask=["password", "mail"])

    assert case["run"]["tags"] == {"mail": "***", "a": "b"}
    assert case["tasks"]["first"]["error"]["message"] == "no ***, no ***, no ***"
    assert case["tasks"]["second"]["change"] == {"set": {"password": "***"}, "removed": []}
    text = json.dumps(case)
    assert [each for each in ("hunter2", "swordfish", "ann@") if each in text] == []


def test_an_id_is_a_text(tmp_path: Path) -> None:
    cloaca.DefaultRunner(tmp_path / "work.db").shutdown()
    with cloaca.Client(tmp_path / "work.db") as client, pytest.raises(ConfigTypeError):
        export_case(client, 5)  # type: ignore[arg-type] # the refusal is the test
