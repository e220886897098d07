"""Contract of the settings of limits: definitions, changes of people, and looks at the use."""

from __future__ import annotations

from cloaca_core.assembly.store import Store
from cloaca_core.features.limits.giving import MOST_AT_ONCE
from cloaca_core.features.limits.looks.records import Load
from cloaca_core.features.limits.records import LimitDefinition, Need
from cloaca_core.store.acts import ActRow
from cloaca_core.values.limits.settings import LimitChanges, LimitSettings
from cloaca_core.values.times.no_limit import NO_LIMIT, NoLimit
from cloaca_testing.conformance.commits import submit
from cloaca_testing.conformance.limits.places import (
    ANN,
    BOB,
    GPU,
    ask,
    gives,
    held,
    limited,
    runs_of,
    waiter,
)
from cloaca_testing.conformance.rows import NOW, new_run


def definition(name: str, settings: LimitSettings, act: ActRow) -> LimitDefinition:
    """A limit as a program defines it."""
    return LimitDefinition(name, settings.content(), act)


def an_act(kind: str, about: str | None = None) -> ActRow:
    """An act of ann about a limit."""
    return ActRow(f"{kind}-{about}", "", "", 0, kind, "ann", about, 1, NOW)


async def set_to(
    store: Store, *, total: int | NoLimit | None = None, per_key: int | NoLimit | None = None
) -> bool | None:
    """Set the limit api."""
    changes = LimitChanges(total=total, per_key=per_key)
    return await store.set_limit("api", changes, an_act("set_limit", changes.content()))


