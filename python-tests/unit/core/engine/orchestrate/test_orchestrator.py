"""Every run goes from step to step: decide, launch, record, and only then go on."""

from __future__ import annotations

import asyncio

import pytest
from model.orchestration import (
    CHAIN,
    FAILING,
    PAIR,
    SHORT,
    Scene,
    fail,
    rows_of,
)
from model.runs import active_run, graph_of

from cloaca_core.definition.context import Context
from cloaca_core.definition.handles.task_handle import TaskHandle
from cloaca_core.definition.retries.retry_after import RetryAfter
from cloaca_core.engine.execute.outcome import Raised
from cloaca_core.engine.orchestrate.launcher import LAUNCHES_PER_PASS
from cloaca_core.features.follow_ups.records import FOLLOW_UPS
from cloaca_core.run.life import State
from cloaca_core.run.reasons import Reason
from cloaca_core.run.rows import AttemptRow, Exhausted
from cloaca_core.values.definition_rows import WhenEndedRow
from cloaca_core.values.states import ReasonCode, TaskStatus
from cloaca_core.values.times.instants import SECOND
from cloaca_testing.conformance.rows import attempt as attempt_row

pytestmark = pytest.mark.virtual_time

NOW = 1_000_000 * SECOND


@pytest.fixture
async def scene() -> Scene:
    return Scene()


class TestSteps:
    async def test_bodies_without_dependencies_start_at_once(self, scene: Scene) -> None:
        run = scene.adopt(PAIR)

        assert scene.queued() == ["a", "b"]
        assert list(scene.runs) == [run]

    async def test_what_is_skipped_travels_with_the_failure_that_it_follows_from(
        self, scene: Scene
    ) -> None:
        run = scene.adopt(FAILING, {"n": 0})
        scene.executor.run()
        record = await scene.journal.commit()

        assert rows_of(record) == [("a", 1, "Failed"), ("b", 0, "Skipped"), ("c", 0, "Skipped")]
        assert [row.skip_reason for row in record.attempts[1:]] == [
            "upstream failed: a",
            "upstream failed: b",
        ]
        assert scene.ended[0][1][2:5] == (
            "Failed",
            None,
            "1 task(s) failed, 0 completed, 2 skipped; first error: a: ValueError: bad",
        )
        assert [row.reason_code for row in record.attempts] == [
            None,
            "upstream_failed",
            "upstream_failed",
        ]
        assert scene.ended[0][1].reason_code == "task_failed"
        assert [run.latest[task] for task in range(3)] == list(record.attempts)

    async def test_what_was_recorded_counts_towards_the_size_of_the_contexts(
        self, scene: Scene
    ) -> None:
        run = scene.adopt(CHAIN)
        before = run.size_bound
        scene.executor.run()

        assert run.size_bound == before + len('{"set":{"x":1},"removed":[]}')

    async def test_a_run_of_which_only_the_end_is_missing_gets_it(self, scene: Scene) -> None:
        scene.adopt(PAIR, past=[attempt_row("r", "a"), attempt_row("r", "b")])

        assert (await scene.the_end()).status == "Completed"
        assert not scene.executor.queued

    async def test_what_an_earlier_owner_did_is_not_done_again(self, scene: Scene) -> None:
        scene.adopt(CHAIN, past=[attempt_row("r", "a")], epoch=3)

        assert await scene.finish() == [("b", 1, "Completed")]

    async def test_heartbeats_go_in_between_the_starts_of_a_wide_graph(self, scene: Scene) -> None:
        names = [f"t{number}" for number in range(2 * LAUNCHES_PER_PASS + 1)]
        scene.adopt(graph_of(**{name: {} for name in names}))
        counts = [len(scene.executor.queued)]
        for _ in range(2):
            await asyncio.sleep(0)
            counts.append(len(scene.executor.queued))

        assert counts == [LAUNCHES_PER_PASS, 2 * LAUNCHES_PER_PASS, len(names)]
        assert scene.queued() == names

    async def test_nothing_more_starts_of_a_wide_graph_that_is_dropped(self, scene: Scene) -> None:
        run = scene.adopt(graph_of(**{f"t{n}": {} for n in range(LAUNCHES_PER_PASS + 1)}))
        scene.orchestrator.control.drop(run)
        await asyncio.sleep(0)

        assert not scene.executor.queued


