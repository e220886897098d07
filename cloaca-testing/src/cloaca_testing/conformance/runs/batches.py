"""Contract of ``commit``: nothing twice, nothing stale, all or nothing."""

from __future__ import annotations

import pytest

from cloaca_core.assembly.store import Store
from cloaca_core.errors import StoreDataError
from cloaca_core.run.rows import RunFilter, RunRow
from cloaca_core.store.batch import Batch, Committed
from cloaca_core.values.states import ReasonCode, RunStatus, TaskStatus
from cloaca_testing.conformance.commits import record, stored, submit
from cloaca_testing.conformance.rows import (
    LATER,
    NOW,
    WORKFLOW,
    act,
    any_run,
    attempt,
    new_run,
    run_end,
    runner,
)


class CommitConformance:
    """Part of ``StoreConformance``."""

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
    @pytest.mark.parametrize("priority", [0, 1], ids=["plain", "with an option"])
    async def test_a_run_without_a_live_owner_waits_to_be_claimed(
        self, store: Store, owner: str | None, priority: int
    ) -> None:
        await store.register(runner("dead"))
        await store.fence("dead", 0)
        new = new_run("a", owner=owner, priority=priority)

        committed = await submit(store, new, runner_id=owner or "r1")

        assert committed.owned == frozenset()
        run = await stored(store, "a")
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

    async def test_a_run_whose_owner_is_fenced_meanwhile_is_not_owned_when_sent_again(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        await store.fence("r1", 0)

        assert (await submit(store, new_run("a"))).owned == frozenset()

    async def test_a_run_that_somebody_has_claimed_meanwhile_is_not_owned_when_sent_again(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await store.register(runner("r2"))
        await submit(store, new_run("a"))
        await store.release("r1", [])
        await store.claim("r2", [WORKFLOW], 1, LATER)

        assert (await submit(store, new_run("a"))).owned == frozenset()
        assert (await stored(store, "a")).owner == "r2"

    async def test_a_run_that_came_back_under_a_later_epoch_is_not_owned_when_sent_again(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        await store.release("r1", [])
        await store.claim("r1", [WORKFLOW], 1, LATER)

        assert (await submit(store, new_run("a"))).owned == frozenset()

    async def test_a_run_sent_without_owner_and_claimed_is_not_owned_when_sent_again(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a", owner=None))
        await store.claim("r1", [WORKFLOW], 1, LATER)

        assert (await submit(store, new_run("a", owner=None))).owned == frozenset()

    async def test_a_run_of_a_paused_workflow_that_was_claimed_is_not_owned_when_sent_again(
        self, store: Store
    ) -> None:
        """It was to begin at its insert: the claim has begun it."""
        await store.register(runner("r1"))
        await store.pause_workflow(WORKFLOW, act(), None)
        await submit(store, new_run("a"))
        await store.resume_workflow(WORKFLOW, act("go"))
        await store.claim("r1", [WORKFLOW], 1, LATER)

        assert (await submit(store, new_run("a"))).owned == frozenset()

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

    async def test_a_key_is_not_held_back_once_its_run_is_there(self, store: Store) -> None:
        runs = [new_run(name, owner=None, key=key) for name, key in zip("abc", "kkl", strict=True)]
        for _ in range(2):
            assert (await submit(store, *runs)).held == frozenset()

    # -- insert_when_free --------------------------------------------------------------------

    async def test_a_run_with_a_free_key_is_inserted_for_whoever_claims_it(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))

        for _ in range(2):  # sent again it changes nothing
            run = new_run("a", owner="r1", key="k", tags='{"team":"x"}')
            assert await store.insert_when_free(run) == "a"

        found = await stored(store, "a")
        assert (found.owner, found.epoch, found.status) == (None, 0, RunStatus.PENDING)
        assert (found.input, found.tags, found.created_at) == (run.input, run.tags, NOW)
        listed = await store.list_runs(any_run(tags=(("team", "x"),)))
        assert [each.id for each in listed] == ["a"]

    async def test_a_run_with_a_taken_key_is_not_inserted_and_the_other_is_named(
        self, store: Store
    ) -> None:
        await submit(store, new_run("a", owner=None, key="k"))

        second = new_run("b", key="k", tags='{"team":"x"}')
        assert await store.insert_when_free(second) == "a"
        assert await store.insert_when_free(new_run("c", workflow="w", key="k")) == "c"

        assert await store.get_run("b") is None
        assert await store.list_runs(any_run(tags=(("team", "x"),))) == []

    async def test_a_run_that_no_database_takes_is_refused(self, store: Store) -> None:
        with pytest.raises(StoreDataError):
            await store.insert_when_free(new_run("a", key="k")._replace(input="\ud800"))
        assert await store.insert_when_free(new_run("b", key="k")) == "b"

    # -- commit: nothing ---------------------------------------------------------------------

    async def test_an_empty_batch_is_nothing(self, store: Store) -> None:
        committed = await store.commit(Batch("r1", [], [], [], {}))

        assert committed == Committed(frozenset(), {}, frozenset())

    # -- commit: when it is durable ----------------------------------------------------------

    async def test_who_waits_for_a_batch_hears_of_it_once_before_its_answer(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        told: list[Committed] = []
        for batch in (
            Batch("r1", [new_run("a"), new_run("b")], [], [], {}),
            # one run of this runner and one under a wrong epoch
            Batch("r1", [], [attempt("a")], [run_end("a")], {"a": 1, "b": 2}),
            Batch("r1", [], [], [], {}),
        ):
            told.clear()
            committed = await store.commit(batch, told.append)
            assert told == [committed]

    async def test_nobody_hears_of_a_batch_that_is_refused(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        told: list[Committed] = []
        bad = attempt("a")._replace(change="\ud800")

        with pytest.raises(StoreDataError):
            await store.commit(Batch("r1", [], [bad], [], {"a": 1}), told.append)

        assert told == []

    # -- commit: attempts and ends -----------------------------------------------------------

    async def test_attempts_and_ends_of_owned_runs_are_recorded(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))

        committed = await record(store, [attempt("a")], [run_end("a")])

        assert committed.current == {"a"}
        assert await store.load_attempts(["a"]) == [attempt("a")]
        run = await stored(store, "a")
        assert (run.status, run.final_context, run.ended_at) == (
            RunStatus.COMPLETED,
            '{"x":1}',
            NOW + 9,
        )

    async def test_the_reason_of_an_attempt_is_kept_as_a_code(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        skipped = attempt(
            "a", "save", 0, status=TaskStatus.SKIPPED, reason=ReasonCode.UPSTREAM_FAILED.value
        )
        mark = attempt("a", status=TaskStatus.RUNNING)
        cut = attempt("a", status=TaskStatus.CANCELLED, reason=ReasonCode.DEADLINE_EXCEEDED.value)
        await record(store, [mark, skipped])
        assert await store.load_attempts(["a"]) == [mark, skipped]

        await record(store, [cut])

        assert await store.load_attempts(["a"]) == [cut, skipped]

    @pytest.mark.parametrize("owner", ["r1", None])
    async def test_the_time_limits_of_a_run_are_kept_wherever_it_is_read(
        self, store: Store, owner: str | None
    ) -> None:
        await store.register(runner("r1"))
        run = new_run("a", owner=owner, tags='{"team":"x"}')
        await submit(store, run._replace(time_limit=-1, deadline_at=LATER))

        found = [await stored(store, "a")]
        if owner is None:
            found += await store.claim("r1", [WORKFLOW], 1, LATER)
        wanted = [
            any_run(),
            any_run(status=RunStatus.RUNNING),
            any_run(workflow=WORKFLOW),
            any_run(tags=(("team", "x"),)),
        ]
        found += [row for each in wanted for row in await store.list_runs(each)]
        await record(store, ends=[run_end("a", epoch=1)])
        found += await store.ended(["a"])
        assert len(found) == (7 if owner is None else 6)
        assert {(row.time_limit, row.deadline_at) for row in found} == {(-1, LATER)}

    async def test_a_run_that_is_inserted_when_its_key_is_free_keeps_its_time_limits(
        self, store: Store
    ) -> None:
        run = new_run("a", owner=None, key="k")

        await store.insert_when_free(run._replace(time_limit=5, deadline_at=LATER))

        row = await stored(store, "a")
        assert (row.time_limit, row.deadline_at) == (5, LATER)

    async def test_the_version_that_a_run_runs_by_is_noted_by_its_owner(self, store: Store) -> None:
        await store.register(runner("r1"))
        await store.register(runner("r2"))
        await submit(store, new_run("a"), new_run("b"), new_run("c"))
        await submit(store, new_run("d", owner="r2"))
        await record(store, ends=[run_end("c")])

        await store.set_ran_version("r1", ["b", "a", "c", "d", "unknown"], "later")

        rows = [await stored(store, run_id) for run_id in "abcd"]
        assert [row.ran_version for row in rows] == ["later", "later", None, None]
        submitted = new_run("a").version
        assert {row.version for row in rows} == {submitted}
        await store.set_ran_version("r1", ["b"], submitted)
        assert (await stored(store, "b")).ran_version is None
        listed = {row.id: row.ran_version for row in await store.list_runs(RunFilter())}
        assert listed == {"a": "later", "b": None, "c": None, "d": None}
        await store.release("r1", [])
        (again,) = await store.claim("r2", [WORKFLOW], 1, LATER)
        assert (again.id, again.ran_version) == ("a", "later")

    async def test_a_fenced_runner_notes_no_version(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        assert await store.fence("r1", 0)

        await store.set_ran_version("r1", ["a"], "later")

        assert (await stored(store, "a")).ran_version is None

    async def test_the_reason_of_an_end_is_kept_wherever_the_run_is_read(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a", tags='{"team":"x"}'))
        run = await stored(store, "a")
        assert (run.reason_code, run.limit_seconds) == (None, None)
        code = ReasonCode.DEADLINE_EXCEEDED.value

        end = run_end("a", status=RunStatus.FAILED, reason=code, limit=7)
        await record(store, ends=[end._replace(reason_tasks='["t"]')])

        wanted = [
            any_run(),
            any_run(status=RunStatus.FAILED),
            any_run(workflow=WORKFLOW),
            any_run(tags=(("team", "x"),)),
        ]
        found = [await stored(store, "a"), *await store.ended(["a"])]
        found += [row for each in wanted for row in await store.list_runs(each)]
        assert [(row.reason_code, row.limit_seconds) for row in found] == [(code, 7)] * 6
        assert {row.reason_tasks for row in found} == {'["t"]'}

    async def test_a_stale_owner_records_nothing(self, store: Store) -> None:
        await store.register(runner("r1"))
        await store.register(runner("r2"))
        await submit(store, new_run("a"), new_run("b"))
        await store.release("r1", ["b"])
        (taken,) = await store.claim("r2", [WORKFLOW], 1, LATER)

        committed = await record(
            store, [attempt("a"), attempt("b")], [run_end("a"), run_end("b")], runner_id="r1"
        )

        assert committed.current == {"b"}
        assert await store.load_attempts(["a", "b"]) == [attempt("b")]
        assert await store.get_run("a") == taken._replace(claimable_at=0)

    async def test_the_same_owner_under_an_older_epoch_records_nothing(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        await store.release("r1", [])
        await store.claim("r1", [WORKFLOW], 1, LATER)

        assert (await record(store, [attempt("a", epoch=1)], [run_end("a")])).current == set()
        assert await store.load_attempts(["a"]) == []
        assert (await record(store, [attempt("a", epoch=3)])).current == {"a"}

    async def test_an_end_under_an_older_epoch_ends_nothing(self, store: Store) -> None:
        """The end has its own guard: the guard of attempts does not protect it."""
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        await store.release("r1", [])
        (again,) = await store.claim("r1", [WORKFLOW], 1, LATER)

        assert (await record(store, ends=[run_end("a")])).current == set()
        assert await store.get_run("a") == again._replace(claimable_at=0)
        end = run_end("a")._replace(epoch=again.epoch)
        assert (await record(store, ends=[end])).current == {"a"}
        assert (await stored(store, "a")).status == RunStatus.COMPLETED

    async def test_another_runner_records_nothing_under_the_same_epoch(self, store: Store) -> None:
        await store.register(runner("r1"))
        await store.register(runner("r2"))
        await submit(store, new_run("a"))

        late = await record(store, [attempt("a")], [run_end("a")], runner_id="r2")

        assert late.current == set()
        assert await store.load_attempts(["a"]) == []
        assert (await stored(store, "a")).ended_at is None

    async def test_a_fenced_runner_records_nothing_though_the_run_still_names_it(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        await store.fence("r1", 0)

        assert (await record(store, [attempt("a")], [run_end("a")])).current == set()
        assert await store.load_attempts(["a"]) == []
        assert (await stored(store, "a")).ended_at is None

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
        assert (await stored(store, "a")).ended_at is None
        assert (await record(store, [attempt("a")], [run_end("a")])).current == {"a"}
