"""A run whose end the plan cannot say ends all the same, and says why."""

from __future__ import annotations

import time
from typing import Any

import pytest
from model.orchestration import (
    CHAIN,
    PAIR,
    Scene,
    fail,
    rows_of,
)
from model.runs import active_run, graph_of
from model.virtual_time import the_loop

from cloaca_core._engine.execute.work import Work
from cloaca_core._engine.plan.active_run import ActiveRun
from cloaca_core._engine.plan.contexts import Contexts
from cloaca_core._engine.plan.deadline import Deadline
from cloaca_core._engine.plan.planner import RunPlan
from cloaca_core._engine.plan.reasons import Reason
from cloaca_core.config import DefaultRunnerConfig
from cloaca_core.conformance.rows import attempt as attempt_row
from cloaca_core.records.states import ReasonCode


@pytest.fixture
async def scene() -> Scene:
    return Scene()


class TestDeadlines:
    @pytest.fixture
    async def scene(self) -> Scene:
        return Scene(pipeline_timeout_seconds=1)

    async def overdue(self, scene: Scene, *arguments: Any, **fields: Any) -> ActiveRun:
        """A run that another runner began long ago."""
        began = time.time_ns() // 1000 - 3_600_000_000
        return scene.adopt(*arguments, **{"started_at": began, "epoch": 3, **fields})

    async def test_what_is_under_way_is_cut_short_in_the_same_record(self, scene: Scene) -> None:
        run = scene.adopt(PAIR)
        body = scene.begin()
        scene.orchestrator._failures._expire(run)

        record = await scene.journal.commit()

        assert rows_of(record) == [("a", 1, "Cancelled"), ("b", 1, "Cancelled")]
        assert {row.skip_reason for row in record.attempts} == {"Pipeline timeout after 1s"}
        assert {row.reason_code for row in record.attempts} == {"deadline_exceeded"}
        end = scene.ended[0][1]
        assert end[2:5] == ("Failed", None, "Pipeline timeout after 1s")
        assert (end.reason_code, end.limit_seconds) == ("deadline_exceeded", 1)
        assert (body.abandoned, scene.executor.queued) == (True, [])

    @pytest.mark.virtual_time
    async def test_a_deadline_passes_by_itself_and_counts_from_the_first_start(
        self, scene: Scene
    ) -> None:
        began = time.time_ns() // 1000
        scene.clock.shown = began + 750_000
        beginning = the_loop().time()
        scene.adopt(PAIR, started_at=began, epoch=3)

        assert rows_of(await scene.journal.commit()) == [
            ("a", 1, "Cancelled"),
            ("b", 1, "Cancelled"),
        ]
        assert the_loop().time() - beginning == 0.25

    @pytest.mark.virtual_time
    async def test_a_clock_that_is_corrected_meanwhile_ends_no_run_before_its_deadline(
        self, scene: Scene
    ) -> None:
        began = time.time_ns() // 1000
        scene.clock.shown = began + 750_000
        beginning = the_loop().time()
        run = scene.adopt(PAIR, started_at=began, epoch=3)
        the_loop().call_at(beginning + 0.2, setattr, scene.clock, "shown", began + 900_000)
        the_loop().call_at(beginning + 0.3, setattr, scene.clock, "shown", began + 1_000_000)

        await scene.journal.commit()

        assert scene.ended[0][1].reason_code == "deadline_exceeded"
        assert run.deadline == Deadline(began + 1_000_000, 1)
        assert the_loop().time() - beginning == pytest.approx(0.35)

    async def test_a_new_owner_gives_it_what_is_left_of_its_time(self, scene: Scene) -> None:
        began = time.time_ns() // 1000
        scene.clock.shown = began + 400_000
        run = scene.adopt(PAIR, started_at=began, epoch=3)

        assert scene.orchestrator._failures._run_times._limit_of == {run: pytest.approx(0.6)}

    async def test_no_body_starts_after_it(self, scene: Scene) -> None:
        await self.overdue(scene, CHAIN, past=[attempt_row("r", "a")])
        assert not scene.executor.queued

        end = await scene.the_end()

        assert (end.status, end.error_message) == ("Failed", "Pipeline timeout after 1s")

    async def test_it_stays_the_reason_beside_a_context_that_is_too_large(self) -> None:
        scene = Scene(pipeline_timeout_seconds=1, max_context_bytes=8)
        await self.overdue(scene, CHAIN, {"n": "x" * 9}, past=[attempt_row("r", "a")])

        end = await scene.the_end()

        assert (end.reason_code, end.limit_seconds) == ("deadline_exceeded", 1)
        assert end.error_message is not None
        assert end.error_message.startswith("Pipeline timeout after 1s; the final context is")

    async def test_a_run_that_had_done_everything_in_time_has_its_true_end(
        self, scene: Scene
    ) -> None:
        await self.overdue(scene, PAIR, past=[attempt_row("r", "a"), attempt_row("r", "b")])

        assert (await scene.the_end()).status == "Completed"

    async def test_a_clock_that_was_set_back_gives_no_more_than_the_whole_time(
        self, scene: Scene
    ) -> None:
        ahead = time.time_ns() // 1000 + 3_600_000_000
        run = scene.adopt(PAIR, started_at=ahead, epoch=3)

        assert scene.orchestrator._failures._run_times._limit_of == {run: 1}

    async def test_a_new_run_has_the_whole_time_however_long_it_was_in_being_accepted(
        self, scene: Scene
    ) -> None:
        run = await self.overdue(scene, PAIR, epoch=1)

        assert scene.orchestrator._failures._run_times._limit_of == {run: 1}
        assert scene.queued() == ["a", "b"]

    async def test_without_a_limit_there_is_none(self) -> None:
        config = DefaultRunnerConfig()
        config.pipeline_timeout_seconds = None
        scene = Scene()
        scene.orchestrator._failures._config = config
        run = await self.overdue(scene, PAIR)

        assert run.deadline is None
        assert (await scene.the_end()).status == "Completed"

    @pytest.mark.parametrize(
        ("left", "fields"),
        [
            (5, {"time_limit": 5_000_000}),
            (0.5, {"time_limit": 500_000}),
            (None, {"time_limit": -1}),  # its submitter wanted none
        ],
    )
    async def test_a_limit_of_its_own_goes_before_the_runners(
        self, scene: Scene, left: float | None, fields: dict[str, int]
    ) -> None:
        run = scene.adopt(PAIR, **fields)

        watched = scene.orchestrator._failures._run_times._limit_of
        assert watched == ({} if left is None else {run: pytest.approx(left)})

    async def test_the_limit_of_its_workflow_goes_before_the_runners(self, scene: Scene) -> None:
        run = scene.adopt(PAIR._replace(time_limit=9.0))

        assert scene.orchestrator._failures._run_times._limit_of == {run: 9.0}

    async def test_a_child_ends_with_the_time_of_its_parent(self, scene: Scene) -> None:
        began = time.time_ns() // 1000
        run = scene.adopt(PAIR, started_at=began, deadline_at=began + 250_000)
        assert scene.orchestrator._failures._run_times._limit_of == {run: pytest.approx(0.25)}

        end = (await scene.journal.commit()).end

        assert end is not None
        assert (end.reason_code, end.limit_seconds) == ("deadline_exceeded", 1)
        assert str(end.error_message).startswith("Pipeline timeout after 0.25s: the time of the")

    async def test_it_stands_still_while_the_run_rests(self, scene: Scene) -> None:
        began = time.time_ns() // 1000
        scene.clock.shown = began
        run = scene.adopt(PAIR, started_at=began, epoch=1)
        failures = scene.orchestrator._failures
        for at in (300_000, 400_000):  # told again it counts from the first time
            scene.clock.shown = began + at
            failures.rest(run)
        assert failures._run_times._limit_of == {}

        for at in (9_000_000, 9_500_000):
            scene.clock.shown = began + at
            failures.go_on(run)

        assert failures._run_times._limit_of == {run: pytest.approx(0.7)}
        assert (run.stood_still, run.rested, run.rests_since) == (8_700_000, 8_700_000, None)
        assert run.deadline is not None
        assert run.deadline.at == began + 9_700_000

    async def test_a_rest_of_no_time_gives_a_new_run_no_more_time(self, scene: Scene) -> None:
        began = time.time_ns() // 1000
        run = scene.adopt(PAIR, started_at=began, epoch=1)
        scene.clock.shown = began + 600_000
        scene.orchestrator._failures.rest(run)
        scene.orchestrator._failures.go_on(run)

        assert scene.orchestrator._failures._run_times._limit_of == {run: pytest.approx(0.4)}

    async def test_a_pause_ends_a_rest_and_only_the_rest_is_to_be_told(self, scene: Scene) -> None:
        began = time.time_ns() // 1000
        scene.clock.shown = began
        run, failures = scene.adopt(PAIR, started_at=began), scene.orchestrator._failures
        failures.rest(run)
        scene.clock.shown = began + 5_000_000
        failures.stop_limit(run)
        scene.clock.shown = began + 7_000_000
        failures.arm_deadline(run)

        assert (run.stood_still, run.rested) == (7_000_000, 5_000_000)

    async def test_a_clock_that_is_set_back_makes_no_rest_negative(self, scene: Scene) -> None:
        run, failures = scene.adopt(PAIR), scene.orchestrator._failures
        failures.rest(run)
        scene.clock.shown = time.time_ns() // 1000 - 3_600_000_000
        failures.go_on(run)

        assert (run.stood_still, run.rested) == (0, 0)

    async def test_a_run_that_has_ended_has_no_deadline_any_more(self, scene: Scene) -> None:
        scene.adopt(PAIR)
        await scene.finish()

        assert not scene.orchestrator._failures._run_times._limit_of

    async def test_it_ends_a_run_once(self, scene: Scene) -> None:
        run = scene.adopt(PAIR)
        scene.orchestrator._failures._expire(run)
        scene.orchestrator._failures._expire(run)

        assert len(scene.journal.waiting) == 1


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
        scene.orchestrator._failures._expire(run)
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
        scene.orchestrator._failures._expire(run)
        await scene.journal.refuse()

        assert len(scene.journal.waiting) == 1
        assert (await scene.the_end()).error_message == "Pipeline timeout after 3600s"