class TestLoss:
    async def test_the_next_suspect_may_start(self, scene: Scene) -> None:
        past = [attempt_row("r", "a", status=TaskStatus.RUNNING, crashes=2)]
        run = scene.adopt(CHAIN, past=past, recoveries=2)
        past = [past[0]._replace(run_id="other")]
        scene.adopt(CHAIN, past=past, recoveries=1, id="other")
        assert [record.run.id for record in scene.journal.waiting] == ["r"]

        scene.orchestrator.control.drop(run)

        assert [record.run.id for record in scene.journal.waiting] == ["r", "other"]

    async def test_a_body_that_waits_for_its_mark_waits_no_longer(self, scene: Scene) -> None:
        run = scene.adopt(CHAIN, recoveries=1)
        await scene.journal.commit()
        body = scene.begin()
        scene.waiting_bodies.release_slot(body)
        await scene.journal.commit()
        back = asyncio.create_task(scene.waiting_bodies.reacquire_slot(body))
        await scene.journal.entry()

        scene.orchestrator.control.drop(run)
        await back

        assert body.abandoned

    async def test_one_that_timed_out_is_given_up_once(self, scene: Scene) -> None:
        condition = {"retry_condition": lambda error: True}
        run = scene.adopt(graph_of(a={"timeout_seconds": SHORT, **condition}))
        scene.begin()
        await scene.executor.sent()

        scene.orchestrator.control.drop(run)

        assert not scene.executor.queued

    async def test_what_its_bodies_still_do_is_ignored(self, scene: Scene) -> None:
        run = scene.adopt(graph_of(a={"on_success": lambda task_id, context: None}))
        body = scene.begin()
        scene.executor.end(body)  # its report is on the way
        scene.orchestrator.control.drop(run)

        scene.executor.report(body)

        assert (scene.executor.queued, scene.journal.waiting) == ([], [])

    async def test_one_that_was_claimed_again_meanwhile_stays(self, scene: Scene) -> None:
        old = scene.adopt(PAIR)
        new = scene.adopt(PAIR, epoch=3)
        scene.orchestrator.control.drop(old)

        assert list(scene.runs) == [new]
        assert scene.capacity.told == []
        assert new.life.state is State.ACTIVE

    async def test_an_attempt_is_ours_while_its_run_is(self, scene: Scene) -> None:
        run = scene.adopt(PAIR)
        attempt = scene.attempts(run)[0]
        owned = [scene.runs.owns(attempt)]
        scene.orchestrator.control.drop(run)
        owned.append(scene.runs.owns(attempt))
        scene.adopt(PAIR, epoch=3)
        owned.append(scene.runs.owns(attempt))

        assert owned == [True, False, False]


async def test_a_final_context_that_is_too_large_fails_the_run_with_its_size() -> None:
    """Each leaf's context is small enough, and so is what each task writes."""
    scene = Scene(max_context_bytes=60)
    graph = graph_of(
        a={"body": lambda context: {"a": "x" * 40}}, b={"body": lambda context: {"b": "x" * 40}}
    )
    scene.adopt(graph)

    end = await scene.the_end()

    # {"a":"…","b":"…"}: twice 40 and 6, a comma and two braces.
    message = "the final context is 95 bytes long; max_context_bytes is 60"
    assert (end.status, end.final_context, end.error_message) == ("Failed", "{}", message)
    assert end.reason_code == "context_too_large"


async def test_what_follows_an_end_goes_with_it_whatever_the_end() -> None:
    """A run of too large a context completes for the plan, and ends as Failed."""
    rules = [WhenEndedRow("w", "v", 0, each, "alert", "{}") for each in ("Completed", "Failed")]
    graph = graph_of(a={"body": lambda context: {"a": "x" * 40}}, b={})
    scene = Scene(max_context_bytes=30)
    scene.adopt(graph._replace(when_ended=tuple(rules)))
    scene.executor.run()

    *_, last = [await scene.journal.commit() for _ in "ab"]

    assert last.end is not None
    assert [(row.id, row.run_id, row.status) for row in last.with_end[FOLLOW_UPS]] == [
        ("1", "r", "Failed")
    ]


async def test_nothing_is_made_for_a_run_that_nothing_follows(scene: Scene) -> None:
    scene.adopt(graph_of(a={}))
    scene.executor.run()

    record = await scene.journal.commit()

    assert record.end is not None
    assert record.with_end == {}


async def test_its_size_is_that_of_its_bytes() -> None:
    scene = Scene(max_context_bytes=60)
    graph = graph_of(
        a={"body": lambda context: {"a": "é" * 20}}, b={"body": lambda context: {"b": "x" * 10}}
    )
    scene.adopt(graph)

    # {"a":"…","b":"…"}: 40, 10, twice 6, a comma and two braces.
    message = "the final context is 65 bytes long; max_context_bytes is 60"
    assert (await scene.the_end()).error_message == message


async def test_the_size_is_told_beside_what_failed_before() -> None:
    scene = Scene(max_context_bytes=60)
    graph = graph_of(
        a={"body": lambda context: {"a": "x" * 40}},
        b={"body": lambda context: {"b": "x" * 40}},
        c={"body": lambda context: 1 / 0, "retry_attempts": 1},
    )
    scene.adopt(graph)

    end = await scene.the_end()

    assert end.reason_code == "task_failed"
    message = end.error_message
    assert message is not None
    assert message.startswith("1 task(s) failed, 2 completed")
    assert message.endswith("; the final context is 95 bytes long; max_context_bytes is 60")


