"""Trees of runs are hidden and deleted, in steps, by one runner at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import pytest
from model.memory_store import MemoryStore
from model.virtual_time import BEGINNING, VirtualClock, the_loop

from cloaca_core.features.upkeep.pruner import EVERY_US, SHIFT_US, Pruned, Pruner, Sweep
from cloaca_core.features.upkeep.records import Shift
from cloaca_core.store.runner_rows import RunnerName
from cloaca_core.values.ids import RunIds, first_id_of
from cloaca_core.values.states import RunStatus
from cloaca_core.values.times.instants import from_datetime
from cloaca_core.values.times.retention import DAY_US
from cloaca_testing.conformance.commits import record, submit
from cloaca_testing.conformance.rows import attempt, new_run, run_end, runner

pytestmark = pytest.mark.virtual_time

START = from_datetime(BEGINNING)
KEPT = 90 * DAY_US


class Store(MemoryStore):
    """The model by a virtual clock, which notes how many runs were deleted at once.

    ``slow`` is how long each such transaction takes, in seconds.
    """

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self.wall_clock = clock.wall
        self.slow = 0.0
        self.at_once: list[int] = []

    async def erase_runs(self, shift: Shift, run_ids: Collection[str]) -> int | None:
        self.at_once.append(len(run_ids))
        await asyncio.sleep(self.slow)
        return await super().erase_runs(shift, run_ids)


class Upkeep:
    """A store with runs, and the pruner of a runner."""

    def __init__(self, kept: int | None = KEPT, *, was_set: bool = False) -> None:
        self.clock = VirtualClock(the_loop(), BEGINNING)
        self.store = Store(self.clock)
        self.pruner = self.another(kept, was_set=was_set)

    def another(self, kept: int | None = KEPT, *, was_set: bool = False) -> Pruner:
        """The pruner of another runner."""
        return Pruner(self.store, RunIds(self.clock), self.clock, kept, was_set=was_set)

    async def add(self, *names: str, ended_at: int = START, attempts: int = 1) -> None:
        """Runs that have ended, each a child of the first."""
        await self.store.register(runner("r1"))
        ids = [first_id_of(START) + name for name in names]
        await submit(self.store, new_run(ids[0]))
        await submit(self.store, *[new_run(each, parent=ids[0]) for each in ids[1:]])
        rows = [attempt(each, f"t{n}") for each in ids for n in range(attempts)]
        ends = [run_end(each)._replace(ended_at=ended_at) for each in ids]
        await record(self.store, rows, ends)

    def left(self) -> str:
        """The runs that are there, by the last letter of their ids."""
        return "".join(sorted(run_id[-1] for run_id in self.store.runs))


async def days_pass(days: float) -> None:
    await asyncio.sleep(days * 86_400)


async def test_a_sweep_deletes_what_was_kept_long_enough() -> None:
    upkeep = Upkeep()
    await upkeep.add("a")
    await upkeep.add("b", "c", ended_at=START + DAY_US)

    await days_pass(90)
    assert (await upkeep.pruner.sweep()).pruned == Pruned()
    await days_pass(0.5)
    assert (await upkeep.pruner.sweep()).pruned == Pruned(runs=1, rows=2)
    assert upkeep.left() == "bc"
    await days_pass(1)
    assert (await upkeep.pruner.sweep()).pruned == Pruned(runs=2, rows=4)
    assert upkeep.pruner.pruned == 3


async def test_names_of_runners_go_with_the_last_runs_that_may_name_them() -> None:
    upkeep = Upkeep()
    for number in (1, 2):
        await upkeep.store.register(runner(f"r{number}"), RunnerName(number, "r", "web", 1))
    await upkeep.add("a")
    await upkeep.store.unregister("r2")

    await upkeep.pruner.sweep()
    assert list(upkeep.store.name_rows) == [1, 2]
    await days_pass(91)
    await submit(upkeep.store, new_run("z", owner=None, created_at=START + 91 * DAY_US))
    await upkeep.pruner.sweep()

    assert upkeep.left() == "z"
    assert list(upkeep.store.name_rows) == [1]


async def test_it_is_due_once_an_hour_for_all_runners() -> None:
    upkeep = Upkeep()

    assert (await upkeep.pruner.sweep()).pruned == Pruned()
    assert await upkeep.another().sweep() == Sweep(None, EVERY_US / 1e6)
    await asyncio.sleep(EVERY_US / 1e6 - 1)
    assert await upkeep.another().sweep() == Sweep(None, 1)
    await asyncio.sleep(1)
    assert (await upkeep.another().sweep()).pruned == Pruned()


async def test_a_sweep_lets_another_one_alone() -> None:
    upkeep = Upkeep()
    assert await upkeep.store.take_upkeep(Shift("x", START + 5), START, START, 2**62)

    assert await upkeep.pruner.sweep() == Sweep(None, SHIFT_US / 1e6)


async def test_one_that_died_is_followed_when_its_shift_is_over() -> None:
    upkeep = Upkeep()
    await upkeep.add("a", "b")
    await days_pass(91)
    now = upkeep.clock.wall()
    dead = Shift("x", now + SHIFT_US)
    assert await upkeep.store.take_upkeep(dead, now, now, 2**62)
    roots = [first_id_of(START) + "a"]
    assert await upkeep.store.hide_trees(dead, roots, now, now) == 1

    assert await upkeep.pruner.sweep() == Sweep(None, SHIFT_US / 1e6)
    await asyncio.sleep(SHIFT_US / 1e6)
    assert (await upkeep.pruner.sweep()).pruned == Pruned(runs=2, rows=4)


async def test_a_prune_waits_for_another_one() -> None:
    upkeep = Upkeep()
    await upkeep.add("a")
    now = upkeep.clock.wall()
    assert await upkeep.store.take_upkeep(Shift("x", now + SHIFT_US), now, now, 2**62)
    pruning = asyncio.create_task(upkeep.pruner.prune(START + 1, None))

    await asyncio.sleep(7)
    assert upkeep.left() == "a"
    await upkeep.store.leave_upkeep("x", 0)

    assert await pruning == Pruned(runs=1, rows=2)


async def test_a_prune_by_an_instant_does_not_put_off_the_sweep() -> None:
    upkeep = Upkeep()
    await upkeep.pruner.prune(START, None)
    await upkeep.pruner.prune(None, "w")
    assert (await upkeep.store.upkeep()).due_at == 0

    await upkeep.pruner.prune(None, None)
    assert (await upkeep.store.upkeep()).due_at == START + EVERY_US


async def test_a_runner_that_lost_its_shift_stops() -> None:
    upkeep = Upkeep()
    await upkeep.add("a")
    await upkeep.add("b")
    await days_pass(91)
    upkeep.store.slow = 2 * SHIFT_US / 1e6
    sweeping = asyncio.create_task(upkeep.pruner.sweep())
    await asyncio.sleep(SHIFT_US / 1e6)
    now = upkeep.clock.wall()
    assert await upkeep.store.take_upkeep(Shift("x", now + 9), now, 2**62, 2**62)

    assert (await sweeping).pruned is None
    assert upkeep.store.noted_upkeep.holder == "x"
    assert len(upkeep.store.hidden.runs) == 2


async def test_counting_changes_nothing() -> None:
    upkeep = Upkeep()
    await upkeep.add("a", "b")
    await upkeep.add("c", ended_at=START + DAY_US)

    assert await upkeep.pruner.count(START + 1, None) == Pruned(runs=2, rows=4)
    assert await upkeep.pruner.count(None, None) == Pruned()
    assert upkeep.left() == "abc"
    assert upkeep.store.noted_upkeep.holder is None


async def test_an_upgraded_database_keeps_all_until_days_are_set() -> None:
    upkeep = Upkeep()
    upkeep.store.noted_upkeep.keeps_all = True
    await upkeep.add("a")
    await days_pass(1000)

    assert (await upkeep.pruner.sweep()).pruned == Pruned()
    assert await upkeep.pruner.prune(None, None) == Pruned()
    await days_pass(1)
    assert (await upkeep.another(KEPT, was_set=True).sweep()).pruned == Pruned(runs=1, rows=2)


async def test_many_runs_go_in_small_transactions() -> None:
    upkeep = Upkeep()
    for number in range(300):
        await upkeep.add(f"{number:03}", attempts=4)

    assert await upkeep.pruner.prune(START + 1, None) == Pruned(runs=300, rows=1500)
    assert sum(upkeep.store.at_once) == 300
    assert max(upkeep.store.at_once) <= 200


async def test_a_run_with_very_many_rows_goes_bit_by_bit() -> None:
    upkeep = Upkeep()
    await upkeep.add("a", attempts=2_500)

    assert await upkeep.pruner.prune(START + 1, None) == Pruned(runs=1, rows=2_501)


async def test_slow_transactions_are_followed_by_pauses() -> None:
    upkeep = Upkeep()
    await upkeep.add("a")
    upkeep.store.slow = 0.1
    began = the_loop().time()

    await upkeep.pruner.prune(START + 1, None)

    assert the_loop().time() - began == pytest.approx(0.1 + 0.4)


async def test_a_run_that_was_begun_again_stays() -> None:
    upkeep = Upkeep()
    await upkeep.add("a")
    (row,) = upkeep.store.runs.values()
    upkeep.store.runs[row.id] = row._replace(status=RunStatus.PENDING, ended_at=None)

    assert await upkeep.pruner.prune(START + 1, None) == Pruned()
    assert upkeep.left() == "a"
