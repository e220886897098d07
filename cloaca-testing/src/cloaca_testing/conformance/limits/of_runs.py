"""Contract of places that belong to runs, and of places for runs that no runner has."""

from __future__ import annotations

from cloaca_core.assembly.store import Store
from cloaca_core.features.limits.records import (
    GIVEN,
    IN_LINE,
    PLACES_BACK,
    THE_RUN,
    Given,
    Grant,
    InLine,
    Need,
    PlacesBack,
    Unclaimed,
    Waiter,
)
from cloaca_core.run.rows import Park
from cloaca_core.store.batch import Batch
from cloaca_core.values.limits.settings import LimitSettings
from cloaca_core.values.waits import NEVER
from cloaca_testing.conformance.commits import stored, submit
from cloaca_testing.conformance.limits.places import (
    ANN,
    API,
    BEAT,
    BOB,
    GPU,
    ask,
    ends,
    gives,
    held,
    limited,
    runs_of,
    waiter,
)
from cloaca_testing.conformance.limits.settings import set_to
from cloaca_testing.conformance.rows import NOW, WORKFLOW, act, new_run, run_end

ONE = LimitSettings(total=1)
LATER = NOW * 2


def of_run(run_id: str, *needs: Need, since: int = NOW, runner_id: str | None = "r1") -> Waiter:
    """A run that wants a place, by default of one limit without a key."""
    return Waiter(run_id, THE_RUN, -1, runner_id, 0, since, 1, needs or (API,))


async def parked(store: Store, *waiters: Waiter, runner_id: str = "r1", epoch: int = 1) -> Given:
    """Give the runs of these waiters back; nothing of them has begun."""
    parks = [Park(run_id, NEVER, NOW, begun=0) for run_id in {each.run_id for each in waiters}]
    lines = IN_LINE.rows([InLine(each.run_id, {each.unit: each.needs}) for each in waiters])
    fences = {each.id: epoch for each in parks}
    return await decided(store, Batch(runner_id, [], [], [], fences, parks=parks, rows=lines))


async def decided(store: Store, batch: Batch) -> Given:
    """Commit a batch: what it has given."""
    (given,) = (await store.commit(batch)).decided.get(GIVEN, frozenset((Given(),)))
    assert isinstance(given, Given)
    return given


async def ended(store: Store, grant: Grant, *, epoch: int = 1, runner_id: str = "r1") -> Given:
    """Commit the end of a run with its place."""
    rows = PLACES_BACK.rows([PlacesBack(grant.run_id, grant)])
    end = run_end(grant.run_id, epoch=epoch)
    return await decided(store, Batch(runner_id, [], [], [end], {grant.run_id: epoch}, rows=rows))


async def claimed(store: Store, *, runner_id: str = "r1") -> str:
    """The runs that a claim finds."""
    rows = await store.claim(runner_id, [WORKFLOW], 9, NOW, 0)
    return " ".join(sorted(row.id for row in rows))


