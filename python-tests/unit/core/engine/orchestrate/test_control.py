"""A run goes on once its records are durable. One that cannot go on ends, and says why."""

from __future__ import annotations

import pytest
from model.by_hand import settle
from model.orchestration import CHAIN, PAIR, Scene, fail, rows_of
from model.runs import active_run, graph_of

from cloaca_core.engine.execute.attempt import Attempt
from cloaca_core.run.contexts import Contexts
from cloaca_core.run.planner import RunPlan
from cloaca_core.run.reasons import Reason
from cloaca_core.values.states import ReasonCode
from cloaca_testing.conformance.rows import attempt as attempt_row

pytestmark = pytest.mark.virtual_time

LATE = Reason(ReasonCode.DEADLINE_EXCEEDED, "too late")
BROKEN = "internal error: LookupError('a flaw of ours')"


@pytest.fixture
async def scene() -> Scene:
    return Scene()


def flawed(*_: object) -> None:
    raise LookupError("a flaw of ours")


async def test_dependents_start_when_the_record_is_durable_and_not_before(
    scene: Scene,
) -> None:
    scene.adopt(CHAIN, {"n": 0})
    scene.executor.run()
    assert scene.queued() == []

    record = await scene.journal.commit()

    assert rows_of(record) == [("a", 1, "Completed")]
    assert (record.run.id, record.run.epoch, record.end) == ("r", 1, None)
    (attempt,) = scene.executor.queued
    assert isinstance(attempt, Attempt)
    assert (attempt.task.id, attempt.given) == ("b", {"n": 0, "x": 1})


async def test_the_last_fact_and_the_end_of_the_run_are_one_record(scene: Scene) -> None:
    run = scene.adopt(CHAIN)
    scene.executor.run()
    await scene.journal.commit()
    scene.executor.run()
    record = await scene.journal.entry()
    assert not scene.ended

    settle(record)

    assert rows_of(record) == [("b", 1, "Completed")]
    assert scene.ended == [(run, record.end)]
    assert scene.ended[0][1][:5] == ("r", 1, "Completed", '{"x":1}', None)
    assert not scene.runs


async def test_a_run_that_is_somebody_elses_is_let_go(scene: Scene) -> None:
    run = scene.adopt(graph_of(a={}, b={}, c={"dependencies": ["a"]}))
    body = scene.begin(1)
    scene.executor.run()
    await scene.journal.lose()

    assert (list(scene.runs), scene.capacity.told[-1], scene.ended) == ([], 0, [])
    assert (body.abandoned, scene.attempts(run), scene.executor.queued) == (True, {}, [])
    assert not scene.body_times._limit_of


async def test_the_old_end_of_one_that_was_claimed_again_leaves_the_new_one(
    scene: Scene,
) -> None:
    old = scene.adopt(PAIR, past=[attempt_row("r", "a"), attempt_row("r", "b")])
    new = scene.adopt(PAIR, epoch=3)
    await scene.journal.commit()

    assert scene.ended[0][0] is old
    assert list(scene.runs) == [new]


# -- runs that cannot go on ------------------------------------------------------------------------


