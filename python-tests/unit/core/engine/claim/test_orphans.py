"""Runs that this runner owns in the database but does not know are given back, and no others."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field

import pytest
from model.by_hand import HandMarks
from model.memory_store import MemoryStore
from model.quiet import quiet

from cloaca_core.engine.claim.orphans import Orphans
from cloaca_core.engine.record.entries import SubmissionEntry
from cloaca_core.engine.record.journal import Journal
from cloaca_core.engine.recover.runner_id import RunnerId
from cloaca_core.engine.subjects import Subjects
from cloaca_core.errors import StoreError
from cloaca_core.run.rows import NewRun
from cloaca_core.store.batch import Batch, Committed
from cloaca_core.store.runs import OnCommit
from cloaca_core.values.states import RunStatus
from cloaca_testing.conformance.commits import submit
from cloaca_testing.conformance.rows import LATER, act, new_run, runner


class Store(MemoryStore):
    """The model, which counts how often it is asked and can hold up a commit."""

    def __init__(self) -> None:
        super().__init__()
        self.releases = 0
        self.open = asyncio.Event()
        self.open.set()

    async def commit(self, batch: Batch, on_commit: OnCommit | None = None) -> Committed:
        committed = await super().commit(batch, on_commit)
        await self.open.wait()
        return committed

    async def release(self, runner_id: str, held: Collection[str]) -> int:
        self.releases += 1
        return await super().release(runner_id, held)


@dataclass
class Scene:
    store: Store = field(default_factory=Store)
    held: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        runner_id = RunnerId("r1")
        self.journal = Journal(self.store, runner_id, HandMarks())
        self.told: list[RunStatus] = []
        subjects = Subjects()
        subjects.ended_elsewhere.subscribe(self.tell)
        self.orphans = Orphans(self.store, self.journal, runner_id, lambda: self.held, subjects)

    def tell(self) -> None:
        """Note how it is with the orphan when callers that may wait for it are told."""
        self.told.append(RunStatus(self.store.runs["astray"].status))

    def owner(self, run_id: str) -> str | None:
        return self.store.runs[run_id].owner


class Submission(SubmissionEntry):
    """Its runs are held by the scene once they are durable."""

    def __init__(self, scene: Scene, *rows: NewRun) -> None:
        super().__init__(rows)
        self._scene = scene

    def settled(self, _: Committed) -> None:
        self._scene.held |= {row.id for row in self.rows}

    def refused(self, error: StoreError) -> None:
        raise error


@pytest.fixture
async def scene() -> Scene:
    scene = Scene()
    await scene.store.register(runner("r1"))
    await submit(scene.store, new_run("astray"), new_run("held"))
    scene.held.add("held")
    return scene


async def test_nobody_is_asked_without_a_reason(scene: Scene) -> None:
    await scene.orphans.give_back()

    assert scene.store.releases == 0
    assert scene.told == []


async def test_who_is_not_known_is_given_back_once(scene: Scene) -> None:
    scene.orphans.suspect()
    await scene.orphans.give_back()
    await scene.orphans.give_back()

    assert (scene.owner("astray"), scene.owner("held")) == (None, "r1")
    assert scene.store.releases == 1


async def test_who_waits_for_one_that_was_being_cancelled_hears_of_its_end(scene: Scene) -> None:
    await scene.store.cancel(["astray"], act(), LATER, children=True)

    scene.orphans.suspect()
    await scene.orphans.give_back()

    assert scene.told == [RunStatus.CANCELLED]


async def test_a_run_that_is_being_submitted_is_not_astray(scene: Scene) -> None:
    """The table has it before any part of this runner can know that it was written."""
    scene.store.open.clear()
    scene.journal.add(Submission(scene, new_run("new")))
    writing = asyncio.create_task(scene.journal.turn())
    await quiet()
    assert scene.owner("new") == "r1"

    scene.orphans.suspect()
    giving_back = asyncio.create_task(scene.orphans.give_back())
    await quiet()
    scene.store.open.set()
    await asyncio.gather(writing, giving_back)

    assert (scene.owner("astray"), scene.owner("new")) == (None, "r1")
