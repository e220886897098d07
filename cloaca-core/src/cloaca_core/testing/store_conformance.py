"""The contract of ``Store``, one test for each promise of its docstrings.

A test sees one open store; its concurrent callers are coroutines. What other stores and processes
on the same database see is in ``backend_conformance``.
"""

from __future__ import annotations

import asyncio

import pytest

from cloaca_core.errors import StoreDataError, StoreError
from cloaca_core.store.protocol import Store
from cloaca_core.store.records import Batch, RunRow
from cloaca_core.store.states import RunStatus, TaskStatus
from cloaca_core.testing.rows import (
    NOW,
    WORKFLOW,
    any_run,
    attempt,
    new_run,
    record,
    run_end,
    runner,
    submit,
)

LATER = NOW + 100


class StoreConformance:
    """Give it a fixture ``store``: an open, empty one."""

    pytestmark = pytest.mark.asyncio

    # -- commit: new runs --------------------------------------------------------------------

    async def test_a_run_of_a_registered_runner_is_its_own_from_the_start(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))

        committed = await submit(store, new_run("a", owner="r1", tags='{"team":"x"}'))

        assert committed.owned == {"a"}
        assert await store.get_run("a") == RunRow(
            id="a",
            workflow=WORKFLOW,
            version="0123456789abcdef",
            status=RunStatus.RUNNING,
            owner="r1",
            epoch=1,
            recoveries=0,
            input='{"amount":1}',
            tags='{"team":"x"}',
            parent_id=None,
            final_context=None,
            error_message=None,
            created_at=NOW,
            started_at=NOW,
            ended_at=None,
        )

    @pytest.mark.parametrize(
        "owner",
        [
            None,  # the submitter does not want it
            "nobody",  # never registered
            "dead",  # fenced
        ],
    )
    async def test_a_run_without_a_live_owner_waits_to_be_claimed(
        self, store: Store, owner: str | None
    ) -> None:
        await store.register(runner("dead"))
        await store.fence("dead", 0)

        committed = await submit(store, new_run("a", owner=owner), runner_id=owner or "r1")

        assert committed.owned == frozenset()
        run = await _run(store, "a")
        assert (run.owner, run.epoch, run.status) == (None, 0, RunStatus.PENDING)
        assert run.started_at is None

    async def test_a_batch_sent_again_is_answered_again_and_changes_nothing(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        batch = Batch("r1", [new_run("a"), new_run("b", owner=None)], [], [], {})
        first = await store.commit(batch)
        before = [await store.get_run("a"), await store.get_run("b")]

        assert await store.commit(batch) == first
        assert [await store.get_run("a"), await store.get_run("b")] == before

    async def test_a_run_that_somebody_has_claimed_meanwhile_is_not_owned_when_sent_again(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await store.register(runner("r2"))
        await submit(store, new_run("a"))
        await store.release("r1", ["a"])
        await store.claim("r2", [WORKFLOW], 1, LATER)

        assert (await submit(store, new_run("a"))).owned == frozenset()
        assert (await _run(store, "a")).owner == "r2"

    async def test_a_taken_idempotency_key_inserts_nothing_and_names_its_run(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a", key="k"))

        committed = await submit(store, new_run("b", key="k"), new_run("c"))

        assert committed.existing == {"b": "a"}
        assert committed.owned == {"c"}
        assert await store.get_run("b") is None

    async def test_the_same_key_twice_in_one_batch_is_the_first_one_s(self, store: Store) -> None:
        committed = await submit(
            store, new_run("a", key="k", owner=None), new_run("b", key="k", owner=None)
        )

        assert committed.existing == {"b": "a"}

    async def test_another_workflow_may_use_the_same_key(self, store: Store) -> None:
        committed = await submit(
            store,
            new_run("a", key="k", owner=None),
            new_run("b", key="k", owner=None, workflow="public::embedded::other"),
        )

        assert committed.existing == {}
        assert await store.get_run("b") is not None

    async def test_a_key_stays_taken_when_its_run_has_ended(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a", key="k"))
        await record(store, ends=[run_end("a")])

        assert (await submit(store, new_run("b", key="k"))).existing == {"b": "a"}

    async def test_an_empty_batch_is_nothing(self, store: Store) -> None:
        committed = await store.commit(Batch("r1", [], [], [], {}))

        assert committed == (frozenset(), {}, frozenset())

    # -- commit: attempts and ends -----------------------------------------------------------

    async def test_attempts_and_ends_of_owned_runs_are_recorded(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))

        committed = await record(store, [attempt("a")], [run_end("a")])

        assert committed.current == {"a"}
        assert await store.load_attempts(["a"]) == [attempt("a")]
        run = await _run(store, "a")
        assert (run.status, run.final_context, run.ended_at) == (
            RunStatus.COMPLETED,
            '{"x":1}',
            NOW + 9,
        )

    async def test_a_stale_owner_records_nothing(self, store: Store) -> None:
        await store.register(runner("r1"))
        await store.register(runner("r2"))
        await submit(store, new_run("a"), new_run("b"))
        await store.release("r1", ["a"])
        (taken,) = await store.claim("r2", [WORKFLOW], 1, LATER)

        committed = await record(
            store, [attempt("a"), attempt("b")], [run_end("a"), run_end("b")], runner_id="r1"
        )

        assert committed.current == {"b"}
        assert await store.load_attempts(["a", "b"]) == [attempt("b")]
        assert await store.get_run("a") == taken

    async def test_the_same_owner_under_an_older_epoch_records_nothing(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        await store.release("r1", ["a"])
        await store.claim("r1", [WORKFLOW], 1, LATER)

        assert (await record(store, [attempt("a", epoch=1)], [run_end("a")])).current == set()
        assert await store.load_attempts(["a"]) == []
        assert (await record(store, [attempt("a", epoch=3)])).current == {"a"}

    async def test_a_fenced_runner_records_nothing_though_the_run_still_names_it(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        await store.fence("r1", 0)

        assert (await record(store, [attempt("a")], [run_end("a")])).current == set()
        assert await store.load_attempts(["a"]) == []
        assert (await _run(store, "a")).ended_at is None

    async def test_a_start_mark_is_replaced_by_the_end_also_within_a_batch(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        mark = attempt("a", status=TaskStatus.RUNNING)

        await record(store, [mark])
        assert await store.load_attempts(["a"]) == [mark]
        await record(store, [mark, attempt("a")])
        assert await store.load_attempts(["a"]) == [attempt("a")]

    @pytest.mark.parametrize(
        "status",
        [TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.SKIPPED, TaskStatus.CANCELLED],
    )
    async def test_a_final_attempt_never_changes(self, store: Store, status: str) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        final = attempt("a", status=status)
        await record(store, [final])

        await record(store, [attempt("a", status=TaskStatus.RUNNING)])
        await record(store, [attempt("a", status=TaskStatus.FAILED, error="late", crashes=7)])

        assert await store.load_attempts(["a"]) == [final]

    async def test_an_ended_run_never_changes(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        await record(store, ends=[run_end("a")])
        ended = await store.get_run("a")

        late = await record(store, ends=[run_end("a", status=RunStatus.FAILED)])

        assert late.current == {"a"}
        assert await store.get_run("a") == ended

    async def test_a_record_sent_again_is_answered_as_the_first_time(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        batch = Batch("r1", [], [attempt("a")], [run_end("a")], {"a": 1})
        first = await store.commit(batch)

        assert await store.commit(batch) == first
        assert await store.load_attempts(["a"]) == [attempt("a")]

    async def test_a_refused_value_leaves_nothing_of_its_batch(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        bad = attempt("a", "other")._replace(change="\ud800")

        with pytest.raises(StoreDataError):
            await record(store, [attempt("a"), bad], [run_end("a")])

        assert await store.load_attempts(["a"]) == []
        assert (await _run(store, "a")).ended_at is None
        assert (await record(store, [attempt("a")], [run_end("a")])).current == {"a"}

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
        assert claimed == [await store.get_run("b"), await store.get_run("c")]
        assert {(r.owner, r.epoch, r.status, r.started_at) for r in claimed} == {
            ("r1", 1, RunStatus.RUNNING, LATER)
        }

    async def test_a_claim_leaves_owned_and_ended_runs(self, store: Store) -> None:
        await store.register(runner("r1"))
        await store.register(runner("r2"))
        await submit(store, new_run("owned"), new_run("over"))
        await record(store, ends=[run_end("over")])
        await store.release("r1", ["over"])

        assert await store.claim("r2", [WORKFLOW], 10, LATER) == []

    async def test_a_claim_keeps_the_first_start(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        await store.release("r1", ["a"])

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

        await store.release("r1", ["a", "unknown"])

        run = await _run(store, "a")
        assert (run.owner, run.epoch, run.recoveries) == (None, 2, 0)
        assert await store.load_attempts(["a"]) == [mark]
        assert (await _run(store, "kept")).owner == "r1"

    async def test_only_the_owner_releases(self, store: Store) -> None:
        await store.register(runner("r1"))
        await store.register(runner("r2"))
        await submit(store, new_run("a"))

        await store.release("r2", ["a"])

        assert (await _run(store, "a")).owner == "r1"

    async def test_an_ended_run_is_not_released(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        await record(store, ends=[run_end("a")])
        ended = await store.get_run("a")

        await store.release("r1", ["a"])

        assert await store.get_run("a") == ended

    # -- lease -------------------------------------------------------------------------------

    async def test_the_lease_clock_does_not_go_back(self, store: Store) -> None:
        readings = [store.lease_clock() for _ in range(100)]

        assert readings == sorted(readings)

    async def test_runners_are_listed_oldest_first(self, store: Store) -> None:
        young, old = runner("a", started_at=NOW + 1), runner("b", started_at=NOW)
        await store.register(young)
        await store.register(old)

        assert await store.runners() == [old, young]

    async def test_registering_starts_with_beat_0_and_not_fenced(self, store: Store) -> None:
        await store.register(runner("r1")._replace(beat=5, fenced=True))

        assert await store.runners() == [runner("r1")]

    async def test_a_registration_sent_again_changes_nothing(self, store: Store) -> None:
        await store.register(runner("r1"))
        await store.beat("r1", 2000)

        await store.register(runner("r1"))

        assert await store.runners() == [runner("r1")._replace(beat=1, lease_until=2000)]

    async def test_another_process_cannot_register_the_same_id(self, store: Store) -> None:
        await store.register(runner("r1"))

        with pytest.raises(StoreError, match="r1"):
            await store.register(runner("r1")._replace(pid=18))

    async def test_a_beat_renews_the_lease_and_is_counted(self, store: Store) -> None:
        await store.register(runner("r1"))
        await store.register(runner("r2"))

        assert await store.beat("r1", 2000) is True

        assert await store.runners() == [
            runner("r1")._replace(beat=1, lease_until=2000),
            runner("r2"),
        ]

    async def test_a_runner_that_is_fenced_or_removed_does_not_beat(self, store: Store) -> None:
        await store.register(runner("r1"))
        await store.fence("r1", 0)

        assert await store.beat("r1", 2000) is False
        assert await store.beat("nobody", 2000) is False

    async def test_unregistering_frees_what_is_owned_and_counts_no_crash(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await store.register(runner("r2"))
        await submit(store, new_run("a"), new_run("over"))
        await submit(store, new_run("other", owner="r2"), runner_id="r2")
        await record(store, [attempt("a", status=TaskStatus.RUNNING)], [run_end("over")])
        over, other = await store.get_run("over"), await store.get_run("other")

        await store.unregister("r1")

        run = await _run(store, "a")
        assert (run.owner, run.epoch, run.recoveries) == (None, 2, 0)
        assert [row.crashes for row in await store.load_attempts(["a"])] == [0]
        assert await store.runners() == [runner("r2")]
        assert [await store.get_run("over"), await store.get_run("other")] == [over, other]

    async def test_fencing_needs_the_beat_that_was_seen(self, store: Store) -> None:
        await store.register(runner("r1"))
        await store.beat("r1", 2000)

        assert await store.fence("r1", 0) is False
        assert await store.beat("r1", 3000) is True
        assert await store.fence("r1", 2) is True
        assert [row.fenced for row in await store.runners()] == [True]

    async def test_a_fenced_runner_is_fenced_for_everybody(self, store: Store) -> None:
        await store.register(runner("r1"))
        await store.fence("r1", 0)

        assert await store.fence("r1", 0) is True
        assert await store.fence("nobody", 0) is False

    async def test_a_takeover_frees_runs_in_batches_and_then_removes_the_runner(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, *[new_run(name) for name in "abc"])
        await store.fence("r1", 0)

        assert await store.take_over("r1", 2) == 2
        assert [(await _run(store, name)).owner for name in "abc"] == [None, None, "r1"]
        assert await store.take_over("r1", 2) == 1
        assert await store.take_over("r1", 2) == 0

        assert await store.runners() == []
        runs = [await _run(store, name) for name in "abc"]
        assert [(r.owner, r.epoch, r.recoveries) for r in runs] == [(None, 2, 1)] * 3

    async def test_a_takeover_blames_only_what_was_running_under_the_old_epoch(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        await record(store, [attempt("a", "older", status=TaskStatus.RUNNING)])
        await store.release("r1", ["a"])
        await store.claim("r1", [WORKFLOW], 1, LATER)
        done = attempt("a", "done", epoch=3)
        marked = attempt("a", "marked", epoch=3, status=TaskStatus.RUNNING)
        await record(store, [done, marked])
        await store.fence("r1", 0)

        await store.take_over("r1", 10)

        crashes = {row.task_id: row.crashes for row in await store.load_attempts(["a"])}
        assert crashes == {"done": 0, "marked": 1, "older": 0}

    async def test_a_takeover_leaves_ended_runs_and_live_runners(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"), new_run("over"))
        await record(store, ends=[run_end("over")])
        before = [await store.get_run("a"), await store.get_run("over")]

        assert await store.take_over("r1", 10) == 0
        assert [await store.get_run("a"), await store.get_run("over")] == before
        await store.fence("r1", 0)
        assert await store.take_over("r1", 10) == 1
        assert await store.get_run("over") == before[1]

    async def test_concurrent_takeovers_count_a_crash_once(self, store: Store) -> None:
        await store.register(runner("r1"))
        names = [f"{n:02}" for n in range(20)]
        await submit(store, *[new_run(name) for name in names])
        await record(store, [attempt(name, status=TaskStatus.RUNNING) for name in names])
        await store.fence("r1", 0)

        freed = await asyncio.gather(*[store.take_over("r1", 6) for _ in range(8)])

        assert sum(freed) == 20
        assert {row.crashes for row in await store.load_attempts(names)} == {1}
        assert {(await _run(store, name)).recoveries for name in names} == {1}

    # -- observe -----------------------------------------------------------------------------

    async def test_an_unknown_run_is_none(self, store: Store) -> None:
        assert await store.get_run("unknown") is None

    async def test_a_listing_is_newest_first_and_without_payloads(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, *[new_run(name) for name in "abc"])
        await record(store, ends=[run_end("b")])

        listed = await store.list_runs(any_run())

        assert [run.id for run in listed] == ["c", "b", "a"]
        assert {(run.input, run.final_context) for run in listed} == {("", "")}
        run = await _run(store, "b")
        assert listed[1] == run._replace(input="", final_context="")

    async def test_a_listing_is_cut_and_goes_on_before_a_run(self, store: Store) -> None:
        await submit(store, *[new_run(name, owner=None) for name in "abcd"])

        assert await self._listed(store, limit=2) == "dc"
        assert await self._listed(store, limit=2, before="c") == "ba"
        assert await self._listed(store, limit=0) == ""

    @pytest.mark.parametrize(
        ("wanted", "expected"),
        [
            ({"status": RunStatus.PENDING}, "db"),
            ({"status": RunStatus.FAILED}, "c"),
            ({"workflow": "public::embedded::other"}, "cb"),
            ({"workflow": "public::embedded::other", "status": RunStatus.PENDING}, "b"),
            ({"tags": (("team", "x"),)}, "dca"),
            ({"tags": (("team", "x"), ("tier", "1"))}, "da"),
            ({"tags": (("team", "x"),), "status": RunStatus.PENDING}, "d"),
            ({"tags": (("team", "x"),), "workflow": WORKFLOW, "before": "d"}, "a"),
            ({"tags": (("team", "y"),)}, ""),
            ({"tags": (("tier", "x"),)}, ""),
            ({"workflow": "orders"}, ""),
        ],
    )
    async def test_a_listing_filters(
        self, store: Store, wanted: dict[str, str], expected: str
    ) -> None:
        await store.register(runner("r1"))
        other = "public::embedded::other"
        await submit(
            store,
            new_run("a", tags='{"team":"x","tier":"1"}'),
            new_run("b", owner=None, workflow=other),
            new_run("c", workflow=other, tags='{"team":"x"}'),
            new_run("d", owner=None, tags='{"tier":"1","team":"x"}'),
        )
        await record(store, ends=[run_end("c", status=RunStatus.FAILED)])

        assert await self._listed(store, **wanted) == expected

    async def test_a_run_whose_key_was_taken_leaves_no_tags(self, store: Store) -> None:
        await submit(store, new_run("a", owner=None, key="k"))
        await submit(store, new_run("b", owner=None, key="k", tags='{"team":"x"}'))

        assert await self._listed(store, tags=(("team", "x"),)) == ""

    async def test_ended_answers_those_that_have_ended(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"), new_run("b"))
        await record(store, ends=[run_end("b")])

        assert await store.ended(["a", "b", "unknown"]) == [await store.get_run("b")]
        assert await store.ended([]) == []

    @staticmethod
    async def _listed(store: Store, **wanted: object) -> str:
        runs = await store.list_runs(any_run(**wanted))  # type: ignore[arg-type] # as given
        return "".join(run.id for run in runs)

    # -- the store itself --------------------------------------------------------------------

    async def test_hostile_text_comes_back_as_it_was(self, store: Store) -> None:
        text = '\'; DROP TABLE cloaca_run; -- "%s" :id ? \u202e \U0001f600 \\ \n'
        await store.register(runner(text))

        await submit(store, new_run(text, owner=text, workflow=text, key=text), runner_id=text)

        run = await _run(store, text)
        assert (run.id, run.owner, run.workflow) == (text, text, text)
        assert (await submit(store, new_run("b", workflow=text, key=text))).existing == {"b": text}

    async def test_integers_keep_64_bits(self, store: Store) -> None:
        await store.register(runner("r1"))

        await store.beat("r1", 2**63 - 1)

        assert [row.lease_until for row in await store.runners()] == [2**63 - 1]

    async def test_contention_can_be_switched(self, store: Store) -> None:
        await store.register(runner("r1"))

        store.set_contended(contended=True)
        for number in range(10):
            assert await store.beat("r1", number)
        store.set_contended(contended=False)

        assert await store.beat("r1", 1)

    async def test_closing_twice_is_harmless(self, store: Store) -> None:
        await store.close()
        await store.close()


async def _run(store: Store, run_id: str) -> RunRow:
    run = await store.get_run(run_id)
    assert run is not None
    return run