@pytest.mark.parametrize(
    ("noted_at", "ended_at"),
    [
        (NOW, NOW - SECOND),
        (NOW + 1, NOW),
        (NOW + SECOND + 1, NOW + SECOND),  # the wall was set back since
        (NOW, None),  # a row without an end
    ],
)
async def test_the_pause_for_a_task_without_attempts_comes_after_its_failure(
    scene: Scene, noted_at: int, ended_at: int | None
) -> None:
    scene.clock.shown = NOW
    run = scene.adopt(PAIR._replace(pauses=True))
    failed = attempt_row(run.id, "a", 3, error="no stock")._replace(ended_at=ended_at)

    scene.orchestrator.fail(run, 0, failed, "ValueError: no stock")

    (entry,) = scene.journal.waiting
    reason = "a has used up its attempts: ValueError: no stock"
    assert entry.exhausted == Exhausted(run.id, "exhausted::a::3", reason, noted_at)
    assert [row.reason_code for row in entry.attempts] == ["exhausted"]


async def test_each_failed_attempt_is_logged(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    run = scene.adopt(graph_of(a={"body": fail, "retry_attempts": 2, "retry_delay_ms": 0}))
    await scene.finish()

    task = f"run {run.id} task a attempt"
    assert [(each.levelname, each.getMessage()) for each in caplog.records] == [
        ("WARNING", f"{task} 1: failed, of 2, again in 0 s: ValueError: bad"),
        ("WARNING", f"{task} 2: failed, of 2: ValueError: bad"),
    ]
    assert {each.__dict__["run_id"] for each in caplog.records} == {run.id}


async def test_an_attempt_that_does_not_count_is_no_warning(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    def body(context: Context, handle: TaskHandle) -> None:
        if handle.attempt == 1:
            raise RetryAfter(0, count=False)
        raise ValueError("bad")

    caplog.set_level("INFO", logger="cloaca.engine")
    scene.adopt(graph_of(a={"body": body, "retry_attempts": 1}))
    await scene.finish()

    task = "run r task a attempt"
    asked = f"{task} 1: not counted, again in 0 s: RetryAfter: try again after 0 s"
    failed = f"{task} 2: failed, of 2: ValueError: bad"
    told = [(each.levelname, each.getMessage()) for each in caplog.records]
    assert [each for each in told if each[1].startswith(task)] == [
        ("INFO", asked),
        ("WARNING", failed),
    ]


async def test_a_lost_worker_is_a_warning(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    scene.adopt(graph_of(a={}))
    attempt = scene.begin()
    lost = Raised("WorkerLost", "gone", "", again=True, after=7, counts=False, crashed=True)
    scene.orchestrator.concluded(attempt, lost)

    assert [(each.levelname, each.getMessage()) for each in caplog.records] == [
        ("WARNING", "run r task a attempt 1: not counted, again in 7 s: WorkerLost: gone")
    ]


class TestRunsOfSchedules:
    """Another run may wait for the end of one, so each kind of end names the schedule."""

    async def test_each_kind_of_end_names_the_schedule(self, scene: Scene) -> None:
        completed = scene.adopt(PAIR, schedule_id="s")
        await scene.finish()
        failed = scene.adopt(FAILING, schedule_id="s")
        await scene.finish()
        refused = active_run(PAIR, schedule_id="s")
        scene.orchestrator.refuse(refused, Reason(ReasonCode.UNREADABLE, "damaged"))
        await scene.finish()
        unstorable = scene.adopt(CHAIN, past=[attempt_row("r", "a")], schedule_id="s")
        scene.executor.run()
        await scene.journal.refuse()
        await scene.journal.commit()

        assert [run for run, _ in scene.ended] == [completed, failed, refused, unstorable]
        assert [end.schedule_id for _, end in scene.ended] == ["s"] * 4

    async def test_only_those_are_asked_after_that_a_tick_may_cancel(self, scene: Scene) -> None:
        scene.adopt(PAIR)
        assert scene.runs.scheduled() == []

        scene.adopt(PAIR, schedule_id="s", id="t")
        assert scene.runs.scheduled() == ["t"]


class TestLog:
    @pytest.mark.parametrize(
        ("said", "past", "fields"),
        [
            ("started", [], {}),
            ("started", [], {"epoch": 2}),  # released by its last owner before any body
            ("goes on, in epoch 2", [attempt_row("r", "a")], {"epoch": 2}),
            ("goes on, in epoch 2", [], {"epoch": 2, "recoveries": 1}),  # its owner has died
        ],
    )
    async def test_it_says_whether_a_run_starts_or_goes_on(
        self,
        caplog: pytest.LogCaptureFixture,
        said: str,
        past: list[AttemptRow],
        fields: dict[str, int],
    ) -> None:
        caplog.set_level("INFO", logger="cloaca.engine")
        Scene().adopt(PAIR, past=past, **fields)

        (record,) = caplog.records
        assert record.getMessage().endswith(f": {said}")
