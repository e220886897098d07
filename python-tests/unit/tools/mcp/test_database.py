"""What tools work with."""

from __future__ import annotations

from typing import Any

import pytest

import cloaca
from cloaca_tools.mcp.database import Database


def test_a_run_is_found_by_a_reference(database_url: str) -> None:
    registry = cloaca.Registry()
    with cloaca.WorkflowBuilder("quick", registry=registry):

        @cloaca.task
        def only(context: cloaca.Context) -> dict[str, Any]:
            return {}

    with cloaca.Client(database_url, registry=registry) as client:
        database = Database(client, database_url)
        first, second = client.submit("quick"), client.submit("quick")

        assert (database.run_id("@"), database.run_id("@~1")) == (second.id, first.id)
        assert database.observer.run("@").wait().id == second.id
        with pytest.raises(cloaca.RunNotFoundError):
            database.run_id("@~2")
