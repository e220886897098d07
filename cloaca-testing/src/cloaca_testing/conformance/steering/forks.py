"""Contract of forks: runs that are made of others."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from cloaca_core.assembly.store import Store
from cloaca_core.features.steering.records import Act, Reopening
from cloaca_core.run.rows import ForkRow
from cloaca_core.store.acts import Acted, ActRow
from cloaca_core.values.states import TaskStatus
from cloaca_testing.conformance.commits import claimed, record, stored, submit
from cloaca_testing.conformance.rows import (
    LATER,
    NOW,
    WORKFLOW,
    act,
    attempt,
    new_fork,
    new_run,
    run_end,
    runner,
)
from cloaca_testing.conformance.steering.retries import ended_run

ENDED = NOW + 9
_ACT = act()


class ForkConformance:
    """Part of ``StoreConformance``."""

    async def test_a_fork_has_the_input_and_the_kept_results_of_its_source(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("p"))
        await submit(store, new_run("a", priority=7, tags='{"of":"a"}', key="k", parent="p"))
        failed = attempt("a", "load", 1, status=TaskStatus.FAILED, error="busy")
        await record(store, [failed, attempt("a", "load", 2), attempt("a", "ship")])
        await record(store, ends=[run_end("a", status="Failed")])
        source = await stored(store, "a")
        _, loaded, _ = await store.load_attempts(["a"])

        assert await store.fork(new_fork("b", kept=["load"]), act()) == "b"

        row = await stored(store, "b")
        assert (row.workflow, row.input, row.priority) == (WORKFLOW, source.input, 7)
        assert (row.version, row.tags, row.created_at) == ("fedcba9876543210", "{}", LATER)
        assert (row.status, row.owner, row.round, row.parent_id) == ("Pending", None, 1, None)
        assert (row.started_at, row.ended_at) == (None, None)
        assert await store.load_attempts(["b"]) == [
            loaded._replace(run_id="b", epoch=0, crashes=0),
        ]
        assert await stored(store, "a") == source
        assert await claimed(store) == ["b"]

    async def test_of_a_kept_task_that_did_not_succeed_nothing_is_copied(
        self, store: Store
    ) -> None:
        """It was begun again between the look at it and the fork."""
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        failed = attempt("a", "load", 2, status=TaskStatus.FAILED, error="busy")
        await record(store, [attempt("a", "load", 1), failed])

        await store.fork(new_fork("b", kept=["load"]), act())

        assert await store.load_attempts(["b"]) == []

    async def test_a_fork_says_of_which_run_it_was_made(self, store: Store) -> None:
        await submit(store, new_run("a", owner=None))
        await store.fork(new_fork("b", content='{"x":2}'), act())

        assert await store.forks(["a"]) == []
        assert await store.forks(["b", "none"]) == [ForkRow("b", "a", "ship", '{"x":2}', LATER)]

    async def test_a_fork_has_a_trace_of_its_own(self, store: Store) -> None:
        await store.register(runner("r2"))
        await submit(store, new_run("a")._replace(trace="of the source"))
        await store.fork(new_fork("b")._replace(trace="of the fork"), act("1"))
        await store.fork(new_fork("c"), act("2"))

        claimed = await store.claim("r2", [WORKFLOW], 10, LATER)

        traces = {run.id: run.trace for run in claimed}
        assert traces == {"a": "of the source", "b": "of the fork", "c": None}

    async def test_keys_that_were_set_before_a_kept_task_come_with_its_result(
        self, store: Store
    ) -> None:
        await submit(store, new_run("a", owner=None))
        await store.fork(new_fork("b", from_task="load", content='{"x":2}'), act("1"))
        await store.fork(new_fork("c", source="b", kept=["load"], now=LATER + 1), act("2"))
        await store.fork(new_fork("d", source="b", kept=["mill"], now=LATER + 1), act("3"))

        assert await store.forks(["c", "d"]) == [
            ForkRow("c", "a", "load", '{"x":2}', LATER),
            ForkRow("c", "b", "ship", None, LATER + 1),
            ForkRow("d", "b", "ship", None, LATER + 1),
        ]

    async def test_a_fork_is_noted_at_its_source(self, store: Store) -> None:
        await submit(store, new_run("a", owner=None))
        await store.fork(new_fork("b"), act())

        assert await store.acts("b", 9) == []
        assert await store.acts(None, 9) == [
            ActRow("x", "a", WORKFLOW, 1, "fork", "ann", "a reason", 1, LATER)
        ]

    async def test_a_fork_that_is_sent_again_is_there_once(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        await record(store, [attempt("a", "load")])
        for _ in range(2):
            assert await store.fork(new_fork("b", kept=["load"]), act()) == "b"
            await claimed(store)

        assert (await stored(store, "b")).owner == "r1"
        assert len(await store.load_attempts(["b"])) == 1
        assert len(await store.forks(["b"])) == 1
        assert len(await store.acts("a", 9)) == 1

    async def test_a_fork_that_is_sent_again_in_the_next_round_has_results_of_one_round(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        await record(store, [attempt("a", "load")])
        await ended_run(store, "a")
        await store.fork(new_fork("b", kept=["load"]), act())
        copied = await store.load_attempts(["b"])
        await _retry(store, "a", first={"load": 2})
        await claimed(store)
        epoch = (await stored(store, "a")).epoch
        await record(store, [attempt("a", "load", 2, epoch=epoch)])

        assert await store.fork(new_fork("b", kept=["load"]), act()) == "b"
        assert await store.load_attempts(["b"]) == copied

    async def test_of_a_run_that_was_begun_again_since_it_was_looked_at_nothing_is_made(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        await record(store, [attempt("a", "load")])
        await ended_run(store, "a")
        await _retry(store, "a")

        for key in (None, "k"):
            assert await store.fork(new_fork("b", kept=["load"], key=key), act()) is None
            assert await store.get_run("b") is None
            assert (await store.load_attempts(["b"]), await store.forks(["b"])) == ([], [])
            assert [each.kind for each in await store.acts("a", 9)] == ["retry"]
        assert await store.fork(new_fork("b", kept=["load"], key="k", seen=2), act("y")) == "b"
        assert len(await store.load_attempts(["b"])) == 1

    async def test_of_forks_with_one_key_there_is_one(self, store: Store) -> None:
        await submit(store, new_run("a", owner=None), new_run("o", owner=None, key="taken"))
        made = await asyncio.gather(
            store.fork(new_fork("b", key="k"), act("1")),
            store.fork(new_fork("c", key="k"), act("2")),
        )

        assert len(set(made)) == 1
        assert made[0] in ("b", "c")
        other = "c" if made[0] == "b" else "b"
        assert await store.get_run(other) is None
        assert await store.forks([other]) == []
        assert len(await store.acts("a", 9)) == 1
        assert await store.fork(new_fork("e", key="taken"), act("3")) == "o"
        assert await store.forks(["o"]) == []

    async def test_of_an_unknown_run_nothing_is_made(self, store: Store) -> None:
        assert await store.fork(new_fork("b"), act()) is None
        assert await store.get_run("b") is None
        assert await store.forks(["b"]) == []
        assert await store.acts(None, 9) == []


async def _retry(
    store: Store,
    run_id: str,
    seen: int = 1,
    *,
    act: Act = _ACT,
    first: Mapping[str, int] | None = None,
) -> Acted | None:
    """Retry one run; its answer."""
    return (await store.retry([Reopening(run_id, seen, first or {})], act)).get(run_id)
