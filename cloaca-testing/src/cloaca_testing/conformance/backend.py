"""Contract of a backend: several stores, in one process and in several, on one database.

Children are started with *spawn*, open the database by its URL and return plain values, so the
backend object must be picklable. They wait at a barrier before they compete. The tests of a class
share them, since each imports the backend and pytest.
"""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing.synchronize import Barrier
from typing import Any, TypeAlias, TypeVar

import pytest
import pytest_asyncio

from cloaca_core.assembly.open_store import open_store
from cloaca_core.assembly.store import Store
from cloaca_core.errors import StoreError
from cloaca_core.features.upkeep.records import Shift
from cloaca_core.features.waits.records import TIMEOUTS
from cloaca_core.run.rows import AttemptRow
from cloaca_core.store.acts import Acted
from cloaca_core.store.batch import Batch, Committed
from cloaca_core.store.messages import Sent
from cloaca_core.store.protocol import Backend, StoreOptions
from cloaca_core.values.states import RunStatus, TaskStatus
from cloaca_core.values.waits import NEVER
from cloaca_testing.conformance.commits import note, park, record, stored, submit
from cloaca_testing.conformance.rows import (
    NOW,
    WORKFLOW,
    act,
    any_run,
    approval,
    attempt,
    decision,
    message,
    new_run,
    run_end,
    runner,
    timeout,
    wait,
)
from cloaca_testing.conformance.store import StoreConformance

T = TypeVar("T")
Job: TypeAlias = Callable[[Store, int], Coroutine[Any, Any, T]]
"""The work of a child, given its store and its number."""

PROCESSES = 4
WAITING_RUNS = 2_000
_STARTUP_S = 60


class BackendConformance(StoreConformance):
    """Set ``backend`` and define a fixture ``url`` of a database that no other test uses.

    It has no rows, but may have its tables: then define ``new_url`` as well.
    """

    backend: Backend

    @pytest.fixture
    def new_url(self, url: str) -> str:
        """The URL of a database that was never opened."""
        return url

    @pytest_asyncio.fixture
    async def store(self, url: str) -> AsyncIterator[Store]:
        """An open, empty store."""
        store = await open_store(self.backend, url, StoreOptions())
        yield store
        await store.close()

    async def test_its_urls_are_accepted(self, url: str) -> None:
        self.backend.check_url(url)

    async def test_it_is_usable_here(self) -> None:
        assert self.backend.unusable_reason is None

    async def test_it_may_be_written_unless_its_url_says_otherwise(self, store: Store) -> None:
        assert store.writable

    async def test_a_closed_store_says_so(self, store: Store) -> None:
        await store.close()

        with pytest.raises(StoreError, match="closed"):
            await store.get_run("a")
        with pytest.raises(StoreError, match="closed"):
            await submit(store, new_run("a"))

    async def test_closing_ends_a_wait_for_changes(self, store: Store) -> None:
        waiting = asyncio.create_task(_changes(store, 3))
        await asyncio.sleep(0)

        await store.close()

        await asyncio.wait({waiting}, timeout=_STARTUP_S)
        assert waiting.done()
        waiting.exception()


