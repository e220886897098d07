"""A runner records what it registers, once, and writes nothing that is recorded already."""

from __future__ import annotations

from collections.abc import Collection

from model.hand_clock import HandClock
from model.memory_store import MemoryStore

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.recorded import content, when_ended_rows
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task
from cloaca_core.definition.workflow import Workflow
from cloaca_core.engine.subjects import Subjects
from cloaca_core.features.definitions.recorder import DefinitionRecorder
from cloaca_core.values.definition_rows import DefinitionName, DefinitionRow, WhenEndedRow


class Store(MemoryStore):
    """The model, which counts what is asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.looks = 0
        self.writes: list[list[str]] = []

    async def newest_definitions(self, workflows: Collection[str]) -> list[DefinitionName]:
        self.looks += 1
        return await super().newest_definitions(workflows)

    async def record_definitions(
        self, definitions: Collection[DefinitionRow], when_ended: Collection[WhenEndedRow] = ()
    ) -> None:
        self.writes.append(sorted(row.name for row in definitions))
        await super().record_definitions(definitions, when_ended)


class Scene:
    """A store, and runners with a registry each."""

    def __init__(self) -> None:
        self.store = Store()

    def runner(self, *workflows: Workflow) -> DefinitionRecorder:
        registry = Registry()
        for each in workflows:
            registry.register(each)
        return DefinitionRecorder(self.store, registry, HandClock(0), Subjects())


def workflow(name: str, task_id: str = "t", *, alert: bool = False) -> Workflow:
    builder = WorkflowBuilder(name, registry=Registry())
    if alert:
        builder.when_ended(["Failed", "Cancelled"], "alert")
    with builder:
        task(id=task_id)(lambda context: None)
    return builder.workflow


async def test_all_that_is_registered_is_recorded_at_once() -> None:
    scene = Scene()
    a, b = workflow("a"), workflow("b")

    await scene.runner(a, b).record()

    assert scene.store.writes == [["a", "b"]]
    row = await scene.store.get_definition(a.namespace, a.version)
    assert row is not None
    assert row.content == content(a)


async def test_what_follows_the_ends_of_its_runs_is_recorded_with_a_version() -> None:
    scene = Scene()
    plain, told = workflow("a"), workflow("b", alert=True)

    await scene.runner(plain, told).record()

    assert list(scene.store.when_ended.values()) == list(when_ended_rows(told))


async def test_a_runner_whose_definitions_are_recorded_writes_nothing() -> None:
    scene = Scene()
    await scene.runner(workflow("a")).record()

    again = scene.runner(workflow("a"))
    await again.record()
    await again.record()

    assert (scene.store.looks, scene.store.writes) == (2, [["a"]])


async def test_what_is_registered_later_is_looked_up_by_itself() -> None:
    scene = Scene()
    registry = Registry()
    recorder = DefinitionRecorder(scene.store, registry, HandClock(0), Subjects())
    await recorder.record()
    assert scene.store.looks == 0

    for name in "ab":
        registry.register(workflow(name))
        await recorder.record()

    assert (scene.store.looks, scene.store.writes) == (2, [["a"], ["b"]])


async def test_an_older_version_that_comes_back_is_the_newest_again() -> None:
    scene = Scene()
    old, new = workflow("a", "old"), workflow("a", "new")
    for each in (old, new, old):
        await scene.runner(each).record()

    (newest,) = await scene.store.list_definitions()
    assert newest.version == old.version


async def test_a_runner_leaves_it_at_what_another_one_registered_after_it() -> None:
    scene = Scene()
    old, new = workflow("a", "old"), workflow("a", "new")
    first = scene.runner(old)
    await first.record()
    await scene.runner(new).record()

    await first.record()

    (newest,) = await scene.store.list_definitions()
    assert newest.version == new.version


async def test_a_client_records_what_no_runner_has() -> None:
    scene = Scene()
    old, new, other = workflow("a", "old"), workflow("a", "new"), workflow("b", alert=True)
    await scene.runner(old).record()

    client = scene.runner(new, other)
    for _ in range(2):
        await client.record_unknown(new)
        await client.record_unknown(other)

    assert scene.store.writes == [["a"], ["b"]]
    assert [each.version for each in scene.store.newest.values()] == [old.version, other.version]
    kept = await scene.store.get_definition(new.namespace, new.version)  # it is not the newest
    assert kept is not None
    assert list(scene.store.when_ended.values()) == list(when_ended_rows(other))
    assert scene.store.looks == 3  # the runner's, and one for each of two
