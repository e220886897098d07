"""Once a record is durable a run goes on, and not before; if it is not to be, the run does not."""

from __future__ import annotations

import pytest
from model.by_hand import settle
from model.orchestration import CHAIN, PAIR, Scene, rows_of
from model.runs import graph_of

from cloaca_core._engine.execute.attempt import Attempt
from cloaca_core._engine.plan.active_run import ActiveRun
from cloaca_core.conformance.rows import attempt as attempt_row
from cloaca_core.records.runs import RunEnd

pytestmark = pytest.mark.virtual_time


@pytest.fixture
async def scene() -> Scene:
    return Scene()


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


async def test_a_flaw_after_the_end_leaves_the_end_alone_and_reaches_the_journal(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those who wait for the run would do so for ever."""

    def flawed(run: ActiveRun, end: RunEnd) -> None:
        raise LookupError("a flaw of ours")

    monkeypatch.setattr(scene.orchestrator._next_steps, "_ended", flawed)
    scene.adopt(graph_of(a={}))

    with pytest.raises(LookupError, match="a flaw of ours"):
        await scene.finish()
    assert not scene.journal.waiting
    assert not scene.runs
