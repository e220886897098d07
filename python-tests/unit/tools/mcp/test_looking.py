"""The tools that only look."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from typing import Any

import pytest
from tables import each_row

import cloaca
from cloaca_core.errors import CloacaError
from cloaca_tools.mcp.database import Database
from cloaca_tools.mcp.looking import (
    LOOKING,
    doctor,
    explain_run,
    get_graph,
    get_logs,
    get_run,
    list_events,
    list_runs,
    list_workflows,
)

PATIENCE = 60


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A database with the workflows ``order`` and ``parcel``, and three orders, of which the
    newest has failed.
    """
    url = f"sqlite:///{tmp_path_factory.mktemp('looking') / 'shop.db'}"
    registry = cloaca.Registry()
    for name in ("order", "parcel"):
        with cloaca.WorkflowBuilder(name, registry=registry) as builder:
            if name == "parcel":
                builder.input(cloaca.workflow_params(amount=int))

            @cloaca.task
            def charge(context: cloaca.Context) -> dict[str, Any]:
                return {"paid": context["amount"]}

            @cloaca.task(dependencies=[charge], retry_attempts=1)
            def send(context: cloaca.Context, handle: cloaca.TaskHandle) -> dict[str, Any]:
                for line in ("packed", "weighed"):
                    handle.log(line, kilos=1)
                if context["amount"] > 2:
                    raise ValueError("no stock")
                return {"sent": True}

    with cloaca.DefaultRunner(url, registry=registry) as runner:
        for amount in (1, 2, 3):
            runner.execute("order", {"amount": amount}, timeout=PATIENCE)
        yield Database(runner, url)


@each_row("tool", LOOKING)
def test_a_tool_describes_the_arguments_that_it_takes(tool: Any) -> None:
    _, *parameters = inspect.signature(tool.call).parameters

    assert list(tool.arguments) == parameters
    assert tool.effect.looks
    assert tool.name == tool.call.__name__


def test_workflows_are_listed_in_pages(database: Database) -> None:
    first = list_workflows(database, limit=1)
    second = list_workflows(database, limit=1, after=first["next"])

    assert [each["workflow_name"] for each in first["workflows"]] == ["order"]
    assert first["workflows"][0]["counts"] == {"Completed": 2, "Failed": 1}
    assert [each["workflow_name"] for each in second["workflows"]] == ["parcel"]
    assert second["next"] is None
    assert len(list_workflows(database)["workflows"]) == 2


def test_runs_are_listed_in_pages(database: Database) -> None:
    first = list_runs(database, limit=2)
    second = list_runs(database, limit=2, before=first["next"])

    assert [run["status"] for run in first["runs"]] == ["Failed", "Completed"]
    assert len(second["runs"]) == 1
    assert list_runs(database, filter=" ", limit=2) == first


def test_runs_are_listed_by_the_filter_of_the_command_line(database: Database) -> None:
    found = list_runs(database, filter="status:completed -workflow:parcel since:1d")

    assert [run["status"] for run in found["runs"]] == ["Completed", "Completed"]
    with pytest.raises(cloaca.FilterError, match="did you mean status"):
        list_runs(database, filter="statsu:failed")


def test_a_run_is_shown_with_its_tasks(database: Database) -> None:
    form = get_run(database, "@")

    assert form["run"]["status"] == "Failed"
    assert [(each["task_id"], each["status"]) for each in form["run"]["tasks"]] == [
        ("charge", "Completed"),
        ("send", "Failed"),
    ]
    assert "change" not in form
    json.dumps(form)


def test_a_run_is_shown_with_what_a_task_was_given_and_made(database: Database) -> None:
    charged = get_run(database, "@", task="charge", attempt=1)["change"]
    sent = get_run(database, "@", task="send")["change"]

    assert (charged["input"], charged["result"]) == ({"amount": 3}, {"paid": 3})
    assert "no stock" in sent["traceback"]
    with pytest.raises(cloaca.TaskNotFoundError):
        get_run(database, "@", task="other")


def test_a_failed_run_is_explained(database: Database) -> None:
    found = explain_run(database, "@")["explanation"]

    assert found["code"] == "task_failed"
    assert "ValueError: no stock" in found["why"]
    json.dumps(found)


def test_events_of_a_run_are_listed_in_pages(database: Database) -> None:
    first = list_events(database, "@", limit=1)
    rest = list_events(database, "@", after=first["next"])

    assert [each["kind"] for each in first["events"]] == ["created"]
    assert [each["number"] for each in rest["events"]] == [*range(2, 2 + len(rest["events"]))]
    assert (rest["events"][-1]["kind"], rest["next"]) == ("ended", None)


def test_lines_of_a_run_are_listed_in_pages(database: Database) -> None:
    first = get_logs(database, "@", limit=1)
    second = get_logs(database, "@", task="send", attempt=1, after=first["next"])

    assert [each["message"] for each in first["lines"]] == ["packed"]
    assert [each["message"] for each in second["lines"]] == ["weighed"]
    assert (second["lines"][0]["fields"], second["next"]) == ({"kilos": 1}, None)
    assert get_logs(database, "@", task="charge") == {"lines": [], "next": None}


def test_graphs_of_a_run_and_of_a_workflow(database: Database) -> None:
    run, workflow = get_graph(database, run="@"), get_graph(database, workflow="parcel")

    assert [node["status"] for node in run["graph"]["nodes"]] == ["Completed", "Failed"]
    assert workflow["graph"]["edges"] == [{"source": "charge", "target": "send"}]
    assert workflow["mermaid"].startswith("flowchart")
    assert workflow["input_schema"]["properties"] == {"amount": {"type": "integer"}}
    assert "input_schema" not in run


@each_row("names", [{}, {"run": "@", "workflow": "order"}], ids=["none", "both"])
def test_a_graph_is_of_one_thing(database: Database, names: dict[str, str]) -> None:
    with pytest.raises(CloacaError, match="give either run or workflow"):
        get_graph(database, **names)


def test_the_database_is_examined(database: Database) -> None:
    found = doctor(database)["diagnosis"]

    assert found["backend"] == "sqlite"
    assert isinstance(found["findings"], list)
