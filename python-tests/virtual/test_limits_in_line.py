"""Runs that wait for places begin whatever happens meanwhile, in virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from model.limited_bodies import Bodies, limited, no_place_is_left, run_all
from model.quiet import quiet
from model.virtual_engine import World, world
from virtual.test_limits import (
    HOUR,
    LEASE,
    MINUTE,
    PAUSE,
    RESUME,
    an_act,
)
from virtual.test_limits_of_runs import nightly

from cloaca_core.definition.context import Context
from cloaca_core.definition.limits.limit import Limit
from cloaca_core.definition.registry import Registry
from cloaca_core.errors import StoreUnavailableError
from cloaca_core.features.limits.recorder import LimitRecorder
from cloaca_core.features.limits.records import IN_LINE
from cloaca_core.store.batch import Batch, Committed
from cloaca_core.store.runs import OnCommit
from cloaca_core.values.limits.rates import Rate
from cloaca_core.values.limits.settings import LimitChanges

pytestmark = pytest.mark.virtual_time


SHORT = 1
"""Seconds for which a run that waits stays in memory."""


async def test_a_run_that_asks_again_is_not_given_back_by_the_answer_to_its_first_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with world() as w:
        bodies = Bodies(HOUR)
        nightly(w, bodies)
        program = await w.start(evict_after_seconds=SHORT)
        await program.submit()
        await quiet()
        ask, commit = program.store.ask_places, program.store.commit
        first_answer = asyncio.Event()
        asked: list[bool] = []

        async def ask_slowly(*given: Any, **options: Any) -> Any:
            asked.append(True)
            answer = await ask(*given, **options)
            if len(asked) == 1:
                await first_answer.wait()
            return answer

        async def commit_slowly(batch: Batch, on_commit: OnCommit | None = None) -> Committed:
            if batch.of(IN_LINE):
                await asyncio.sleep(0.5)
            return await commit(batch, on_commit)

        monkeypatch.setattr(program.store, "ask_places", ask_slowly)
        second = await program.submit()
        await quiet()
        await program.engine.steering.pause([second], PAUSE, None, children=True)
        await quiet()
        await program.engine.steering.resume([second], RESUME)
        await quiet()
        monkeypatch.setattr(program.store, "commit", commit_slowly)
        first_answer.set()
        await program.wait(second)

        assert bodies.begun == pytest.approx([0, HOUR], abs=1)
        assert no_place_is_left(w)


@pytest.mark.parametrize("of_runs", [True, False])
@pytest.mark.parametrize("dies", [True, False])
async def test_what_waits_begins_though_the_newest_workflow_has_no_limit(
    *, of_runs: bool, dies: bool
) -> None:
    async with world() as w:
        bodies = Bodies(HOUR)
        if of_runs:
            nightly(w, bodies)
        else:
            limited(w, bodies, Limit("nightly", total=1))
        old = await w.start(evict_after_seconds=SHORT, lease_seconds=LEASE)
        runs = [await old.submit() for _ in range(3)]
        await asyncio.sleep(30)
        without_limits(w, bodies)
        new = await w.start(lease_seconds=LEASE)
        if dies:
            old.store.answers.clear()
        else:
            await old.stop()

        for each in runs:
            await new.wait(each)


def without_limits(w: World, bodies: Bodies) -> None:
    """Programs that are started from now on have another definition of the workflow."""
    w.registry = Registry()

    async def body(context: Context) -> None:
        await bodies(context)

    w.define(body)


async def test_a_rate_that_is_raised_counts_for_runs_that_have_left_memory() -> None:
    async with world() as w:
        bodies = Bodies()
        nightly(w, bodies, Limit("nightly", rate="1/h"))
        program = await w.start()
        runs = [await program.submit() for _ in range(4)]
        await asyncio.sleep(10)

        await w.store.set_limit("nightly", LimitChanges(rate=Rate(1, MINUTE, 1)), an_act(1))
        for each in runs:
            await program.wait(each)

        # The state of the rate is bounded by one interval of the new one.
        assert bodies.begun == pytest.approx([0, 70, 130, 190], abs=1)


async def test_a_runner_that_ends_leaves_its_look_at_a_rate_to_others() -> None:
    async with world() as w:
        bodies, others = Bodies(), Bodies()
        nightly(w, bodies, Limit("nightly", rate="1/m"))

        async def body(context: Context) -> None:
            await others(context)

        w.define(body, "other", of_runs=(Limit("daily", rate="1/h"),))
        ending, other = [await w.start(lease_seconds=LEASE) for _ in range(2)]
        for _ in range(3):
            await other.submit("other")
        await asyncio.sleep(1)
        runs = [await other.submit()]
        await asyncio.sleep(1)
        runs += [await ending.submit() for _ in range(5)]
        await asyncio.sleep(1)

        await ending.stop()
        for each in runs:
            await other.wait(each)

        assert bodies.begun == pytest.approx([60 * each for each in range(6)], abs=5)


async def test_a_run_has_one_place_though_its_request_was_carried_out_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with world() as w:
        bodies = Bodies(HOUR)
        nightly(w, bodies, Limit("nightly", total=2))
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
        one = await program.submit()
        await asyncio.sleep(60)
        assert len(w.store.limit_table.grants) == 1
        await program.wait(one)
        assert no_place_is_left(w)


async def test_a_limit_that_is_registered_while_the_desk_works_has_its_bounds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with world() as w:
        bodies, others = Bodies(), Bodies(HOUR)
        nightly(w, bodies)
        program = await w.start()
        tend, go_on = program.store.tend_places, asyncio.Event()

        async def tend_slowly(before: int) -> Any:
            await go_on.wait()
            return await tend(before)

        monkeypatch.setattr(program.store, "tend_places", tend_slowly)
        await asyncio.sleep(HOUR)  # the desk is looking for runs without an owner

        async def body(context: Context) -> None:
            await others(context)

        w.define(body, "late", limits=[Limit("late", total=1)])
        runs = [await program.submit("late") for _ in range(2)]
        await quiet()
        go_on.set()
        for each in runs:
            await program.wait(each)

        assert others.most == 1


async def test_a_limit_that_is_registered_as_the_program_opens_has_its_bounds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The program has recorded its limits, and does not listen to its registry yet."""
    async with world() as w:
        bodies = Bodies(HOUR)
        record = LimitRecorder.record

        async def record_first(recorder: LimitRecorder) -> None:
            await record(recorder)
            if not w.registry.workflows():
                nightly(w, bodies)

        monkeypatch.setattr(LimitRecorder, "record", record_first)
        program = await w.start()
        for each in [await program.submit() for _ in range(2)]:
            await program.wait(each)

        assert bodies.most == 1