class TestRefusals:
    async def test_a_run_that_cannot_be_gone_on_with_fails_at_once(self, scene: Scene) -> None:
        run = active_run(PAIR)
        scene.orchestrator.refuse(run, Reason(ReasonCode.UNREADABLE, "cannot be read"))

        end = await scene.the_end()

        assert (end.status, end.error_message) == ("Failed", "cannot be read")
        assert (end.reason_code, end.limit_seconds) == ("unreadable", None)
        assert not scene.executor.queued

    async def test_a_run_whose_record_is_refused_fails_with_the_reason(
        self, scene: Scene, caplog: pytest.LogCaptureFixture
    ) -> None:
        scene.adopt(CHAIN)
        scene.executor.run()
        await scene.journal.refuse()

        end = await scene.the_end()

        assert (end.status, end.error_message) == (
            "Failed",
            "a result could not be stored: not this",
        )
        assert end.reason_code == "unstorable"
        (record,) = caplog.records
        assert record.__dict__["run_id"] == "r"

    async def test_an_end_that_is_refused_is_written_without_what_it_carried(
        self, scene: Scene
    ) -> None:
        run = scene.adopt(CHAIN, past=[attempt_row("r", "a")])
        scene.executor.run()
        await scene.journal.refuse()
        record = await scene.journal.commit()

        assert (record.attempts, record.end and record.end.final_context) == ([], "{}")
        assert scene.ended == [(run, record.end)]
        assert scene.ended[0][1].error_message == "a result could not be stored: not this"
        assert scene.ended[0][1].reason_code == "unstorable"

    async def test_even_if_its_context_was_empty(self, scene: Scene) -> None:
        """It may be the error of the last task that the database will not have."""
        scene.adopt(graph_of(a={"body": fail, "retry_attempts": 1}))
        scene.executor.run()
        await scene.journal.refuse()

        assert (await scene.the_end()).error_message == "a result could not be stored: not this"

    async def test_so_is_one_that_carried_only_its_context(self, scene: Scene) -> None:
        run = scene.adopt(CHAIN, {"n": 0}, recoveries=1)
        scene.drain()
        scene.journal.waiting.clear()
        scene.orchestrator.control.fail(run, LATE)
        await scene.journal.refuse()

        assert (await scene.the_end())[2:4] == ("Failed", "{}")

    async def test_one_that_cannot_be_written_at_all_is_let_go(self, scene: Scene) -> None:
        scene.adopt(CHAIN, past=[attempt_row("r", "a")])
        scene.executor.run()
        await scene.journal.refuse()
        await scene.journal.refuse()

        assert (list(scene.runs), scene.ended, scene.capacity.told[-1]) == ([], [], 0)
        assert not scene.journal.waiting

    async def test_what_is_refused_after_the_end_is_on_its_way_changes_nothing(
        self, scene: Scene
    ) -> None:
        run = scene.adopt(CHAIN)
        scene.executor.run()
        scene.orchestrator.control.fail(run, LATE)
        await scene.journal.refuse()

        assert len(scene.journal.waiting) == 1
        assert (await scene.the_end()).error_message == "too late"


async def test_a_run_whose_handling_fails_ends_and_says_so(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    scene.adopt(graph_of(a={}, b={"dependencies": ["a"]}))
    scene.executor.run()
    monkeypatch.setattr(scene.executor, "submit", flawed)

    end = await scene.the_end()

    assert (end.status, end.error_message) == ("Failed", BROKEN)
    assert end.reason_code == "internal_error"
    assert "cannot go on" in caplog.text
    assert not scene.runs


@pytest.mark.parametrize(("part", "of"), [("completed", RunPlan), ("final", Contexts)])
async def test_a_flaw_in_what_follows_from_a_body_ends_its_run(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, part: str, of: type[object]
) -> None:
    scene.adopt(graph_of(a={}))
    monkeypatch.setattr(of, part, flawed)

    scene.executor.run()

    assert (await scene.the_end()).error_message == BROKEN


async def test_so_does_one_as_a_run_is_ended_that_cannot_go_on(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = scene.adopt(graph_of(a={}))
    monkeypatch.setattr(Contexts, "final", flawed)

    scene.orchestrator.guarded(run, scene.orchestrator.control.fail, run, LATE)

    assert (await scene.the_end()).error_message == BROKEN


async def test_a_flaw_while_the_end_is_on_its_way_leaves_the_end_alone(scene: Scene) -> None:
    run = scene.adopt(graph_of(a={}))
    scene.executor.run()

    scene.orchestrator.guarded(run, flawed, run)

    assert (await scene.the_end()).status == "Completed"
    assert not scene.journal.waiting


async def test_a_flaw_after_the_end_leaves_the_end_alone_and_reaches_the_journal(
    scene: Scene,
) -> None:
    """Those who wait for the run would do so for ever."""
    scene.subjects.ended.subscribe(flawed)
    scene.adopt(graph_of(a={}))

    with pytest.raises(LookupError, match="a flaw of ours"):
        await scene.finish()
    assert not scene.journal.waiting
    assert not scene.runs
