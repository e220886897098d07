"""A client may name by its short name a workflow that only runners have recorded."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest
from model.memory_store import MemoryStore
from tables import each_row

from cloaca_core.assembly.engine import Engine
from cloaca_core.assembly.host import EngineHost
from cloaca_core.definition.registry import Registry
from cloaca_core.errors import AmbiguousWorkflowError
from cloaca_core.features.definitions.names import FilterByName, looked_up, name_to_look_up
from cloaca_core.features.definitions.recorded_definitions import RecordedDefinitions
from cloaca_core.run.rows import RunFilter
from cloaca_core.values.definition_rows import DefinitionName

OTHERS = "acme::billing::invoice"
GUESS = "public::embedded::invoice"


def host(registry: Registry, *, works: bool) -> EngineHost:
    """Of a runner that works, or of a client."""
    return cast(EngineHost, SimpleNamespace(registry=registry, works=works))


def engine(*recorded: str) -> Engine:
    """One whose database has definitions of these workflows."""
    store = MemoryStore()
    for each in recorded:
        store.newest[each] = DefinitionName(each, "v", each.rsplit("::", 1)[-1], None)
    return cast(Engine, SimpleNamespace(definitions=RecordedDefinitions(store, Registry())))


@each_row(
    ("works", "name", "expected"),
    [
        (False, "invoice", "invoice"),
        (False, "flow", None),  # registered in the client's program
        (False, OTHERS, None),  # it names its namespace
        (True, "invoice", None),  # a runner names workflows of its own program
    ],
)
def test_a_client_looks_up_a_short_name_that_it_has_not_registered(
    own_registry: Registry, works: bool, name: str, expected: str | None
) -> None:
    assert name_to_look_up(host(own_registry, works=works), name) == expected


@each_row(
    ("name", "recorded", "expected"),
    [
        ("invoice", [OTHERS], OTHERS),
        ("invoice", [], GUESS),
        (None, [OTHERS], GUESS),  # not to be looked up
    ],
)
async def test_the_record_tells_the_namespace(
    name: str | None, recorded: list[str], expected: str
) -> None:
    assert await looked_up(engine(*recorded), name, GUESS) == expected


async def test_a_name_of_several_recorded_workflows_is_refused() -> None:
    with pytest.raises(AmbiguousWorkflowError) as refused:
        await looked_up(engine(OTHERS, "acme::shop::invoice"), "invoice", GUESS)

    assert set(refused.value.candidates) == {OTHERS, "acme::shop::invoice"}


async def test_a_filter_is_of_the_recorded_workflow_and_else_as_it_was(
    own_registry: Registry,
) -> None:
    asked = RunFilter(("Failed",), GUESS, (("colour", "red"),), "b", 7, error="bad")

    wanted = FilterByName.of(host(own_registry, works=False), asked, "invoice")

    assert await wanted.resolved(engine(OTHERS)) == asked._replace(workflow=OTHERS)
    assert await wanted.resolved(engine()) == asked


@each_row("works", [True, False])
async def test_a_filter_without_a_workflow_stays_one(own_registry: Registry, works: bool) -> None:
    wanted = FilterByName.of(host(own_registry, works=works), RunFilter(limit=3), None)

    assert await wanted.resolved(engine(OTHERS)) == RunFilter(limit=3)
