"""The definition of a workflow is found here or in the database, and knows its tasks."""

from __future__ import annotations

from collections.abc import Collection

import pytest
from model.hand_clock import HandClock
from model.memory_store import MemoryStore
from tables import each_row

import cloaca_core.definition.task
from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.registry import Registry
from cloaca_core.engine.subjects import Subjects
from cloaca_core.errors import TaskNotFoundError
from cloaca_core.features.definitions.recorded_definitions import RecordedDefinitions
from cloaca_core.features.definitions.recorder import DefinitionRecorder
from cloaca_core.features.reruns.newest_definitions import NewestDefinitions, unknown_workflow


def registered(*tasks: str) -> Registry:
    registry = Registry()
    with WorkflowBuilder("orders", registry=registry):
        for name in tasks:
            cloaca_core.definition.task.task(id=name)(lambda context: None)
    return registry


async def test_the_version_of_this_process_goes_before_what_was_recorded() -> None:
    here, elsewhere, store = registered("load", "ship"), registered("load"), MemoryStore()
    workflow, other = here.workflows()[0], elsewhere.workflows()[0]
    await DefinitionRecorder(store, elsewhere, HandClock(0), Subjects()).record()

    found = await NewestDefinitions(RecordedDefinitions(store, here)).find(workflow.namespace)
    recorded = await NewestDefinitions(RecordedDefinitions(store, Registry())).find(
        workflow.namespace
    )

    assert found is not None
    assert recorded is not None
    assert (found.version, list(found.graph.position)) == (workflow.version, ["load", "ship"])
    assert (recorded.version, list(recorded.graph.position)) == (other.version, ["load"])


async def test_a_workflow_that_neither_has_is_unknown() -> None:
    definitions = NewestDefinitions(RecordedDefinitions(MemoryStore(), Registry()))

    assert await definitions.find("public::embedded::orders") is None
    error = unknown_workflow("r", "public::embedded::orders", "forked")
    assert error.name == "public::embedded::orders"
    assert "run r cannot be forked" in str(error)


@each_row(
    ("asked", "text"),
    [
        (["fly"], "the workflow of run r has no task 'fly'; it has load, ship"),
        (["ship", "fly", "bill"], "no task 'bill', 'fly'"),
    ],
)
async def test_tasks_that_a_definition_lacks_are_refused(asked: Collection[str], text: str) -> None:
    registry = registered("load", "ship")
    definitions = NewestDefinitions(RecordedDefinitions(MemoryStore(), registry))
    found = await definitions.find(registry.workflows()[0].namespace)
    assert found is not None

    found.check_tasks("r", ["load", "ship"])
    with pytest.raises(TaskNotFoundError, match=text) as caught:
        found.check_tasks("r", asked)
    assert caught.value.task_id == min(set(asked) - {"load", "ship"})