async def test_a_run_whose_handling_fails_ends_and_says_so(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def flawed(work: Work) -> None:
        raise LookupError("a flaw of ours")

    scene.adopt(graph_of(a={}, b={"dependencies": ["a"]}))
    scene.executor.run()
    monkeypatch.setattr(scene.executor, "submit", flawed)

    end = await scene.the_end()

    message = "internal error: LookupError('a flaw of ours')"
    assert (end.status, end.error_message) == ("Failed", message)
    assert end.reason_code == "internal_error"
    assert "cannot go on" in caplog.text
    assert not scene.runs


@pytest.mark.parametrize(("part", "of"), [("completed", RunPlan), ("final", Contexts)])
async def test_a_flaw_in_what_follows_from_a_body_ends_its_run(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, part: str, of: type[object]
) -> None:
    def flawed(flawed_part: object, *facts: object) -> None:
        raise LookupError("a flaw of ours")

    scene.adopt(graph_of(a={}))
    monkeypatch.setattr(of, part, flawed)

    scene.executor.run()

    message = "internal error: LookupError('a flaw of ours')"
    assert (await scene.the_end()).error_message == message


async def test_a_flaw_while_the_end_is_on_its_way_leaves_the_end_alone(scene: Scene) -> None:
    run = scene.adopt(graph_of(a={}))
    scene.executor.run()

    scene.orchestrator._failures.broken(run, LookupError("a flaw of ours"))

    assert (await scene.the_end()).status == "Completed"
    assert not scene.journal.waiting
