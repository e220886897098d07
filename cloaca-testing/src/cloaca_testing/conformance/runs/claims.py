"""Contract of ``claim``, ``load_attempts`` and ``release``."""

from __future__ import annotations

import asyncio

from cloaca_core.assembly.store import Store
from cloaca_core.values.states import RunStatus, TaskStatus
from cloaca_testing.conformance.commits import record, stored, submit
from cloaca_testing.conformance.rows import LATER, NOW, WORKFLOW, attempt, new_run, run_end, runner


class ClaimConformance:
    """Part of ``StoreConformance``."""

    # -- claim -------------------------------------------------------------------------------

    async def test_a_claim_takes_the_oldest_runs_of_its_workflows(self, store: Store) -> None:
        await store.register(runner("r1"))
        other = "public::embedded::other"
        third = "public::embedded::third"
        await submit(
            store,
            new_run("d", owner=None),
            new_run("a", owner=None, workflow=third),
            new_run("c", owner=None, workflow=other),
            new_run("b", owner=None),
        )

        claimed = await store.claim("r1", [WORKFLOW, other], 2, LATER)

        assert [run.id for run in claimed] == ["b", "c"]
        assert {run.claimable_at for run in claimed} == {NOW}
        rows = [run._replace(claimable_at=0) for run in claimed]  # only a claim tells it
        assert rows == [await store.get_run("b"), await store.get_run("c")]
        assert {(r.owner, r.epoch, r.status, r.started_at) for r in claimed} == {
            ("r1", 1, RunStatus.RUNNING, LATER)
        }

    async def test_a_claim_leaves_owned_and_ended_runs(self, store: Store) -> None:
        await store.register(runner("r1"))
        await store.register(runner("r2"))
        await submit(store, new_run("owned"), new_run("over"))
        await record(store, ends=[run_end("over")])
        await store.release("r1", ["owned"])

        assert await store.claim("r2", [WORKFLOW], 10, LATER) == []

    async def test_a_claim_tells_by_which_trace_a_run_was_submitted(self, store: Store) -> None:
        await store.register(runner("r1"))
        plain = new_run("a", owner=None)
        later = new_run("b", owner=None, due_at=LATER)
        await submit(store, *[run._replace(trace=run.id) for run in (plain, later)])
        await store.insert_when_free(new_run("c", key="k", owner=None)._replace(trace="c"))
        await store.make_due_claimable([WORKFLOW], LATER, 10)

        claimed = await store.claim("r1", [WORKFLOW], 10, LATER)

        assert [(run.id, run.trace) for run in claimed] == [("a", "a"), ("b", "b"), ("c", "c")]
        again = await store.get_run("a")
        assert again is not None
        assert again.trace is None  # only a claim tells it

    async def test_whether_a_claim_would_find_anything(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("owned"), new_run("over"))
        await record(store, ends=[run_end("over")])

        assert not await store.has_claimable("r1", [WORKFLOW])
        await store.release("r1", [])

        assert await store.has_claimable("r1", ["public::embedded::other", WORKFLOW])
        assert not await store.has_claimable("r1", ["public::embedded::other"])
        assert not await store.has_claimable("r1", [])

    async def test_a_claim_keeps_the_first_start(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        await store.release("r1", [])

        (run,) = await store.claim("r1", [WORKFLOW], 1, LATER)

        assert run.started_at == NOW

    async def test_a_claim_for_nothing_gets_nothing(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a", owner=None))

        assert await store.claim("r1", [], 10, LATER) == []
        assert await store.claim("r1", [WORKFLOW], 0, LATER) == []

    async def test_nothing_is_claimed_for_a_runner_that_is_fenced_or_unknown(
        self, store: Store
    ) -> None:
        await store.register(runner("dead"))
        await store.fence("dead", 0)
        await submit(store, new_run("a", owner=None))

        assert await store.claim("dead", [WORKFLOW], 10, LATER) == []
        assert await store.claim("nobody", [WORKFLOW], 10, LATER) == []

    async def test_concurrent_claims_never_share_a_run(self, store: Store) -> None:
        names = [f"r{number}" for number in range(4)]
        for name in names:
            await store.register(runner(name))
        await submit(store, *[new_run(f"{n:03}", owner=None) for n in range(100)])

        rounds = await asyncio.gather(
            *[store.claim(name, [WORKFLOW], 7, LATER) for name in names * 5]
        )

        claimed = [run.id for runs in rounds for run in runs]
        assert sorted(claimed) == [f"{n:03}" for n in range(100)]

    async def test_attempts_are_loaded_by_run_task_and_attempt(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"), new_run("b"), new_run("c"))
        rows = [
            attempt("a", "load", 1, status=TaskStatus.FAILED, error="no"),
            attempt("a", "load", 2),
            attempt("a", "save", 1),
            attempt("b", "load", 1),
        ]
        await record(store, [*reversed(rows), attempt("c")])

        assert await store.load_attempts(["b", "a", "unknown"]) == rows
        assert await store.load_attempts([]) == []

    async def test_a_released_run_is_claimable_and_no_crash_is_counted(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"), new_run("kept"))
        mark = attempt("a", status=TaskStatus.RUNNING)
        await record(store, [mark])

        await store.release("r1", ["kept", "unknown"])

        run = await stored(store, "a")
        assert (run.owner, run.epoch, run.recoveries) == (None, 2, 0)
        assert await store.load_attempts(["a"]) == [mark]
        assert (await stored(store, "kept")).owner == "r1"

    async def test_whatever_is_owned_and_not_held_is_released(self, store: Store) -> None:
        await store.register(runner("r1"))
        await store.register(runner("r2"))
        await submit(store, new_run("held"), new_run("over"), new_run("own"))
        await submit(store, new_run("others", owner="r2"), runner_id="r2")
        await submit(store, new_run("waiting", owner=None))
        await store.claim("r1", [WORKFLOW], 1, LATER)
        await record(store, ends=[run_end("over")])

        assert await store.release("r1", ["held", "unknown"]) == 2

        found = [await stored(store, name) for name in ("held", "over", "own", "others", "waiting")]
        assert [(run.owner, run.epoch, run.recoveries) for run in found] == [
            ("r1", 1, 0),
            ("r1", 1, 0),
            (None, 2, 0),
            ("r2", 1, 0),
            (None, 2, 0),
        ]

    async def test_only_the_owner_releases(self, store: Store) -> None:
        await store.register(runner("r1"))
        await store.register(runner("r2"))
        await submit(store, new_run("a"))

        await store.release("r2", [])

        assert (await stored(store, "a")).owner == "r1"

    async def test_an_ended_run_is_not_released(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        await record(store, ends=[run_end("a")])
        ended = await store.get_run("a")

        await store.release("r1", [])

        assert await store.get_run("a") == ended