class LimitSettingsConformance:
    """Part of ``StoreConformance``."""

    async def test_the_newest_definition_counts(self, store: Store) -> None:
        await limited(store, api=LimitSettings(total=1))
        await ask(store, *[waiter(each) for each in "abcd"])
        act = an_act("define_limit", "api: total 3")

        await store.record_limits([definition("api", LimitSettings(total=3), act)], [])
        await store.record_limits([definition("api", LimitSettings(total=3), act)], [])

        assert runs_of(await held(store, "r1")) == "a b c"
        assert await store.acts(None, 9) == [act]

    async def test_a_definition_that_is_as_before_is_no_act(self, store: Store) -> None:
        for _ in range(2):
            limit = definition("api", LimitSettings(total=1), an_act("define_limit", "api"))
            await store.record_limits([limit], [])

        assert await store.acts(None, 9) == []

    async def test_what_is_set_wins_over_the_definition(self, store: Store) -> None:
        await limited(store, api=LimitSettings(total=1))
        places = list((await ask(store, *[waiter(each) for each in "abcdefg"])).grants)

        assert await set_to(store, total=3)
        await limited(store, api=LimitSettings(total=1))
        places = await held(store, "r1")
        assert runs_of(places) == "a b c"

        await set_to(store, total=1)
        assert await gives(store, *places[:2]) == ""
        assert await gives(store, places[2]) == "d"

        await set_to(store, total=0)
        assert await gives(store, *await held(store, "r1")) == ""

        await set_to(store, total=NO_LIMIT)
        assert runs_of(await held(store, "r1")) == "e f g"
        unknown = await store.set_limit("none", LimitChanges(total=1), an_act("set_limit", "none"))
        assert unknown is None

    async def test_a_change_gives_more_places_than_one_transaction_does(self, store: Store) -> None:
        number = MOST_AT_ONCE + 5
        await limited(store, api=LimitSettings(total=0))
        await ask(store, *[waiter(f"run{each:03}") for each in range(number)])

        await set_to(store, total=number)

        assert len(await held(store, "r1")) == number

    async def test_a_change_is_an_act_of_its_caller(self, store: Store) -> None:
        await limited(store, api=LimitSettings(total=1))
        act = an_act("set_limit", "api: total 3")

        assert await store.set_limit("api", LimitChanges(total=3), act) is True
        assert await store.set_limit("api", LimitChanges(total=3), an_act("again")) is False

        assert await store.acts(None, 9) == [act]
        (row,) = await store.list_limits()
        assert row.changed_by == "ann"
        assert row.changed_at is not None
        assert LimitChanges.read(row.changes) == LimitChanges(total=3)

    async def test_a_limit_goes_back_to_its_definition(self, store: Store) -> None:
        await limited(store, api=LimitSettings(total=2))
        await set_to(store, total=0)
        await ask(store, *[waiter(each) for each in "abc"])
        act = an_act("clear_limit", "api")

        assert await store.set_limit("api", None, act) is True
        assert await store.set_limit("api", None, an_act("again")) is False

        assert runs_of(await held(store, "r1")) == "a b"
        assert act in await store.acts(None, 9)
        (row,) = await store.list_limits()
        assert row[2:] == ("{}", row.recorded_at, None, None)

    async def test_keys_without_a_bound_of_their_own_have_the_places_of_all(
        self, store: Store
    ) -> None:
        await limited(store, api=LimitSettings(per_key=1))
        await ask(store, *[waiter(each, ANN) for each in "abc"])

        await set_to(store, per_key=NO_LIMIT)

        assert runs_of(await held(store, "r1")) == "a b c"

    async def test_a_key_has_the_places_that_are_set(self, store: Store) -> None:
        await limited(store, api=LimitSettings(per_key=1))
        await ask(store, *[waiter(each, ANN) for each in "abc"], waiter("d", BOB))

        await set_to(store, per_key=2)

        assert sorted(each.run_id for each in await held(store, "r1")) == ["a", "b", "d"]

    async def test_people_see_how_much_of_a_limit_is_in_use(self, store: Store) -> None:
        await limited(store, api=LimitSettings(per_key=1, total=9), gpu=LimitSettings(total=1))
        await ask(store, waiter("a", ANN), waiter("b", GPU))
        await ask(store, waiter("c", ANN, since=NOW + 2, units=3), waiter("d", ANN, since=NOW + 1))
        await ask(store, waiter("e", BOB), waiter("f", BOB, GPU, since=NOW + 4))

        api, gpu = await store.limit_loads(9)

        assert (api.row.name, api.load.held, api.load.waiting) == ("api", 2, 5)
        assert api.load.oldest == NOW + 1
        assert (gpu.row.name, gpu.load) == ("gpu", Load(1, 0, 0, None))
        (api, _) = await store.limit_loads(1)
        assert api.load.waiting in (1, 3)

    async def test_people_see_the_keys_of_a_limit(self, store: Store) -> None:
        await limited(store, api=LimitSettings(per_key=1), aph=LimitSettings(total=1))
        others: Need = ("aph", '"ann"')
        held = (await ask(store, waiter("a", ANN), waiter("b", BOB), waiter("x", others))).grants
        early, late = waiter("d", BOB, since=NOW + 1), waiter("c", ANN, since=NOW + 2)
        last = waiter("e", ANN, since=NOW + 3)
        await ask(store, last, late, early, waiter("y", others))

        look = await store.look_at_limit("api", None, 9)

        assert look is not None
        assert look.limit == (await store.limit_loads(9))[1]
        assert look.limit.load == Load(2, 0, 3, NOW + 1)
        assert look.keys == [(BOB[1], Load(1, 0, 1, NOW + 1)), (ANN[1], Load(1, 0, 2, NOW + 2))]
        assert look.holders == list(held[:2])
        assert look.waiters == [early, late, last]
        assert await store.look_at_limit("none", None, 9) is None

        first = await store.look_at_limit("api", None, 1)
        assert first is not None
        assert [first.keys, first.holders, first.waiters] == [look.keys[:1], [held[0]], [early]]

        ann = await store.look_at_limit("api", ANN[1], 9)
        assert ann is not None
        assert [ann.keys, ann.holders, ann.waiters] == [look.keys[1:], [held[0]], [late, last]]

    async def test_people_see_the_workflows_of_holders_and_waiters(self, store: Store) -> None:
        await limited(store, api=LimitSettings(total=1))
        await submit(store, *[new_run(each, workflow=f"flow_{each}") for each in "abz"])
        await ask(store, waiter("a"), waiter("b"), waiter("c"))

        look = await store.look_at_limit("api", None, 9)

        assert look is not None
        assert look.workflows == {"a": "flow_a", "b": "flow_b"}

    async def test_a_limit_that_is_full_as_a_whole_is_waited_for_as_a_whole(
        self, store: Store
    ) -> None:
        await limited(store, api=LimitSettings(total=1))
        await ask(store, waiter("a", ANN), waiter("b", BOB))

        look = await store.look_at_limit("api", None, 9)

        assert look is not None
        assert look.limit.load == Load(1, 0, 1, NOW)
        assert look.keys == [(ANN[1], Load(1, 0, 0, None))]
        assert [each.run_id for each in look.waiters] == ["b"]