async def test_places_are_not_lost_with_the_answer_that_names_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A second reading of what claimed runs have does not name the places of a body again: the
    desk looks for those, and the run does not leave memory in vain first.
    """
    async with world() as w:
        bodies = Bodies(HOUR)
        limited(w, bodies, Limit("nightly", total=1))
        program = await w.start(evict_after_seconds=60)
        adopt, lost = program.store.adopt_places, list[Any]()

        async def adopt_in_vain(runner_id: str, run_ids: Any) -> Any:
            found = await adopt(runner_id, run_ids)
            if not lost and any(each.grants for each in found.values()):
                lost.append(found)
                raise StoreUnavailableError("the connection was lost")
            return found

        monkeypatch.setattr(program.store, "adopt_places", adopt_in_vain)
        await run_all(program, "flow", "flow", "flow")

        assert lost
        assert bodies.begun == pytest.approx([0, HOUR, 2 * HOUR], abs=10)
        assert bodies.most == 1
        assert no_place_is_left(w)


async def test_a_limit_that_a_program_defines_anew_lets_its_runs_begin_that_left_memory() -> None:
    async with asyncio.timeout(12 * HOUR), world() as w:
        bodies = Bodies(HOUR)
        limited(w, bodies, Limit("gpu", total=1))
        program = await w.start(evict_after_seconds=SHORT)
        runs = [await program.submit() for _ in range(3)]
        await asyncio.sleep(60)
        assert [w.store.runs[each].owner is None for each in runs] == [False, True, True]

        limited(w, bodies, Limit("gpu", total=3))
        for each in runs:
            await program.wait(each)

        assert bodies.begun == pytest.approx([0, 60, 60], abs=1)
        assert no_place_is_left(w)
