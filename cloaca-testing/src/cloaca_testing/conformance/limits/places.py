"""Contract of limits: who gets places, in which order, and who gives them back."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from cloaca_core.assembly.store import Store
from cloaca_core.features.limits.records import (
    ALL_KEYS,
    GIVEN,
    PLACES_BACK,
    Given,
    Grant,
    LimitDefinition,
    LimitWait,
    Need,
    PlacesBack,
    Unit,
    Waiter,
)
from cloaca_core.features.upkeep.records import Shift
from cloaca_core.store.batch import Batch
from cloaca_core.values.limits.rates import Rate
from cloaca_core.values.limits.settings import LimitSettings
from cloaca_testing.conformance.commits import stored, submit
from cloaca_testing.conformance.rows import NOW, attempt, new_run, runner

API: Need = ("api", ALL_KEYS)
GPU: Need = ("gpu", ALL_KEYS)
ANN: Need = ("api", '"ann"')
BOB: Need = ("api", '"bob"')
BEAT = 5_000_000
HOUR = 3_600_000_000


def waiter(
    run_id: str,
    *needs: Need,
    since: int = NOW,
    rank: int = 0,
    units: int = 1,
    runner_id: str | None = "r1",
) -> Waiter:
    """A body that wants places of these needs, by default of one limit without a key."""
    return Waiter(run_id, "load", -1, runner_id, rank, since, units, needs or (API,))


async def limited(
    store: Store, together: Sequence[Collection[str]] = (), **limits: LimitSettings
) -> None:
    """Register two runners and record limits by their names."""
    for runner_id in ("r1", "r2"):
        await store.register(runner(runner_id))
    definitions = [LimitDefinition(name, each.content()) for name, each in limits.items()]
    await store.record_limits(definitions, together)


async def ask(
    store: Store,
    *requests: Waiter,
    back: Collection[Grant] = (),
    left: Collection[Unit] = (),
    names: Collection[str] = (),
    beat: int = 0,
    runner_id: str = "r1",
) -> Given:
    """Ask for places as a runner that is not fenced."""
    given = await store.ask_places(
        runner_id, requests, back=back, left=left, names=names, beat=beat
    )
    assert given is not None
    return given


async def held(store: Store, runner_id: str) -> list[Grant]:
    """The places that a runner has."""
    return [each for each in await store.list_holders(1_000) if each.runner_id == runner_id]


def runs_of(grants: Collection[Grant]) -> str:
    """The runs that have got places, in their order."""
    return " ".join([each.run_id for each in grants])


async def got(store: Store, *requests: Waiter) -> str:
    """The runs that get places at once when they ask together."""
    return runs_of((await ask(store, *requests)).grants)


async def gives(store: Store, *grants: Grant, beat: int = 0, runner_id: str = "r1") -> str:
    """The runs of a runner that get the places that it gives back."""
    given = await ask(store, back=grants, beat=beat, runner_id=runner_id)
    return runs_of(given.grants)


async def ends(store: Store, *grants: Grant, runner_id: str = "r1", epoch: int = 1) -> Given:
    """Commit the attempts of bodies with their places."""
    fences = {each.run_id: epoch for each in grants}
    rows = PLACES_BACK.rows([PlacesBack(each.run_id, each) for each in grants])
    ended = [attempt(run_id, epoch=epoch) for run_id in fences]
    committed = await store.commit(Batch(runner_id, [], ended, [], fences, rows=rows))
    (given,) = committed.decided.get(GIVEN, frozenset((Given(),)))
    assert isinstance(given, Given)
    return given


class LimitConformance:
    """Part of ``StoreConformance``."""

    # -- what there is room for --------------------------------------------------------------

    async def test_as_many_places_are_given_as_the_total_has(self, store: Store) -> None:
        await limited(store, api=LimitSettings(total=2))

        given = await ask(store, *[waiter(each) for each in "abc"])

        assert runs_of(given.grants) == "a b"
        assert [each.number for each in given.grants] == [1, 2]
        assert [each.runner_id for each in given.grants] == ["r1", "r1"]
        assert (given.again, given.next_look) == (frozenset(), None)
        assert runs_of(await held(store, "r1")) == "a b"
        assert await held(store, "r2") == []
        assert runs_of(await store.list_grants("r1", {"api": 0})) == "a b"
        assert runs_of(await store.list_grants("r1", {"api": 1, "gpu": 0})) == "b"
        assert await store.list_grants("r1", {"gpu": 0}) == []
        assert await gives(store, given.grants[1]) == "c"
        assert runs_of(await held(store, "r1")) == "a c"

    async def test_a_blocked_key_is_passed_over(self, store: Store) -> None:
        await limited(store, api=LimitSettings(total=3, per_key=1))

        given = await ask(store, *[waiter(each, ANN) for each in "abc"])
        assert runs_of(given.grants) == "a"
        assert await got(store, waiter("d", BOB, since=NOW + 9)) == "d"
        assert await gives(store, *given.grants) == "b"

    async def test_no_key_holds_only_the_total(self, store: Store) -> None:
        await limited(store, api=LimitSettings(total=3, per_key=1))

        assert await got(store, *[waiter(each, API) for each in "abcd"]) == "a b c"

    async def test_several_limits_are_taken_together_or_not_at_all(self, store: Store) -> None:
        limits = {"api": LimitSettings(total=1), "gpu": LimitSettings(total=2)}
        await limited(store, [limits.keys()], **limits)
        (first,) = (await ask(store, waiter("a", API))).grants

        assert await got(store, waiter("b", API, GPU)) == ""
        assert await got(store, waiter("c", GPU), waiter("d", GPU, since=NOW + 1)) == "c d"
        assert await gives(store, first) == ""
        (c, d) = [each for each in await held(store, "r1") if each.needs == (GPU,)]
        given = await ask(store, back=[c])
        assert [each.needs for each in given.grants] == [(API, GPU)]
        assert await gives(store, d) == ""
        assert await got(store, waiter("e", API)) == ""

    async def test_limits_that_are_not_known_to_be_taken_together_are_looked_at_again(
        self, store: Store
    ) -> None:
        await limited(store, api=LimitSettings(total=1), gpu=LimitSettings(total=1))
        (first,) = (await ask(store, waiter("a", API))).grants
        await ask(store, waiter("b", API, GPU))

        given = await ask(store, back=[first])

        assert given.grants == ()
        assert given.again == frozenset(("api", "gpu"))
        assert runs_of((await ask(store, names=given.again)).grants) == "b"

    # -- the order ---------------------------------------------------------------------------

    async def test_the_order_is_by_rank_then_by_arrival(self, store: Store) -> None:
        await limited(store, api=LimitSettings(total=1, per_key=1))
        (first,) = (await ask(store, waiter("a"))).grants
        await ask(store, waiter("d", ANN, rank=5), waiter("c", BOB, since=NOW + 2))
        await ask(store, waiter("b", ANN, since=NOW + 1), waiter("e", rank=5, since=NOW + 3))

        order = [first.run_id]
        for _ in range(4):
            (first,) = (await ask(store, back=[first])).grants
            order.append(first.run_id)

        assert "".join(order) == "abcde"

    async def test_every_tenth_place_goes_to_the_longest_waiting(self, store: Store) -> None:
        await limited(store, api=LimitSettings(total=1))
        (place,) = (await ask(store, waiter("a"))).grants
        await ask(store, waiter("old", rank=9, since=NOW - 1))
        await ask(store, *[waiter(f"b{n}") for n in range(9)])

        order = []
        for _ in range(10):
            (place,) = (await ask(store, back=[place])).grants
            order.append(place.run_id)

        assert order == [*[f"b{n}" for n in range(8)], "old", "b8"]

    async def test_own_waiters_come_first_unless_others_are_a_beat_older(
        self, store: Store
    ) -> None:
        await limited(store, api=LimitSettings(total=2))
        one, two = (await ask(store, waiter("a"), waiter("b"))).grants
        await ask(store, waiter("c", runner_id="r2"), runner_id="r2")
        await ask(store, waiter("d", since=NOW + BEAT), waiter("e", since=NOW + BEAT + 1))

        assert await gives(store, one, beat=BEAT) == "d"
        assert await gives(store, two, beat=BEAT) == ""
        assert runs_of(await held(store, "r2")) == "c"

    async def test_items_that_want_the_same_take_turns_with_others(self, store: Store) -> None:
        await limited(store, api=LimitSettings(total=1))
        (place,) = (await ask(store, waiter("a"))).grants
        await ask(store, waiter("map", units=2), waiter("b", since=NOW + 1))

        order = []
        for _ in range(3):
            (place,) = (await ask(store, back=[place])).grants
            order.append(place.run_id)

        assert order == ["map", "b", "map"]
        assert await gives(store, place) == ""

    # -- rates -------------------------------------------------------------------------------

    async def test_a_rate_counts_by_the_clock_of_the_database(self, store: Store) -> None:
        await limited(store, api=LimitSettings(rate=Rate(50, 1_000_000, 2)))

        given = await ask(store, *[waiter(each) for each in "abcd"])

        assert runs_of(given.grants) == "a b"
        now = given.grants[0].given_at
        assert given.next_look == now + 40_000  # when both that wait may begin
        while await store.now() < given.next_look:
            pass
        assert runs_of((await ask(store, names=["api"])).grants) == "c d"

    async def test_a_rate_of_a_key_holds_nobody_else(self, store: Store) -> None:
        await limited(store, api=LimitSettings(key_rate=Rate(50, 1_000_000, 1)))

        given = await ask(store, waiter("a", ANN), waiter("b", ANN), waiter("c", BOB))

        assert runs_of(given.grants) == "a c"
        assert given.next_look == given.grants[0].given_at + 20_000
        while await store.now() < given.next_look:
            pass
        assert runs_of((await ask(store, names=["api"])).grants) == "b"

    # -- giving back -------------------------------------------------------------------------

    async def test_a_commit_gives_places_back_and_to_the_next(self, store: Store) -> None:
        await limited(store, api=LimitSettings(total=2))
        await submit(store, new_run("a"), new_run("b"))
        a, b = (await ask(store, waiter("a"), waiter("b"))).grants
        await ask(store, waiter("c"), waiter("d", since=NOW + 1))

        given = await ends(store, a, b)

        assert runs_of(given.grants) == "c d"
        again = await ends(store, a)
        assert again == Given(is_repeat=True)  # was given back before, and the answer may be lost
        assert runs_of(await held(store, "r1")) == "c d"

    async def test_a_place_goes_to_the_waiter_of_another_runner(self, store: Store) -> None:
        await limited(store, api=LimitSettings(total=1))
        await submit(store, new_run("a"))
        (place,) = (await ask(store, waiter("a"))).grants
        await ask(store, waiter("b", runner_id="r2"), runner_id="r2")

        assert (await ends(store, place)).grants == ()

        (given,) = await held(store, "r2")
        assert (given.run_id, given.number, given.runner_id) == ("b", 2, "r2")

    async def test_a_waiter_that_has_left_gets_none(self, store: Store) -> None:
        await limited(store, api=LimitSettings(total=1, per_key=1))
        (place,) = (await ask(store, waiter("a", ANN))).grants
        await ask(
            store, waiter("b", ANN), waiter("c", ANN, since=NOW + 1), waiter("d", BOB, rank=5)
        )

        await ask(store, left=[waiter("b").unit])

        assert await gives(store, place) == "c"
        (place,) = await held(store, "r1")
        assert await gives(store, place) == "d"

    async def test_who_asks_again_for_the_same_waits_once(self, store: Store) -> None:
        await limited(store, api=LimitSettings(total=1))
        (place,) = (await ask(store, waiter("a"))).grants
        await ask(store, waiter("b", runner_id="r2"), runner_id="r2")

        given = await ask(store, waiter("b"), back=[place])

        assert runs_of(given.grants) == "b"
        assert await store.limit_waits(["b"], 1) == []
        assert await gives(store, *given.grants) == ""
        assert await held(store, "r2") == []

    async def test_who_leaves_removes_no_waiter_of_another_runner(self, store: Store) -> None:
        await limited(store, api=LimitSettings(total=1))
        (place,) = (await ask(store, waiter("a"))).grants
        await ask(store, waiter("b"))
        await ask(store, waiter("b", runner_id="r2"), runner_id="r2")

        await ask(store, left=[("b", "load", -1)])
        await ask(store, back=[place])

        assert runs_of(await held(store, "r2")) == "b"

    # -- runners that are gone ---------------------------------------------------------------

    async def test_a_fenced_runner_asks_and_gives_nothing(self, store: Store) -> None:
        await limited(store, api=LimitSettings(total=2))
        await submit(store, new_run("a"))
        (place,) = (await ask(store, waiter("a"))).grants
        await store.fence("r1", 0)

        assert await store.ask_places("r1", [waiter("b")], back=[place]) is None
        assert await ends(store, place) == Given()

        assert await held(store, "r1") == [place]
        asked = [waiter(each, runner_id="r2") for each in "cd"]
        assert runs_of((await ask(store, *asked, runner_id="r2")).grants) == "c"

    async def test_the_places_of_a_runner_that_is_gone_go_to_others(self, store: Store) -> None:
        await limited(store, api=LimitSettings(total=2))
        await ask(store, *[waiter(each) for each in "ab"], waiter("c", since=NOW + 5))
        asked = [waiter(each, since=NOW + n, runner_id="r2") for n, each in enumerate("def")]
        await ask(store, *asked, runner_id="r2")
        await store.fence("r1", 0)

        await store.free_places("r1")
        await store.free_places("r1")

        assert await held(store, "r1") == []
        given = await held(store, "r2")
        assert runs_of(given) == "d e"
        assert await gives(store, given[0], runner_id="r2") == "f"
        assert await gives(store, given[1], runner_id="r2") == ""
        assert await held(store, "r1") == []  # c is the waiter of no runner

    # -- upkeep ------------------------------------------------------------------------------

    async def test_keys_that_are_not_in_use_are_forgotten(self, store: Store) -> None:
        await limited(
            store, api=LimitSettings(per_key=1), slow=LimitSettings(key_rate=Rate(1, HOUR, 1))
        )
        keys: list[Need] = [("api", f'"{each}"') for each in "123"]
        used = (await ask(store, *[waiter(each[1], each) for each in keys])).grants
        await ask(store, waiter("waits", keys[0]))
        slow = (await ask(store, waiter("s", ("slow", '"1"')))).grants
        await ask(store, back=[used[1], *slow])
        now = await store.now()
        shift = Shift("p", NOW * 2)
        await store.take_upkeep(shift, NOW, NOW, NOW)

        (idle,) = await store.idle_limit_keys(now, "", 9)
        assert await store.idle_limit_keys(now, idle, 9) == []
        assert len(await store.idle_limit_keys(now + 2 * HOUR, "", 9)) == 2
        assert await store.erase_limit_keys(Shift("q", NOW), [idle], now) is None
        assert await store.erase_limit_keys(shift, [idle], now) == 1
        assert await store.erase_limit_keys(shift, [idle], now) == 0
        assert await got(store, waiter("x", keys[1]), waiter("y", keys[1])) == "x"
        assert await store.idle_limit_keys(now, "", 9) == []

    async def test_people_see_who_waits_and_who_holds_places(self, store: Store) -> None:
        await limited(store, api=LimitSettings(per_key=1), gpu=LimitSettings(total=1))
        held = (await ask(store, waiter("a", ANN), waiter("b", GPU))).grants
        await ask(store, waiter("c", ANN, GPU), waiter("d", BOB, GPU))

        assert await store.limit_waits(["c"], 9) == [LimitWait("c", "load", -1, ANN, NOW)]
        assert await store.limit_waits(["d"], 9) == [LimitWait("d", "load", -1, GPU, NOW)]
        both = await store.limit_waits(["d", "a", "c"], 9)
        assert [each.run_id for each in both] == ["c", "d"]
        assert await store.limit_waits(["a"], 9) == []
        assert await store.list_holders(9) == list(held)
        assert await store.list_holders(1) == [held[0]]
        known = {each.name: LimitSettings.read(each.content) for each in await store.list_limits()}
        assert known == {"api": LimitSettings(per_key=1), "gpu": LimitSettings(total=1)}

    async def test_limits_hold_no_run(self, store: Store) -> None:
        await limited(store, api=LimitSettings(total=1))
        await submit(store, new_run("a"))
        (place,) = (await ask(store, waiter("a"))).grants

        await ends(store, place)

        assert (await stored(store, "a")).owner == "r1"
