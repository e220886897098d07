"""The server, as the SDK's own client sees it in the same process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import pytest

import cloaca
from cloaca_tools.mcp.database import Database

if TYPE_CHECKING:
    from mcp import Client
    from mcp.types import CallToolResult, TextContent

LOOKING = [
    "list_workflows",
    "list_runs",
    "get_run",
    "get_tree",
    "list_items",
    "explain_run",
    "get_logs",
    "list_events",
    "get_graph",
    "list_limits",
    "get_limit",
    "doctor",
]
STEERING = ["submit", "cancel", "pause", "resume", "retry", "fork", "send", "approve"]
STEERING += ["set_limit", "clear_limit"]


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A database with a run of ``quick`` that nobody executes."""
    registry = cloaca.Registry()
    with cloaca.WorkflowBuilder("quick", registry=registry):

        @cloaca.task
        def only(context: cloaca.Context) -> dict[str, Any]:
            return {}

    with cloaca.Client(database_url, registry=registry) as client:
        client.submit("quick", tags={"shop": "ørsta"})
        yield Database(client, database_url)


def connected(database: Database, *, steers: bool, mode: str = "auto") -> Client:
    """A client of a server in this process. The package takes a second to import, which every
    process that collects tests would need at the head of this file.
    """
    from mcp import Client

    from cloaca_tools.mcp.server import server

    return Client(server(database, steers=steers), mode=mode)


def text_of(result: CallToolResult) -> str:
    """The text of a result, for a client that reads nothing else."""
    (content,) = result.content
    return cast("TextContent", content).text


@pytest.mark.parametrize(
    ("steers", "expected"), [(False, LOOKING), (True, LOOKING + STEERING)], ids=["looks", "steers"]
)
async def test_tools_are_listed(database: Database, steers: bool, expected: list[str]) -> None:
    async with connected(database, steers=steers) as client:
        listed = (await client.list_tools()).tools

    assert [tool.name for tool in listed] == expected
    assert all(tool.description and tool.title for tool in listed)


async def test_each_argument_is_described(database: Database) -> None:
    async with connected(database, steers=True) as client:
        schemas = [tool.input_schema for tool in (await client.list_tools()).tools]

    assert all(schema["type"] == "object" for schema in schemas)
    assert all(each["description"] for schema in schemas for each in schema["properties"].values())


async def test_tools_tell_what_they_change(database: Database) -> None:
    async with connected(database, steers=True) as client:
        listed = {tool.name: tool.annotations for tool in (await client.list_tools()).tools}

    def having(hint: str) -> set[str]:
        return {name for name, hints in listed.items() if getattr(hints, hint)}

    assert having("read_only_hint") == set(LOOKING)
    assert having("destructive_hint") == {"cancel", "retry", "approve"}
    assert set(STEERING) - having("idempotent_hint") == {"submit", "retry", "fork", "send"}


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_an_answer_is_structured_and_text(database: Database, mode: str) -> None:
    """Over streams with the handshake of earlier clients, and without it."""
    async with connected(database, steers=False, mode=mode) as client:
        result = await client.call_tool("list_runs", {"filter": "tag.shop:ørsta"})

    form = result.structured_content
    assert not result.is_error
    assert form is not None
    assert (form["schema"], form["next"]) == (1, None)
    assert [run["status"] for run in form["runs"]] == ["Pending"]
    assert json.loads(text_of(result)) == form
    assert "ørsta" in text_of(result)


async def test_an_error_of_cloaca_is_told_by_the_tool(database: Database) -> None:
    async with connected(database, steers=False) as client:
        result = await client.call_tool("get_run", {"run": "@~7"})

    assert result.is_error
    assert text_of(result) == "there is no run @~7: there are fewer runs"
    assert result.structured_content is None


async def test_wrong_arguments_are_told_by_the_tool(database: Database) -> None:
    async with connected(database, steers=False) as client:
        result = await client.call_tool("get_run")

    assert (result.is_error, text_of(result)) == (True, "arguments must have 'run'")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cancel", "there is no tool 'cancel'; start `cloaca mcp` with --allow-steering for it"),
        ("drop", "there is no tool 'drop'"),
    ],
)
async def test_a_tool_that_is_not_offered_is_an_error_of_the_protocol(
    database: Database, name: str, expected: str
) -> None:
    from mcp import MCPError

    async with connected(database, steers=False) as client:
        with pytest.raises(MCPError) as caught:
            await client.call_tool(name, {"run": "@"})

    assert caught.value.error.message == expected
    assert database.client.list_runs()[0].status == "Pending"


async def test_a_run_is_steered(database: Database) -> None:
    async with connected(database, steers=True) as client:
        result = await client.call_tool("cancel", {"run": "@", "reason": "not needed"})

    (action,) = database.client.actions()
    assert result.structured_content is not None
    assert result.structured_content["run"]["status"] == "Cancelled"
    assert (action.kind, action.by, action.reason) == ("cancel", "mcp", "not needed")
