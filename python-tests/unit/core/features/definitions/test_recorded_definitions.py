"""A name leads to the newest recorded version of one workflow, or the error says why not."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from model.hand_clock import HandClock
from model.memory_store import MemoryStore
from tables import each_row

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.inputs.params import workflow_params
from cloaca_core.definition.recorded import RecordedWorkflow
from cloaca_core.definition.registry import Registry, Unregistered
from cloaca_core.definition.task import task
from cloaca_core.definition.workflow import Workflow
from cloaca_core.engine.subjects import Subjects
from cloaca_core.engine.submit.request import Request
from cloaca_core.errors import (
    AmbiguousWorkflowError,
    InputError,
    StoreUnavailableError,
    WorkflowNotFoundError,
)
from cloaca_core.features.definitions import recorded_definitions as module
from cloaca_core.features.definitions.recorded_definitions import RecordedDefinitions
from cloaca_core.features.definitions.recorder import DefinitionRecorder
from cloaca_core.values.definition_rows import DefinitionName, DefinitionRow


class Store(MemoryStore):
    """The model, which counts how many definitions were read, and names looked up."""

    reads = lookups = 0
    failure: Exception | None = None

    async def definitions_named(self, name: str) -> list[DefinitionName]:
        self.lookups += 1
        if self.failure is not None:
            raise self.failure
        await asyncio.sleep(0)  # as a database takes a while
        return await super().definitions_named(name)

    async def get_definition(self, workflow: str, version: str) -> DefinitionRow | None:
        self.reads += 1
        return await super().get_definition(workflow, version)


class Scene:
    def __init__(self) -> None:
        self.store, self.registry, self.clock = Store(), Registry(), HandClock()
        self.definitions = RecordedDefinitions(self.store, self.registry, self.clock)

    async def record(self, name: str, task_id: str = "t", tenant: str = "public") -> Workflow:
        """A runner elsewhere registers this workflow."""
        elsewhere = Registry()
        with WorkflowBuilder(name, tenant=tenant, registry=elsewhere) as builder:
            task(id=task_id)(lambda context: None)
        await DefinitionRecorder(self.store, elsewhere, HandClock(0), Subjects()).record()
        return builder.workflow

    async def find(self, name: str) -> RecordedWorkflow:
        return await self.definitions.find(Unregistered(name, f"Not found: {name}"))


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_a_name_leads_to_the_newest_version(scene: Scene) -> None:
    await scene.record("flow", "old")
    new = await scene.record("flow", "new")

    for name in ("flow", "public::embedded::flow"):
        found = await scene.find(name)
        assert (found.version, found.tasks[0].id) == (new.version, "new")


async def test_a_name_is_looked_up_once_a_second(scene: Scene) -> None:
    old = await scene.record("flow", "old")
    assert (await scene.find("flow")).version == old.version
    new = await scene.record("flow", "new")
    scene.clock.now += 0.9
    assert (await scene.find("flow")).version == old.version
    assert scene.store.lookups == 1
    scene.clock.now += 0.1

    both = await asyncio.gather(scene.find("flow"), scene.find("flow"))

    assert [each.version for each in both] == [new.version, old.version]  # the second as it was
    assert scene.store.lookups == 2
    assert (await scene.find("flow")).version == new.version
    assert scene.store.lookups == 2


async def test_as_long_as_the_database_is_away_the_version_found_last_counts(scene: Scene) -> None:
    old = await scene.record("flow", "old")
    await scene.find("flow")
    new = await scene.record("flow", "new")
    scene.store.failure = StoreUnavailableError("away")
    for _ in range(2):
        scene.clock.now += 3600
        assert (await scene.find("flow")).version == old.version
    with pytest.raises(StoreUnavailableError, match="away"):
        await scene.find("public::embedded::flow")

    scene.store.failure = None
    scene.clock.now += 1
    assert (await scene.find("flow")).version == new.version


async def test_a_name_that_has_become_ambiguous_stands_for_none_any_more(scene: Scene) -> None:
    await scene.record("flow", tenant="a")
    await scene.find("flow")
    await scene.record("flow", tenant="b")
    scene.clock.now += 1

    for _ in range(2):
        with pytest.raises(AmbiguousWorkflowError):
            await scene.find("flow")


async def test_a_name_of_several_workflows_is_refused_with_them(scene: Scene) -> None:
    for tenant in ("a", "b"):
        await scene.record("flow", tenant=tenant)

    with pytest.raises(AmbiguousWorkflowError) as caught:
        await scene.find("flow")

    assert caught.value.candidates == ("a::embedded::flow", "b::embedded::flow")
    assert (await scene.find("b::embedded::flow")).namespace == "b::embedded::flow"


@each_row(
    ("name", "told"),
    [
        ("flwo", " (did you mean 'flow'?); no runner has recorded it in this database"),
        ("public::embedded::flo", " (did you mean 'public::embedded::flow'?); no runner has"),
        ("hre", " (did you mean 'here'?); no runner has recorded it in this database"),
        ("else", "; no runner has recorded it in this database"),
        ("\ud800", "; no runner has recorded it in this database"),
    ],
)
async def test_an_unknown_name_is_refused_with_one_that_is_like_it(
    scene: Scene, name: str, told: str
) -> None:
    await scene.record("flow")
    with WorkflowBuilder("here", registry=scene.registry):
        task(id="t")(lambda context: None)

    with pytest.raises(WorkflowNotFoundError) as caught:
        await scene.find(name)

    assert str(caught.value).startswith(f"Not found: {name}{told}")
    assert caught.value.name == name


async def test_in_a_new_database_no_name_is_known(scene: Scene) -> None:
    with pytest.raises(WorkflowNotFoundError, match="has recorded a workflow in this database yet"):
        await scene.find("flow")


async def test_the_version_that_is_registered_here_counts_before_the_newest_record(
    scene: Scene,
) -> None:
    assert await scene.definitions.newest("public::embedded::flow") is None
    await scene.record("flow", "old")
    new = await scene.record("flow", "new")

    found = await scene.definitions.newest(new.namespace)

    assert found is not None
    assert (found.version, found.tasks[0].id) == (new.version, "new")
    with WorkflowBuilder("flow", registry=scene.registry) as builder:
        task(id="own")(lambda context: None)
    assert await scene.definitions.newest(new.namespace) is builder.workflow


async def test_a_short_name_stands_for_the_one_recorded_workflow(scene: Scene) -> None:
    assert await scene.definitions.full_name("flow", "public::embedded::flow") == (
        "public::embedded::flow"
    )
    await scene.record("flow", tenant="a")
    assert await scene.definitions.full_name("flow", "public::embedded::flow") == (
        "a::embedded::flow"
    )
    await scene.record("flow", tenant="b")
    with pytest.raises(AmbiguousWorkflowError, match="it may be a::embedded::flow or b::"):
        await scene.definitions.full_name("flow", "public::embedded::flow")


async def test_a_version_is_read_once(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 1)
    a, b = await scene.record("a"), await scene.record("b")

    for workflow in (a, a, b, b, a):
        found = await scene.definitions.version(workflow.namespace, workflow.version)
        assert found is not None
        assert found.name == workflow.name

    assert scene.store.reads == 3  # of two only one is kept


async def test_a_version_that_is_not_recorded_is_asked_for_again(scene: Scene) -> None:
    assert await scene.definitions.version("public::embedded::a", "1") is None
    workflow = await scene.record("a")

    assert await scene.definitions.version(workflow.namespace, workflow.version) is not None


async def test_a_request_for_a_registered_workflow_stays_as_it_is(scene: Scene) -> None:
    workflow = await scene.record("flow")
    known = Request(workflow, ["{}"], [{}], "{}")
    named = Request(Unregistered("flow", ""), ["{}"], [{}], "{}")

    assert await scene.definitions.resolved(known) is known
    resolved = await scene.definitions.resolved(named)
    assert not resolved.is_by_name
    assert resolved.definition.namespace == workflow.namespace


async def test_inputs_are_checked_by_the_recorded_schema(scene: Scene) -> None:
    elsewhere = Registry()
    with WorkflowBuilder("typed", registry=elsewhere) as builder:
        builder.input(workflow_params(n=int, most=(int, 7)))
        task(id="a")(lambda context: None)
    await DefinitionRecorder(scene.store, elsewhere, HandClock(0), Subjects()).record()
    named = Request(Unregistered("typed", ""), ['{"n":1}', '{"n":"1"}'], [{}], "{}", first=5)

    with pytest.raises(InputError, match=r'^contexts\[6\]\.n: expected an integer, got "1"$'):
        await scene.definitions.resolved(named)
    fit = replace(named, texts=['{"n":1}'])
    assert (await scene.definitions.resolved(fit)).texts == ['{"n":1}']


async def test_a_version_that_is_registered_here_is_kept_once_beside_the_newest(
    scene: Scene,
) -> None:
    newest = await scene.record("flow", "theirs")
    with WorkflowBuilder("flow", registry=scene.registry) as builder:
        task(id="ours")(lambda context: None)
    ours = builder.workflow

    await scene.definitions.keep(ours.namespace)
    reads = scene.store.reads
    await scene.definitions.keep(ours.namespace)
    await scene.definitions.keep("public::embedded::none")

    assert scene.store.reads == reads
    kept = await scene.definitions.version(ours.namespace, ours.version)
    assert kept is not None
    assert [each.id for each in kept.tasks] == ["ours"]
    assert (await scene.find("flow")).version == newest.version
