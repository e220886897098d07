"""69: an assistant looks at runs over the Model Context Protocol, and steers them if it may. The
SDK's own client talks to a real process.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import cloaca

if TYPE_CHECKING:
    from mcp import Client

PATIENCE = 60
LOUD = """
import cloaca

print("of the application")

with cloaca.WorkflowBuilder("parcel"):

    @cloaca.task
    def pack(context):
        return {}
"""


def server(database_url: str, *options: str) -> Client:
    """A client of ``cloaca mcp``, which it starts. The package takes a second to import, which
    every process that collects tests would need at the head of this file.
    """
    from mcp import Client, StdioServerParameters, stdio_client

    command = ["-m", "cloaca", "mcp", "--database-url", database_url, *options]
    program = StdioServerParameters(command=sys.executable, args=command, env=dict(os.environ))
    return Client(stdio_client(program))


@pytest.fixture
def failed(runner: cloaca.DefaultRunner) -> cloaca.RunHandle:
    """An order that has failed."""
    with cloaca.WorkflowBuilder("order"):

        @cloaca.task
        def charge(context: cloaca.Context) -> dict[str, Any]:
            return {"paid": True}

        @cloaca.task(dependencies=[charge], retry_attempts=1)
        def ship(context: cloaca.Context) -> dict[str, Any]:
            raise ValueError("no stock")

    run = runner.submit("order")
    run.wait(PATIENCE)
    return run


async def asked(client: Client, tool: str, **arguments: object) -> dict[str, Any]:
    """The answer of a tool."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    form: dict[str, Any] = result.structured_content
    return form


@pytest.mark.each_backend
async def test_an_assistant_looks_and_may_not_steer(
    failed: cloaca.RunHandle, database_url: str
) -> None:
    from mcp import MCPError

    async with server(database_url) as client:
        names = [tool.name for tool in (await client.list_tools()).tools]
        runs = (await asked(client, "list_runs", filter="status:failed"))["runs"]
        why = (await asked(client, "explain_run", run=runs[0]["id"]))["explanation"]["why"]
        with pytest.raises(MCPError, match="--allow-steering"):
            await client.call_tool("retry", {"run": "@"})

    assert [run["id"] for run in runs] == [failed.id]
    assert "ValueError: no stock" in why
    assert "retry" not in names
    assert (failed.status(), len(failed.rounds())) == ("Failed", 1)


async def test_an_assistant_steers_when_it_may(
    runner: cloaca.DefaultRunner,
    failed: cloaca.RunHandle,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also with workflows of an application that prints."""
    (tmp_path / "parcels.py").write_text(LOUD)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    async with server(database_url, "--allow-steering", "-A", "parcels") as client:
        made = (await asked(client, "submit", workflow="parcel", tags={"by": "mcp"}))["run"]
        plan = (await asked(client, "retry", run=failed.id, plan=True))["plan"]
        await asked(client, "retry", run=failed.id, reason="the stock came")

    failed.wait(PATIENCE)
    action, submitted = runner.actions()
    assert [each["task"] for each in plan["run"]] == ["ship"]
    assert (action.kind, action.by, action.reason) == ("retry", "mcp", "the stock came")
    assert (submitted.kind, submitted.by, submitted.run_id) == ("submit", "mcp", made["id"])
    assert len(failed.rounds()) == 2
    assert runner.get_run(made["id"]).info().tags == {"by": "mcp"}
