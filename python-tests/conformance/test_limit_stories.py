"""Random stories of one limit: a database gives the places that plain limits give."""

from __future__ import annotations

import random

import pytest
from model.plain_limits import PlainLimits

from cloaca_core.assembly.open_store import open_store
from cloaca_core.assembly.store import Store
from cloaca_core.features.limits.records import Grant, LimitDefinition, Waiter
from cloaca_core.store.acts import ActRow
from cloaca_core.store.backends import backend_for
from cloaca_core.store.protocol import StoreOptions
from cloaca_core.values.limits.settings import LimitChanges, LimitSettings
from cloaca_core.values.times.no_limit import NO_LIMIT
from cloaca_testing.conformance.rows import runner

pytestmark = pytest.mark.asyncio

SETTINGS = LimitSettings(total=5, per_key=2)
ACTS = 60
CHANGES = (
    LimitChanges(total=3),
    LimitChanges(total=8, per_key=1),
    LimitChanges(total=NO_LIMIT),
    LimitChanges(per_key=NO_LIMIT),
    None,
)


class Story:
    """A store and plain limits, side by side."""

    def __init__(self, store: Store, seed: int) -> None:
        self._store = store
        self._plain = PlainLimits({"api": SETTINGS})
        self._chance = random.Random(seed)  # noqa: S311 - no secret
        self._number = self._acts = 0
        self._changes = LimitChanges()

    async def ask(self) -> None:
        """Bodies ask for places."""
        asked = [self._waiter() for _ in range(self._chance.choice([1, 2, 12]))]
        for each in asked:
            self._plain.ask(each)
        await self._gives(asked, [])

    async def end(self) -> None:
        """Bodies end."""
        held = await self._store.list_grants("me", {"api": 0})
        ended = self._chance.sample(held, min(len(held), self._chance.choice([1, 1, 4])))
        for each in ended:
            self._plain.release(each.needs)
        await self._gives([], ended)

    async def leave(self) -> None:
        """A waiter is cancelled."""
        if waiting := sorted(self._plain.waiting):
            unit = self._chance.choice(waiting)
            del self._plain.waiting[unit]
            await self._store.ask_places("me", [], left=[unit])

    async def set(self) -> None:
        """Somebody changes the limit, or takes all changes away."""
        changes = self._chance.choice(CHANGES)
        self._acts += 1
        act = ActRow(f"act{self._acts}", "", "", 0, "set_limit", "ann", "api", 1, self._acts)
        self._changes = LimitChanges() if changes is None else self._changes.then(changes)
        self._plain.settings["api"] = SETTINGS.changed_by(self._changes)
        await self._store.set_limit("api", changes, act)
        held = await self._store.list_grants("me", {"api": 0})
        self._plain.give(max([each.given_at for each in held], default=0))
        await self._holds()

    async def _gives(self, asked: list[Waiter], ended: list[Grant]) -> None:
        given = await self._store.ask_places("me", asked, back=ended, names=["api"])
        assert given is not None
        now = given.grants[0].given_at if given.grants else 0
        units = [(each.run_id, each.task_id, each.item) for each in given.grants]
        assert units == self._plain.give(now)
        await self._holds()

    async def _holds(self) -> None:
        held = await self._store.list_grants("me", {"api": 0})
        assert sorted(each.needs for each in held) == sorted(self._plain.held)

    def _waiter(self) -> Waiter:
        self._number += 1
        chance = self._chance
        rank, units = chance.choice([0, 0, 5]), chance.choice([1, 1, 1, 4])
        needs = (("api", chance.choice(["", *"12345"])),)
        since = self._number // 3
        return Waiter(f"run{self._number:05}", "task", -1, "me", rank, since, units, needs)


@pytest.mark.parametrize("seed", range(3))
async def test_a_database_gives_what_plain_limits_give(database_url: str, seed: int) -> None:
    store = await open_store(backend_for(database_url), database_url, StoreOptions())
    await store.register(runner("me"))
    await store.record_limits([LimitDefinition("api", SETTINGS.content())], [])
    story, chance = Story(store, seed), random.Random(seed)  # noqa: S311 - no secret
    try:
        for _ in range(ACTS):
            await chance.choice([story.ask, story.end, story.end, story.leave, story.set])()
    finally:
        await store.close()