class RunLimitConformance:
    """Part of ``StoreConformance``."""

    async def _two_runs(self, store: Store) -> Grant:
        """Run a has the only place, run b waits for it, without an owner."""
        await limited(store, api=ONE)
        await submit(store, new_run("a"), new_run("b"))
        (place,) = (await ask(store, of_run("a"), of_run("b"))).grants
        assert await parked(store, of_run("b")) == Given()
        return place

    async def test_a_run_gives_its_place_to_one_that_no_runner_has(self, store: Store) -> None:
        place = await self._two_runs(store)
        waiting = await stored(store, "b")
        assert (waiting.status, waiting.owner, waiting.started_at) == ("Pending", None, None)
        assert await claimed(store) == ""

        assert (await ended(store, place)).to_claim
        assert await claimed(store) == ""
        assert await store.tend_places(0) == Unclaimed(1, 0, is_left=True)
        assert (await stored(store, "b")).status == "Pending"
        assert await store.tend_places(0) == Unclaimed(is_left=True)

        assert await claimed(store, runner_id="r2") == "b"
        assert await store.adopt_places("r1", ["b"]) == {}
        (mine,) = (await store.adopt_places("r2", ["b"]))["b"].grants
        assert (mine.run_id, mine.task_id, mine.runner_id) == ("b", THE_RUN, "r2")
        assert await store.tend_places(LATER) == Unclaimed()
        assert await held(store, "r2") == [mine]

    async def test_a_place_lapses_that_no_runner_claims(self, store: Store) -> None:
        place = await self._two_runs(store)
        await ended(store, place)

        assert await store.tend_places(LATER) == Unclaimed(1, 1)

        assert await claimed(store) == "b"
        assert await store.adopt_places("r1", ["b"]) == {}
        assert runs_of((await ask(store, of_run("b"))).grants) == "b"

    async def test_the_next_run_gets_a_place_that_lapses(self, store: Store) -> None:
        place = await self._two_runs(store)
        await ask(store, of_run("c", since=NOW + 1, runner_id="r2"), runner_id="r2")
        await ended(store, place)

        assert await store.tend_places(LATER) == Unclaimed(1, 1)

        assert runs_of(await held(store, "r2")) == "c"

    async def test_a_waiter_without_a_runner_keeps_its_place_in_line(self, store: Store) -> None:
        place = await self._two_runs(store)
        await ask(store, of_run("c", since=NOW + BEAT + 1))
        await ended(store, place)
        await store.tend_places(0)
        assert await claimed(store) == "b"

    async def test_who_claims_a_run_that_still_waits_sees_since_when(self, store: Store) -> None:
        await limited(store, api=ONE)
        await submit(store, new_run("a"), new_run("b"))
        await ask(store, of_run("a"), waiter("b", since=NOW + 3))
        parks = [Park("b", None, NOW)]
        rows = IN_LINE.rows([InLine("b", {("b", "load", -1): (API,)})])
        await store.commit(Batch("r1", [], [], [], {"b": 1}, parks=parks, rows=rows))
        assert await claimed(store, runner_id="r2") == "b"

        found = await store.adopt_places("r2", ["b"])

        assert found["b"].grants == []
        assert found["b"].waiting == {("b", "load", -1): NOW + 3}
        await store.free_places("r1")
        assert len(await store.limit_waits(["b"], 9)) == 1

    async def test_a_place_that_came_as_the_run_was_given_back_is_kept(self, store: Store) -> None:
        await limited(store, api=ONE)
        await submit(store, new_run("b"))
        (place,) = (await ask(store, of_run("b"))).grants

        assert (await parked(store, of_run("b"))).to_claim

        assert await held(store, "r1") == []
        assert await gives(store, place) == ""
        assert await store.tend_places(0) == Unclaimed(1, 0, is_left=True)
        assert await claimed(store) == "b"
        assert len((await store.adopt_places("r1", ["b"]))["b"].grants) == 1

    async def test_a_run_that_was_not_given_back_keeps_its_runner(self, store: Store) -> None:
        await limited(store, api=ONE)
        await submit(store, new_run("a"), new_run("b"))
        (place,) = (await ask(store, of_run("a"), of_run("b"))).grants
        await store.cancel(["b"], act(), NOW, children=False)

        await parked(store, of_run("b"))

        assert not (await ended(store, place)).to_claim
        assert runs_of(await held(store, "r1")) == "b"

    async def test_a_run_keeps_its_place_when_its_runner_is_gone(self, store: Store) -> None:
        await limited(store, api=ONE)
        await submit(store, new_run("a"))
        await ask(store, of_run("a"))
        await store.fence("r1", 0)
        await store.free_places("r1")
        await store.take_over("r1", 9)

        asked = of_run("c", runner_id="r2")
        assert (await ask(store, asked, runner_id="r2")).grants == ()
        assert await store.tend_places(LATER) == Unclaimed()
        assert await claimed(store, runner_id="r2") == "a"
        (place,) = (await store.adopt_places("r2", ["a"]))["a"].grants
        assert runs_of((await ended(store, place, epoch=3, runner_id="r2")).grants) == "c"

    async def test_a_run_that_ends_without_an_owner_frees_its_place(self, store: Store) -> None:
        await limited(store, api=ONE)
        await submit(store, new_run("a"))
        await ask(store, of_run("a"), of_run("c", since=NOW + 1))
        parks = [Park("a", NEVER, NOW)]
        await store.commit(Batch("r1", [], [], [], {"a": 1}, parks=parks))
        assert await store.tend_places(LATER) == Unclaimed()

        await store.cancel(["a"], act(), NOW, children=False)
        assert await store.tend_places(0) == Unclaimed(0, 1)

        assert runs_of(await held(store, "r1")) == "c"

    async def test_a_run_that_is_cancelled_leaves_its_line(self, store: Store) -> None:
        place = await self._two_runs(store)
        await ask(store, of_run("c", since=NOW + 1))

        await store.cancel(["b"], act(), NOW, children=False)

        assert await store.limit_waits(["b"], 9) == []
        assert runs_of((await ended(store, place)).grants) == "c"

    async def test_a_changed_limit_wakes_runs_that_no_runner_has(self, store: Store) -> None:
        await self._two_runs(store)

        await set_to(store, total=2)

        assert await claimed(store) == "b"

    async def test_a_newer_definition_gives_to_runs_that_no_runner_has(self, store: Store) -> None:
        await limited(store, api=LimitSettings(per_key=1))
        await submit(store, new_run("a"), new_run("b"))
        await ask(store, of_run("a", ANN), of_run("b", ANN))
        await parked(store, of_run("b", ANN))

        await limited(store, api=LimitSettings(per_key=2))

        assert await claimed(store) == "b"

    async def test_a_body_of_a_parked_run_goes_on_with_its_place(self, store: Store) -> None:
        await limited(store, api=ONE)
        await submit(store, new_run("a"), new_run("b"))
        (place,) = (await ask(store, waiter("a"), waiter("b"))).grants
        parks = [Park("b", NEVER, NOW)]
        rows = IN_LINE.rows([InLine("b", {("b", "load", -1): (API,)})])
        await store.commit(Batch("r1", [], [], [], {"b": 1}, parks=parks, rows=rows))
        assert (await stored(store, "b")).status == "Waiting"

        assert (await ends(store, place)).to_claim
        await store.tend_places(0)

        assert (await stored(store, "b")).status == "Running"
        assert await claimed(store) == "b"
        (mine,) = (await store.adopt_places("r1", ["b"]))["b"].grants
        assert (mine.task_id, mine.runner_id) == ("load", "r1")
        await store.free_places("r1")
        assert await held(store, "r1") == []

    async def test_places_count_for_the_runs_below(self, store: Store) -> None:
        await limited(store, api=LimitSettings(total=9), gpu=ONE)
        runs = [new_run("a"), new_run("b", parent="a"), new_run("c", parent="b")]
        runs += [new_run("d", parent="a", detached=True), new_run("e", parent="d")]
        for each in runs:
            await submit(store, each)
        await ask(store, of_run("a", ANN), of_run("b", BOB), of_run("c", BOB), waiter("a", GPU))

        above = await store.held_above(["a", "b", "c", "d", "e", "none"])

        assert above == {"b": {ANN}, "c": {ANN, BOB}}
