"""A change wakes who cares about it, and is not forgotten before all have heard."""

from __future__ import annotations

import pytest
from model.memory_store import MemoryStore

from cloaca_core.engine.observe.changes import Changes
from cloaca_core.engine.subjects import Subjects
from cloaca_core.store.changes import Change


class Store(MemoryStore):
    """Tells of these changes."""

    def __init__(self, *news: Change) -> None:
        super().__init__()
        self.to_tell = list(news)

    async def wait_changed(self) -> Change:
        return self.to_tell.pop(0)


class Scene:
    """Hears of changes; hearing of ends may fail."""

    def __init__(self, *news: Change) -> None:
        self.heard: list[str] = []
        self.fails = False
        subjects = Subjects()
        subjects.claimable.subscribe(lambda: self.heard.append("runs"))
        subjects.claimable_here.subscribe(lambda: self.heard.append("claims"))
        subjects.anything.subscribe(lambda: self.heard.append("anything"))
        subjects.display_changed.subscribe(lambda: self.heard.append("watched"))
        self.changes = Changes(Store(*news), subjects, self.read, self.ended)

    async def read(self) -> None:
        self.heard.append("read")

    async def ended(self) -> None:
        if self.fails:
            raise OSError
        self.heard.append("ended")


async def test_of_what_runs_do_only_those_hear_who_wait_for_runs() -> None:
    scene = Scene(Change.RUNS)

    await scene.changes.turn()

    assert scene.heard == ["runs", "ended", "watched"]


async def test_of_anything_else_everybody_hears() -> None:
    scene = Scene(Change.ANYTHING)

    await scene.changes.turn()

    assert scene.heard == ["runs", "anything", "read", "ended", "watched"]


async def test_what_not_all_have_heard_is_told_again() -> None:
    """The next change may be long in coming."""
    scene = Scene(Change.RUNS)
    scene.fails = True
    with pytest.raises(OSError):
        await scene.changes.turn()
    scene.fails = False

    await scene.changes.turn()

    assert scene.heard == ["runs", "runs", "ended", "watched"]


async def test_of_steps_of_runs_only_those_hear_who_watch() -> None:
    scene = Scene(Change.STEPS)

    await scene.changes.turn()

    assert scene.heard == ["watched"]


async def test_of_moves_of_runs_only_the_claims_hear() -> None:
    """The reads of other parts would delay them."""
    scene = Scene(Change.MOVES)

    await scene.changes.turn()

    assert scene.heard == ["claims", "watched"]
