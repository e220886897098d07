"""Contract of runs that are resumed otherwise: with other keys, or with fresh attempts of tasks."""

from __future__ import annotations

import asyncio

import pytest

from cloaca_core.assembly.store import Store
from cloaca_core.features.inputs.records import FILLED_INPUTS, FilledInput
from cloaca_core.features.steering.records import Reopening
from cloaca_core.run.rows import Exhausted, ReplacementRow
from cloaca_core.store.acts import Acted
from cloaca_core.store.batch import Batch, Committed
from cloaca_core.values.states import ReasonCode, RunStatus
from cloaca_testing.conformance.commits import claimed, fence, record, stored, submit
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


class ResumeConformance:
    """Part of ``StoreConformance``."""

    # -- other keys --------------------------------------------------------------------------

    @pytest.mark.parametrize("owner", ["r1", None])
    async def test_keys_that_a_resume_replaces_are_kept_and_told_to_the_owner(
        self, store: Store, owner: str | None
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a", owner=owner), new_run("b"))
        for number, content in ((1, '{"x":1}'), (2, '{"x":2,"y":null}')):
            await store.pause(["a"], act(f"p{number}"), None, children=True)
            resume = act(f"r{number}", now=LATER + number)
            answers = [await store.resume(["a"], resume, content) for _ in range(2)]
            status = RunStatus.PENDING if owner is None else RunStatus.RUNNING
            assert answers == [{"a": Acted(status, True)}] * 2  # sent again it changes nothing

        expected = [
            ReplacementRow("a", 1, '{"x":1}', LATER + 1),
            ReplacementRow("a", 2, '{"x":2,"y":null}', LATER + 2),
        ]
        assert await store.replacements(["a", "b", "none"]) == expected
        news = await store.news("r1", [WORKFLOW], 9)
        assert (news.stop_requests, dict(news.replaced)) == ([], {} if owner is None else {"a": 2})
        committed = await fence(store, "a", "b")
        assert dict(committed.replaced) == {} if owner is None else {"a": 2}
        assert dict(committed.stop_requests) == {}

    async def test_a_run_that_has_not_begun_is_claimed_as_if_for_a_second_time(
        self, store: Store
    ) -> None:
        """Its owner reads what was kept of a run whose epoch is above 1."""
        await store.register(runner("r1"))
        await submit(store, new_run("a", owner=None), new_run("b", owner=None))
        await store.pause(["a", "b"], act("p"), None, children=True)
        await store.resume(["a"], act("r"), "{}")
        await store.resume(["b"], act("r"))

        assert await claimed(store) == ["a", "b"]
        assert [(await stored(store, run_id)).epoch for run_id in ("a", "b")] == [2, 1]
        assert dict((await store.news("r1", [], 9)).replaced) == {"a": 1}

    async def test_a_paused_run_whose_keys_were_replaced_is_both(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        await store.pause(["a"], act("p"), None, children=True)
        await store.resume(["a"], act("r"), "{}")
        await store.pause(["a"], act("q"), None, children=True)

        news = await store.news("r1", [], 9)

        assert [stop_request.status for stop_request in news.stop_requests] == [RunStatus.PAUSED]
        assert dict(news.replaced) == {"a": 1}
        await record(store, ends=[run_end("a")])
        assert dict((await store.news("r1", [], 9)).replaced) == {}

    async def test_nothing_is_replaced_in_a_run_that_is_not_paused(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, *[new_run(run_id) for run_id in "abc"])
        await store.pause(["b"], act("p"), None, children=True)
        await store.cancel(["b"], act("c"), LATER, children=True)
        await record(store, ends=[run_end("c")])

        acted = await store.resume(["a", "b", "c", "none"], act("r"), '{"x":1}')

        assert {run_id: each.changed for run_id, each in acted.items()} == dict.fromkeys(
            "abc", False
        )
        assert await store.replacements(["a", "b", "c", "none"]) == []
        assert dict((await store.news("r1", [], 9)).replaced) == {}

    # -- defaults of inputs ------------------------------------------------------------------

    async def test_defaults_are_kept_once_for_runs_of_this_owner_and_are_no_replacement(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"), new_run("b"), new_run("c"))
        filled = [FilledInput(each, '{"n":1}', NOW) for each in ("a", "b")]
        later = [FilledInput(each, '{"n":2}', LATER) for each in ("a", "c")]

        for rows in (filled, filled, later):
            batch = Batch("r1", [], [], [], {"a": 1, "b": 2, "c": 1}, rows=FILLED_INPUTS.rows(rows))
            committed = await store.commit(batch)
            assert dict(committed.replaced) == {}

        expected = [
            ReplacementRow("a", 0, '{"n":1}', NOW),
            ReplacementRow("c", 0, '{"n":2}', LATER),
        ]
        assert await store.replacements(["a", "b", "c"]) == expected
        await record(store, [attempt("a")], [run_end("a", status=RunStatus.FAILED)])
        await store.fork(new_fork("f", from_task="t", kept=["load"], now=NOW), act("f"))
        assert await store.replacements(["f"]) == [expected[0]._replace(run_id="f")]

    # -- other keys at once ------------------------------------------------------------------

    async def test_of_two_that_resume_at_once_one_replaces_keys(self, store: Store) -> None:
        await submit(store, new_run("a", owner=None))
        await store.pause(["a"], act("p"), None, children=True)

        answers = await asyncio.gather(
            *[store.resume(["a"], act(f"r{n}"), f'{{"n":{n}}}') for n in range(5)]
        )

        winner = [n for n, answer in enumerate(answers) if answer["a"].changed]
        (row,) = await store.replacements(["a"])
        assert [row.content] == [f'{{"n":{n}}}' for n in winner]

    async def test_an_attempt_keeps_how_many_replacements_it_has_seen(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        rows = [attempt("a", f"t{seen}")._replace(replacements=seen) for seen in (0, 2)]

        await record(store, [row._replace(status="Running", ended_at=None) for row in rows])
        await record(store, rows)

        assert await store.load_attempts(["a"]) == rows

    async def test_the_next_round_and_a_fork_have_the_replaced_keys(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        await store.pause(["a"], act("p"), None, children=True)
        await store.resume(["a"], act("r"), '{"x":1}')
        done = attempt("a")._replace(replacements=1)
        await record(store, [done], [run_end("a", status=RunStatus.FAILED)])
        kept = await store.replacements(["a"])
        fork = new_fork("f", from_task="t", kept=["load"], now=NOW, seen=2)

        await store.retry([Reopening("a", 1, {})], act("again"))
        await store.fork(fork, act("f"))

        assert await store.replacements(["a"]) == kept
        assert await store.replacements(["f"]) == [kept[0]._replace(run_id="f")]
        assert await store.load_attempts(["f"]) == [done._replace(run_id="f", epoch=0)]
        assert await claimed(store) == ["a", "f"]
        assert dict((await store.news("r1", [], 9)).replaced) == {"a": 1, "f": 1}

        await store.pause(["a", "f"], act("q"), None, children=True)
        await store.resume(["a", "f"], act("s", now=NOW), '{"x":2}')
        await store.fork(fork, act("f"))  # sent again
        rows = await store.replacements(["a", "f"])
        assert [(row.run_id, row.number) for row in rows] == [
            ("a", 1),
            ("a", 2),
            ("f", 1),
            ("f", 2),
        ]

    # -- tasks that have used up their attempts ----------------------------------------------

    async def test_a_run_of_which_a_task_has_used_up_its_attempts_is_paused_with_that_record(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"), new_run("b"))

        committed = await _exhaust(store, "a")

        assert (set(committed.current), dict(committed.stop_requests)) == ({"a"}, {})
        run = await stored(store, "a")
        assert (run.status, run.owner, run.epoch, run.steer_reason) == (
            RunStatus.PAUSED,
            "r1",
            1,
            "load: no disk",
        )
        (row,) = await store.load_attempts(["a"])
        assert (row.status, row.reason_code) == ("Failed", ReasonCode.EXHAUSTED)
        (stop_request,) = (await store.news("r1", [], 9)).stop_requests
        assert (stop_request.run_id, stop_request.status) == ("a", RunStatus.PAUSED)
        (noted,) = await store.acts("a", 9)
        assert (noted.kind, noted.asked_by, noted.reason, noted.changed) == (
            "pause",
            "cloaca",
            "load: no disk",
            1,
        )
        assert noted.created_at == NOW + 7
        assert (await stored(store, "b")).status == RunStatus.RUNNING

    async def test_sent_again_after_a_resume_it_pauses_nothing(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        await _exhaust(store, "a")
        assert dict((await _exhaust(store, "a")).stop_requests) == {"a": RunStatus.PAUSED}
        await store.resume(["a"], act("r", now=NOW + 17))

        assert dict((await _exhaust(store, "a")).stop_requests) == {}

        run = await stored(store, "a")
        assert (run.status, run.stood_still) == (RunStatus.RUNNING, 10)
        assert [row.kind for row in await store.acts("a", 9)] == ["resume", "pause"]
        await _exhaust(store, "a", number=2)
        assert (await stored(store, "a")).status == RunStatus.PAUSED

    async def test_a_pause_that_would_end_by_itself_does_so_no_more(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        await store.pause(["a"], act("p", now=NOW + 1), LATER, children=True)

        await _exhaust(store, "a")

        assert await store.pauses_over(LATER, 9) == []
        assert (await stored(store, "a")).steer_reason == "load: no disk"
        await store.resume(["a"], act("r", now=NOW + 11))
        assert (await stored(store, "a")).stood_still == 10  # since the first pause

    async def test_a_run_that_is_to_be_cancelled_or_belongs_to_another_is_not_paused(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await store.register(runner("r2"))
        await submit(store, new_run("told"), new_run("other"), new_run("over"))
        await store.cancel(["told"], act("c"), LATER, children=True)
        await record(store, ends=[run_end("over")])
        before = [await stored(store, run_id) for run_id in ("told", "other", "over")]

        assert dict((await _exhaust(store, "told")).stop_requests) == {"told": RunStatus.CANCELLED}
        assert (await _exhaust(store, "other", runner_id="r2")).current == frozenset()
        await _exhaust(store, "over")

        assert [await stored(store, run_id) for run_id in ("told", "other", "over")] == before
        assert [row.kind for row in await store.acts(None, 9)] == ["cancel"]

    async def test_it_stays_paused_when_its_owner_is_dead_and_is_cancelled_at_once(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"), new_run("b"))
        await _exhaust(store, "a")
        await _exhaust(store, "b")
        seen = next(row.beat for row in await store.runners() if row.id == "r1")
        await store.fence("r1", seen)
        assert await store.take_over("r1", 9) == 2
        await store.register(runner("r2"))

        assert await claimed(store, runner_id="r2") == []
        acted = await store.cancel(["a"], act("c"), LATER, children=True)
        assert acted == {"a": Acted(RunStatus.CANCELLED, True)}
        await store.resume(["b"], act("r"))
        assert await claimed(store, runner_id="r2") == ["b"]


async def _exhaust(store: Store, run_id: str, number: int = 1, runner_id: str = "r1") -> Committed:
    """Record the last attempt of a task, and pause its run."""
    row = attempt(run_id, number=number, status="Failed", error="no disk")
    last = row._replace(reason_code=ReasonCode.EXHAUSTED, skip_reason=None)
    pause = Exhausted(run_id, f"x{number}", "load: no disk", NOW + 7)
    batch = Batch(runner_id, [], [last], [], {run_id: 1}, exhausted=[pause])
    return await store.commit(batch)
