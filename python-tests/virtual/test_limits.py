"""Limits in virtual time: who begins when, and where places go in the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from model.limited_bodies import Bodies, limited, no_place_is_left, run_all
from model.quiet import quiet
from model.virtual_engine import World, world as endless_world
from model.virtual_time import the_loop

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.context import Context
from cloaca_core.definition.handles.async_handle import AsyncTaskHandle
from cloaca_core.definition.limits.limit import Limit
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task
from cloaca_core.engine.order import Order
from cloaca_core.errors import StoreUnavailableError
from cloaca_core.features.limits.records import PLACES_BACK, Grant, LimitDefinition
from cloaca_core.store.acts import ActRow
from cloaca_core.store.batch import Batch, Committed
from cloaca_core.store.runs import OnCommit
from cloaca_core.values.limits.rates import Rate
from cloaca_core.values.limits.settings import LimitChanges, LimitSettings

pytestmark = pytest.mark.virtual_time

HOUR = 3600.0
MINUTE = 60_000_000
LONGEST = 12 * HOUR
LEASE = 15.0
CANCEL = Order("cancel", "ann", None)
PAUSE = Order("pause", "ann", None)
RESUME = Order("resume", "ann", None)


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    """A world in which no story takes longer than half a day: a body that waits for a place that no
    commit gives it waits for ever.
    """
    async with asyncio.timeout(LONGEST), endless_world() as made:
        yield made


async def test_a_rate_lets_bodies_begin_one_after_the_other() -> None:
    async with world() as w:
        bodies = Bodies()
        limited(w, bodies, Limit("api", rate="1/m"))
        program = await w.start()

        await run_all(program, *["flow"] * 4)

        assert bodies.begun == pytest.approx([0, 60, 120, 180], abs=0.01)
        assert no_place_is_left(w)


async def test_a_total_holds_over_two_runners_and_places_go_from_one_to_the_other() -> None:
    async with world() as w:
        bodies = Bodies(HOUR)
        limited(w, bodies, Limit("gpu", total=2))
        first, second = await w.start(), await w.start()

        ids = [await program.submit() for program in (first, first, second, second, first, second)]
        for each in ids:
            await first.wait(each)

        assert bodies.begun == pytest.approx([0, 0, HOUR, HOUR, 2 * HOUR, 2 * HOUR], abs=0.1)
        assert bodies.most == 2
        assert no_place_is_left(w)


async def test_a_runner_looks_only_for_places_behind_those_that_it_has_seen() -> None:
    """An old snapshot keeps the rows of all places that were given back."""
    async with world() as w:
        limited(w, Bodies(1), Limit("gpu", total=1))
        first, second = await w.start(), await w.start()
        looks: list[tuple[int, list[int]]] = []
        list_grants = second.store.list_grants

        async def noted(runner_id: str, after: Mapping[str, int]) -> list[Grant]:
            found = await list_grants(runner_id, after)
            looks.append((after["gpu"], [each.number for each in found]))
            return found

        second.store.list_grants = noted  # type: ignore[method-assign] # to see what is asked
        ids = [await program.submit() for program in (first, second, first, second, second)]
        for each in ids:
            await first.wait(each)

        # places go to a run of the other runner first, then to the second runner, which learns it
        later = looks[looks.index((0, [3])) + 1 :]
        assert later
        assert min(after for after, _ in later) == 3


async def test_a_retry_holds_no_place_while_it_waits_for_its_time() -> None:
    async with world() as w:
        limit, bodies = Limit("api", total=1), Bodies()
        failed: list[float] = []

        async def fails_once(_: Context) -> None:
            failed.append(the_loop().time())
            if len(failed) == 1:
                raise OSError("no connection")

        w.define(
            fails_once,
            "fails",
            limits=[limit],
            retry_attempts=2,
            retry_delay_ms=3_600_000,
            retry_max_delay_ms=3_600_000,
            retry_jitter=False,
        )
        limited(w, bodies, limit)
        program = await w.start()

        await run_all(program, "fails", "flow")

        assert bodies.begun == pytest.approx([0], abs=0.01)
        assert failed[1] - failed[0] == pytest.approx(HOUR, abs=0.01)
        assert no_place_is_left(w)


async def test_a_body_that_sleeps_gives_its_place_back_and_takes_it_again() -> None:
    async with world() as w:
        limit, bodies = Limit("api", total=1), Bodies(2 * HOUR)
        awake: list[float] = []

        async def sleeps(_: Context, handle: AsyncTaskHandle) -> None:
            began = the_loop().time()
            await handle.sleep(timedelta(hours=1))
            awake.append(the_loop().time() - began)

        w.define(sleeps, "sleeps", limits=[limit])
        limited(w, bodies, limit)
        program = await w.start(evict_after_seconds=100 * HOUR)

        await run_all(program, "sleeps", "flow")

        assert bodies.begun == pytest.approx([0], abs=0.01)
        assert awake == pytest.approx([2 * HOUR], abs=0.01)  # the place was taken until then
        assert no_place_is_left(w)


async def test_a_body_that_left_memory_asks_for_its_place_anew() -> None:
    async with world() as w:
        limit = Limit("api", total=1)
        begun: list[int] = []

        async def sleeps(_: Context, handle: AsyncTaskHandle) -> None:
            begun.append(1)
            await handle.sleep(timedelta(hours=1))

        w.define(sleeps, limits=[limit])
        program = await w.start(evict_after_seconds=1)

        await run_all(program, "flow", "flow")

        assert len(begun) == 4
        assert no_place_is_left(w)


async def test_the_places_of_a_runner_that_is_fenced_go_to_others() -> None:
    async with world() as w:
        bodies = Bodies(HOUR)
        limited(w, bodies, Limit("gpu", total=1))
        first = await w.start(lease_seconds=LEASE)
        lost = await first.submit()
        await quiet()
        second = await w.start(lease_seconds=LEASE)
        other = await second.submit()

        first.store.answers.clear()
        await second.wait(other)
        await second.wait(lost)

        assert bodies.begun[0] == pytest.approx(0, abs=0.01)
        assert bodies.begun[1] < 60
        assert len(bodies.begun) == 3
        first.store.answers.set()
        await asyncio.sleep(60)
        assert no_place_is_left(w)


@pytest.mark.parametrize("has_limits", [False, True])
async def test_a_takeover_gives_places_only_where_something_has_limits(has_limits: bool) -> None:
    """The first limits of a database may be those of the program that died."""
    async with world() as w:
        w.define(Bodies(HOUR), "flow")
        first = await w.start(lease_seconds=LEASE)
        lost = await first.submit()
        second = await w.start(lease_seconds=LEASE)
        await quiet()
        if has_limits:
            content = LimitSettings(total=1).content()
            await w.store.record_limits([LimitDefinition("gpu", content, an_act(1))], [])
        freed: list[str] = []
        free_places = second.store.free_places

        async def noted(runner_id: str) -> None:
            freed.append(runner_id)
            await free_places(runner_id)

        second.store.free_places = noted  # type: ignore[method-assign] # to see what is freed
        gone = first.runner_id
        first.store.answers.clear()
        await second.wait(lost)

        assert freed == ([gone] if has_limits else [])
        first.store.answers.set()
        await asyncio.sleep(60)


async def test_a_cancelled_run_gives_its_place_back_and_stands_in_no_line() -> None:
    async with world() as w:
        bodies = Bodies(HOUR)
        limited(w, bodies, Limit("gpu", total=1))
        program = await w.start()
        runs = [await program.submit() for _ in range(3)]
        await quiet()

        await program.engine.steering.cancel(runs[:2], CANCEL, 30.0, children=True)
        await program.wait(runs[2])

        assert bodies.begun == pytest.approx([0, 0], abs=1)
        assert no_place_is_left(w)


async def test_nothing_of_a_paused_run_gets_a_place() -> None:
    async with world() as w:
        limit, bodies, other = Limit("gpu", total=1), Bodies(HOUR), Bodies(3 * HOUR)
        limited(w, Bodies(HOUR), limit, "first")
        with WorkflowBuilder("flow", registry=w.registry):
            task(id="other")(partial(Bodies.__call__, other))
            task(id="t", limits=[limit])(partial(Bodies.__call__, bodies))
        program = await w.start()
        first, run_id = [await program.submit(name) for name in ("first", "flow")]
        await quiet()

        await program.engine.steering.pause([run_id], PAUSE, None, children=True)
        await program.wait(first)
        await asyncio.sleep(HOUR)
        await program.engine.steering.resume([run_id], RESUME)
        await program.wait(run_id)

        assert bodies.begun == pytest.approx([2 * HOUR], abs=1)
        assert no_place_is_left(w)


async def test_a_run_whose_time_limit_passes_while_it_waits_stands_in_no_line() -> None:
    async with world() as w:
        bodies = Bodies(HOUR)
        limited(w, bodies, Limit("gpu", total=1))
        limited(w, bodies, Limit("gpu", total=1), "hasty", time_limit=timedelta(minutes=30))
        program = await w.start()

        await run_all(program, "flow", "hasty")

        assert len(bodies.begun) == 1
        assert no_place_is_left(w)


async def test_a_place_goes_from_body_to_body_in_the_commit_that_frees_it() -> None:
    async with world() as w:
        bodies = Bodies(HOUR)
        limited(w, bodies, Limit("gpu", total=1))
        program = await w.start()

        await run_all(program, *["flow"] * 3)

        assert bodies.begun == pytest.approx([0, HOUR, 2 * HOUR], abs=0.01)
        assert no_place_is_left(w)


async def test_a_body_that_is_given_up_gives_its_place_back() -> None:
    """It does not end when its run is cancelled."""
    async with world() as w:
        bodies = Bodies(HOUR)

        async def stays(_: Context) -> None:
            try:
                await asyncio.sleep(HOUR)
            except asyncio.CancelledError:
                await asyncio.sleep(6 * HOUR)

        limit = Limit("gpu", total=1)
        w.define(stays, "stays", limits=[limit])
        limited(w, bodies, limit)
        program = await w.start()
        run_id = await program.submit("stays")
        await quiet()

        await program.engine.steering.cancel([run_id], CANCEL, 60, children=True)
        await run_all(program, "flow")

        assert bodies.begun[0] < HOUR
        assert no_place_is_left(w)


async def test_items_of_a_map_take_places() -> None:
    async with world() as w:
        bodies = Bodies(HOUR)
        with WorkflowBuilder("flow", registry=w.registry):

            @task(map=[1, 2, 3, 4, 5], limits=[Limit("gpu", total=2)])
            async def t(context: Context, item: int) -> None:
                await bodies(context)

        program = await w.start()
        await run_all(program, "flow")

        assert len(bodies.begun) == 5
        assert bodies.most == 2
        assert no_place_is_left(w)


async def test_a_key_that_is_missing_fails_the_task_at_once() -> None:
    async with world() as w:
        bodies = Bodies()

        async def body(context: Context) -> None:
            await bodies(context)

        w.define(body, limits=[Limit("api", per_key=1).key("customer")], retry_attempts=3)
        program = await w.start()

        ended = await program.execute()

        assert ended.row.status == "Failed"
        assert "customer" in (ended.row.error_message or "")
        assert not bodies.begun


async def unavailable(*_: object, **__: object) -> Any:
    raise StoreUnavailableError("the database does not answer")


async def test_a_runner_that_leaves_has_freed_its_places_before_its_row_goes() -> None:
    """Nobody looks for the places of a runner without a row: they would stay taken if its process
    died in between.
    """
    async with world() as w:
        limited(w, Bodies(HOUR), Limit("gpu", total=1))
        program = await w.start()
        await program.submit()
        await program.submit()
        await quiet()
        assert not no_place_is_left(w)
        seen: list[bool] = []
        removes = program.store.unregister
        program.store.ask_places = unavailable  # type: ignore[method-assign] # nor does the desk

        async def unregister(runner_id: str) -> None:
            seen.append(no_place_is_left(w))
            await removes(runner_id)

        program.store.unregister = unregister  # type: ignore[method-assign] # to look before it
        await program.stop()

        assert seen == [True]


async def test_a_runner_that_cannot_free_its_places_leaves_its_row_to_be_taken_over() -> None:
    async with world() as w:
        bodies = Bodies(HOUR)
        limited(w, bodies, Limit("gpu", total=1))
        program = await w.start()
        run_id = await program.submit()
        await quiet()

        program.store.free_places = unavailable  # type: ignore[method-assign] # it is away
        await program.stop()
        other = await w.start()
        await other.wait(run_id)

        assert len(bodies.begun) == 2
        assert no_place_is_left(w)


async def test_places_that_a_commit_gave_in_a_lost_answer_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with world() as w:
        bodies = Bodies(HOUR)
        limited(w, bodies, Limit("gpu", total=1))
        program = await w.start()
        commit = program.store.commit

        async def lose_answer(batch: Batch, on_commit: OnCommit | None = None) -> Committed:
            if not batch.of(PLACES_BACK):
                return await commit(batch, on_commit)
            monkeypatch.setattr(program.store, "commit", commit)
            await commit(batch)
            raise StoreUnavailableError("the answer was lost")

        monkeypatch.setattr(program.store, "commit", lose_answer)
        await run_all(program, "flow", "flow")

        assert bodies.begun == pytest.approx([0, HOUR], abs=10)
        assert no_place_is_left(w)


async def test_places_that_a_look_finds_before_the_answer_of_their_commit_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Their body has begun by then, and must not lose them to another one."""
    async with world() as w:
        bodies = Bodies(1)  # the runs do not leave meanwhile
        limited(w, bodies, Limit("gpu", total=1))
        program = await w.start()
        commit = program.store.commit

        async def answer_late(batch: Batch, on_commit: OnCommit | None = None) -> Committed:
            if not batch.of(PLACES_BACK):
                return await commit(batch, on_commit)
            committed = await commit(batch)
            program.engine.subjects.claimable.publish()
            await asyncio.sleep(0.1)  # the look has its answer first
            if on_commit is not None:
                on_commit(committed)
            return committed

        monkeypatch.setattr(program.store, "commit", answer_late)
        await run_all(program, "flow", "flow", "flow")

        assert bodies.begun == pytest.approx([0, 1, 2], abs=0.5)
        assert no_place_is_left(w)