class SharedBackendConformance(BackendConformance):
    """Adds several stores and processes on one database."""

    @pytest_asyncio.fixture
    async def second(self, url: str) -> AsyncIterator[Store]:
        """Another store on the database of ``store``."""
        second = await open_store(self.backend, url, StoreOptions())
        yield second
        await second.close()

    async def test_what_is_closed_is_there_when_it_is_opened_again(
        self, store: Store, url: str
    ) -> None:
        await submit(store, new_run("a", owner=None))
        before = await store.get_run("a")
        await store.close()

        again = await self.backend.open(url, StoreOptions())
        try:
            assert await again.get_run("a") == before
        finally:
            await again.close()

    async def test_a_commit_is_seen_by_the_other_store_at_once(
        self, store: Store, second: Store
    ) -> None:
        for name in "abc":
            await submit(store, new_run(name, owner=None))
            assert await second.get_run(name) == await store.get_run(name)

    async def test_what_has_landed_is_seen_by_others(self, store: Store, url: str) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        seen: list[list[AttemptRow]] = []

        def landed(_: Committed) -> None:
            with ThreadPoolExecutor(1) as pool:  # this thread may have a running loop
                seen.append(pool.submit(asyncio.run, self._attempts(url)).result())

        await store.commit(Batch("r1", [], [attempt("a")], [], {"a": 1}), landed)

        assert seen == [[attempt("a")]]

    async def _attempts(self, url: str) -> list[AttemptRow]:
        other = await self.backend.open(url, StoreOptions())
        try:
            return await other.load_attempts(["a"])
        finally:
            await other.close()

    async def test_a_stale_owner_in_another_store_is_refused(
        self, store: Store, second: Store
    ) -> None:
        await store.register(runner("r1"))
        await second.register(runner("r2"))
        await submit(store, new_run("a"))
        await second.fence("r1", 0)
        await second.take_over("r1", 10)
        (taken,) = await second.claim("r2", [WORKFLOW], 1, NOW)

        committed = await record(store, [attempt("a")], [run_end("a")])

        assert committed.current == set()
        assert await store.get_run("a") == taken._replace(claimable_at=0)
        assert await second.load_attempts(["a"]) == []

    async def test_a_beat_and_a_fence_never_both_win(self, store: Store, second: Store) -> None:
        for number in range(20):
            name = f"r{number}"
            await store.register(runner(name))

            beaten, fenced = await asyncio.gather(store.beat(name, 9), second.fence(name, 0))

            assert beaten != fenced

    # -- steering ----------------------------------------------------------------------------

    async def test_of_a_cancel_and_an_end_in_the_other_store_one_wins_for_both(
        self, store: Store, second: Store
    ) -> None:
        await store.register(runner("r1"))
        for run_id in map(str, range(20)):
            await submit(store, new_run(run_id))

            committed, acted = await asyncio.gather(
                record(store, [attempt(run_id)], [run_end(run_id)]),
                second.cancel([run_id], act(f"x{run_id}"), NOW, children=True),
            )

            run, is_cancelled = await stored(second, run_id), acted[run_id].changed
            assert run == await stored(store, run_id)
            assert (run.status == RunStatus.CANCELLED, run.ended_at) == (is_cancelled, NOW + 9)
            assert bool(committed.stop_requests) == is_cancelled

    async def test_of_a_cancel_and_a_claim_in_the_other_store_one_wins_for_both(
        self, store: Store, second: Store
    ) -> None:
        await store.register(runner("r1"))
        for run_id in map(str, range(20)):
            await submit(store, new_run(run_id, owner=None))

            claims, acted = await asyncio.gather(
                store.claim("r1", [WORKFLOW], 1, NOW),
                second.cancel([run_id], act(f"x{run_id}"), NOW, children=True),
            )

            run = await stored(store, run_id)
            assert acted == {run_id: Acted(run.status, True)}
            assert run.status == (RunStatus.CANCELLING if claims else RunStatus.CANCELLED)
            assert run.owner == ("r1" if claims else None)

    async def test_of_a_cancel_and_takeovers_in_both_stores_one_wins_for_all(
        self, store: Store, second: Store
    ) -> None:
        for n in range(20):
            name, run_id = f"r{n}", str(n)
            await store.register(runner(name))
            await submit(store, new_run(run_id, owner=name), runner_id=name)
            await store.fence(name, 0)

            *counts, acted = await asyncio.gather(
                store.take_over(name, 9),
                second.take_over(name, 9),
                second.cancel([run_id], act(f"x{run_id}"), NOW, children=True),
            )
            counts.append(await store.take_over(name, 9))

            run = await stored(store, run_id)
            assert sum(counts) == 1
            assert acted[run_id].changed
            assert (run.status, run.owner) == (RunStatus.CANCELLED, None)

    async def test_acts_ends_and_owners_that_give_up_in_both_stores_at_once_all_succeed(
        self, store: Store, second: Store
    ) -> None:
        for n in range(10):
            name, ids = f"r{n}", [f"{n}-{k:02}" for k in range(20)]
            await store.register(runner(name))
            await submit(store, *[new_run(run_id, owner=name) for run_id in ids], runner_id=name)
            await store.cancel(ids[::3], act(f"u{n}"), NOW, children=True)
            back = ids[::-1]

            await asyncio.gather(
                second.cancel(back, act(f"v{n}"), NOW, children=True),
                store.pause(ids, act(f"w{n}"), None, children=True),
                second.resume(back, act(f"x{n}")),
                record(store, ends=[run_end(run_id) for run_id in back], runner_id=name),
                second.release(name, ids[:5]),
                store.unregister(name),
            )

            runs = [await stored(store, run_id) for run_id in ids]
            assert {run.status for run in runs} <= {RunStatus.CANCELLED, RunStatus.COMPLETED}

    async def test_a_child_that_is_inserted_while_its_parent_is_steered_is_in_step_or_told(
        self, store: Store, second: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("p"))
        for n in range(40):
            children = [new_run(f"{n}-{k}", parent="p") for k in range(3)]
            pausing = n % 2 == 0
            acting = (
                second.pause(["p"], act(f"x{n}"), None, children=True)
                if pausing
                else second.resume(["p"], act(f"x{n}"))
            )

            await asyncio.gather(acting, submit(store, *children))

            while parents := (await store.news("r1", [], 9)).parents:
                for parent in parents:
                    late = await second.children_out_of_step([parent.run_id], 9)
                    ids = [run_id for _, run_id in late]
                    step = act(f"y{n}{'-'.join(ids)}")
                    await second.bring_into_step(parent.run_id, ids, step)
                await second.forget_children([parent.run_id for parent in parents])
            runs = await store.list_runs(any_run())
            paused = {run.id for run in runs if run.status == RunStatus.PAUSED}
            assert paused == ({run.id for run in runs} if pausing else set())

    # -- messages ----------------------------------------------------------------------------

    async def test_of_a_message_and_a_timeout_in_the_other_store_one_comes_first_for_both(
        self, store: Store, second: Store
    ) -> None:
        await store.register(runner("r1"))
        for run_id in map(str, range(20)):
            await submit(store, new_run(run_id))
            await note(store, approval(run_id))
            over = timeout(approval(run_id))
            asked = [note(store, timeouts=[over]), second.send(decision("m", run_id), 9)]

            committed, sent = await _in_order(asked, backwards=run_id in "02468")

            assert isinstance(committed, Committed)
            assert isinstance(sent, Sent)
            timed_out = committed.of(TIMEOUTS) == {over}
            assert (committed.messages == {}) == timed_out
            assert sent.refusal == ("decided" if timed_out else "")
            assert len(await store.messages([run_id])) == int(not timed_out)

    async def test_a_message_beside_a_park_in_the_other_store_wakes_the_run(
        self, store: Store, second: Store
    ) -> None:
        await store.register(runner("r1"))
        for run_id in map(str, range(20)):
            await submit(store, new_run(run_id))
            await note(store, wait(run_id))
            asked = [park(store, run_id, NEVER), second.send(message("m", run_id), 9)]

            await _in_order(asked, backwards=run_id in "02468")

            (claimed,) = await second.claim("r1", [WORKFLOW], 9, NOW)
            assert (claimed.id, claimed.messages) == (run_id, 1)

    async def test_senders_in_two_stores_get_different_numbers(
        self, store: Store, second: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        sent = [
            each.send(message(f"m{n}", key=f"k{n % 7}"), 99)
            for n in range(10)
            for each in (store, second)
        ]

        answers = await asyncio.gather(*sent)

        numbers = [each.number for each in await store.messages(["a"])]
        assert numbers == [*range(1, 8)]
        assert sorted(a.number or 0 for a in answers if a is not None and a.changed) == numbers
        assert (await stored(store, "a")).messages == 7

    async def test_of_messages_to_a_run_that_is_deleted_nothing_is_left(
        self, store: Store, second: Store
    ) -> None:
        await store.register(runner("r1"))
        shift = Shift("h", NOW)
        assert await store.take_upkeep(shift, NOW, 2**61, 2**61)
        for run_id in map(str, range(10)):
            await submit(store, new_run(run_id))
            await second.send(message("m", run_id, key="k"), 9)

            *sent, _ = await asyncio.gather(
                second.send(message("n", run_id), 9),
                second.send(message("o", run_id, key="k"), 9),
                _deleted(store, shift, run_id),
            )

            assert all(each is None or not each.changed or each.number == 2 for each in sent)
            assert await store.get_run(run_id) is None
            assert await second.sent(run_id, 9) == []

    # -- changes -----------------------------------------------------------------------------

    async def test_a_change_by_the_other_store_ends_the_wait(
        self, store: Store, second: Store
    ) -> None:
        waiting = asyncio.create_task(_changes(store, 3))
        for name in "abcdefgh":
            await submit(second, new_run(name, owner=None))
            await asyncio.wait({waiting}, timeout=3)
            if waiting.done():
                break

        await asyncio.wait_for(waiting, _STARTUP_S)

    # -- processes ---------------------------------------------------------------------------

    @pytest.fixture(scope="class")
    @classmethod
    def processes(cls) -> Iterator[_Processes]:
        found = _Processes()
        yield found
        found.close()

    async def test_processes_may_open_a_new_database_at_once(
        self, processes: _Processes, new_url: str
    ) -> None:
        opened = await processes.run(self.backend, new_url, _open_and_close)

        assert opened == [True] * PROCESSES

    async def test_processes_never_claim_a_run_twice(
        self, processes: _Processes, store: Store, url: str
    ) -> None:
        names = [f"{number:05}" for number in range(WAITING_RUNS)]
        await submit(store, *[new_run(name, owner=None) for name in names])

        shares = await processes.run(self.backend, url, _claim_everything)

        assert sorted(name for share in shares for name in share) == names

    async def test_processes_take_a_dead_runner_over_once(
        self, processes: _Processes, store: Store, url: str
    ) -> None:
        names = [f"{number:03}" for number in range(300)]
        await store.register(runner("dead"))
        await submit(store, *[new_run(name, owner="dead") for name in names], runner_id="dead")
        marks = [attempt(name, status=TaskStatus.RUNNING) for name in names]
        await record(store, marks, runner_id="dead")

        freed = await processes.run(self.backend, url, _take_over_the_dead)

        assert sum(freed) == len(names)
        assert await store.load_attempts(names) == [mark._replace(crashes=1) for mark in marks]
        assert await store.runners() == []

    async def test_processes_sharing_a_key_agree_on_one_run(
        self, processes: _Processes, store: Store, url: str
    ) -> None:
        winners = await processes.run(self.backend, url, _submit_one_key)

        assert len({tuple(share) for share in winners}) == 1
        assert [run.id for run in await store.ended(winners[0])] == []
        assert [await store.get_run(name) is not None for name in winners[0]] == [True] * 20

    async def test_processes_writing_at_once_all_succeed(
        self, processes: _Processes, store: Store, url: str
    ) -> None:
        counts = await processes.run(self.backend, url, _run_to_the_end)

        assert counts == [50] * PROCESSES
        assert len(await store.ended([f"{n}-{k:02}" for n in range(4) for k in range(50)])) == 200


async def _in_order(
    asked: Sequence[Coroutine[Any, Any, object]], *, backwards: bool
) -> list[object]:
    """Begin these operations in their order, or the last one first; answers in their order."""
    tasks = [asyncio.create_task(each) for each in asked[:: -1 if backwards else 1]]
    answers = await asyncio.gather(*tasks)
    return answers[:: -1 if backwards else 1]


async def _deleted(store: Store, shift: Shift, run_id: str) -> None:
    """End a run, and delete it."""
    await record(store, ends=[run_end(run_id)])
    await store.hide_trees(shift, [run_id], NOW + 10, NOW)
    await store.erase_runs(shift, [run_id])


async def _changes(store: Store, count: int) -> None:
    """Wait for ``count`` changes; the first wait may end for no reason."""
    for _ in range(count):
        await store.wait_changed()


class _Processes:
    """Children that start a job together, one after the other."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        barrier = context.Barrier(PROCESSES)
        self._pool = ProcessPoolExecutor(PROCESSES, context, _keep_barrier, (barrier,))

    async def run(self, backend: Backend, url: str, job: Job[T]) -> list[T]:
        """Run the job in each of ``PROCESSES`` processes; return the results."""
        loop = asyncio.get_running_loop()
        # A process that waits at the barrier takes no other job.
        shares = [
            loop.run_in_executor(self._pool, _in_child, backend, url, job, number)
            for number in range(PROCESSES)
        ]
        return await asyncio.gather(*shares)

    def close(self) -> None:
        self._pool.shutdown()


_barriers: list[Barrier] = []


def _keep_barrier(barrier: Barrier) -> None:
    """Store the barrier in the child: it can be passed only when the child starts."""
    _barriers.append(barrier)


def _in_child(backend: Backend, url: str, job: Job[T], number: int) -> T:
    return asyncio.run(_with_store(backend, url, job, number))


async def _with_store(backend: Backend, url: str, job: Job[T], number: int) -> T:
    await asyncio.to_thread(_barriers[0].wait, _STARTUP_S)
    store = await open_store(backend, url, StoreOptions())
    try:
        return await job(store, number)
    finally:
        await store.close()


async def _open_and_close(store: Store, _: int) -> bool:
    return await store.runners() == []


async def _claim_everything(store: Store, number: int) -> list[str]:
    await store.register(runner(f"r{number}"))
    claimed: list[str] = []
    while runs := await store.claim(f"r{number}", [WORKFLOW], 9, NOW):
        claimed += [run.id for run in runs]
    return claimed


async def _take_over_the_dead(store: Store, _: int) -> int:
    if not await store.fence("dead", 0):
        return 0
    freed = 0
    while count := await store.take_over("dead", 7):
        freed += count
    return freed


async def _submit_one_key(store: Store, number: int) -> list[str]:
    """Submit twenty keys and return the run of each."""
    winners = []
    for key in map(str, range(20)):
        mine = f"{key}-of-{number}"
        committed = await submit(store, new_run(mine, owner=None, key=key))
        winners.append(committed.existing.get(mine, mine))
    return winners


async def _run_to_the_end(store: Store, number: int) -> int:
    """Submit, record and end runs one by one, as a busy runner does beside others."""
    me = f"r{number}"
    await store.register(runner(me))
    store.set_contended(contended=True)
    ended = 0
    for name in [f"{number}-{k:02}" for k in range(50)]:
        await submit(store, new_run(name, owner=me), runner_id=me)
        ended += len((await record(store, [attempt(name)], [run_end(name)], runner_id=me)).current)
    return ended