async def test_places_that_were_given_twice_as_a_request_was_late_go_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first request is carried out after the runner has looked, and before the second."""
    async with world() as w:
        bodies = Bodies(HOUR)
        limited(w, bodies, Limit("gpu", total=2))
        program = await w.start()
        ask_places = program.store.ask_places
        late: list[tuple[Any, Any]] = []

        async def ask_late(*given: Any, **options: Any) -> Any:
            if not late:
                late.append((given, options))
                raise StoreUnavailableError("the connection was lost")
            monkeypatch.setattr(program.store, "ask_places", ask_places)
            (first,) = late
            await ask_places(*first[0], **first[1])
            return await ask_places(*given, **options)

        monkeypatch.setattr(program.store, "ask_places", ask_late)
        await run_all(program, "flow")

        assert len(bodies.begun) == 1
        assert no_place_is_left(w)


def an_act(number: int) -> ActRow:
    return ActRow(f"act{number}", "", "", 0, "set_limit", "ann", "api", 1, number)


async def test_a_rate_that_another_program_raises_counts_at_once() -> None:
    async with world() as w:
        bodies = Bodies()
        limited(w, bodies, Limit("api", rate="1/h"))
        program = await w.start()
        ids = [await program.submit() for _ in range(3)]
        await quiet()

        await w.store.set_limit("api", LimitChanges(rate=Rate(1, MINUTE, 1)), an_act(1))
        for each in ids:
            await program.wait(each)

        assert bodies.begun == pytest.approx([0, 60, 120], abs=0.01)
        assert no_place_is_left(w)


async def test_a_rate_that_the_own_program_raises_counts_at_once() -> None:
    async with world() as w:
        bodies = Bodies()
        limited(w, bodies, Limit("api", rate="1/h"))
        program = await w.start()
        ids = [await program.submit() for _ in range(3)]
        await quiet()

        await program.store.set_limit("api", LimitChanges(rate=Rate(1, MINUTE, 1)), an_act(1))
        program.engine.subjects.limits.publish()
        for each in ids:
            await program.wait(each)

        assert bodies.begun == pytest.approx([0, 60, 120], abs=0.01)


async def test_a_definition_of_a_newer_program_counts_at_once() -> None:
    async with world() as w:
        bodies = Bodies(HOUR)
        limited(w, bodies, Limit("gpu", total=1))
        program = await w.start()
        ids = [await program.submit() for _ in range(3)]
        await quiet()
        newer = Registry()
        newer.register_limit(Limit("gpu", total=3))

        await w.start(registry=newer)
        for each in ids:
            await program.wait(each)

        assert bodies.begun == pytest.approx([0, 0, 0], abs=0.1)
        assert no_place_is_left(w)


async def test_a_program_asks_nothing_for_a_limit_that_stays_as_it_is() -> None:
    async with world() as w:
        limited(w, Bodies(HOUR), Limit("gpu", total=1))
        limited(w, Bodies(), Limit("api", total=1), "other")
        program, other = await w.start(), await w.start()
        for _ in range(2):
            await program.submit()
        await quiet()
        await other.store.set_limit("api", LimitChanges(total=2), an_act(1))
        await quiet()
        asked = len(program.store.asked)

        await other.store.set_limit("api", LimitChanges(total=3), an_act(2))
        await quiet()

        assert len(program.store.asked) == asked
