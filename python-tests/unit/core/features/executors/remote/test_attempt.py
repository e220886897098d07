"""An attempt waits on its thread for the answer, and tells the body to end."""

from __future__ import annotations

import asyncio
import gc
import json
import math
import threading
import weakref
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from model.runs import active_run, attempt_of, graph_of

from cloaca_core.engine.execute.attempt import Attempt
from cloaca_core.engine.execute.current_work import CURRENT_WORK
from cloaca_core.engine.execute.outcome import Outcome, Raised, Succeeded
from cloaca_core.engine.execute.usage import Usage
from cloaca_core.engine.execute.work import Stage, Work
from cloaca_core.features.executors.kinds import OnStart
from cloaca_core.features.executors.remote.answer import Answer
from cloaca_core.features.executors.remote.attempt import RemoteAttempt, RemoteThreads, Signal
from cloaca_core.features.executors.remote.cancel_files import CancelFiles, name_of
from cloaca_core.features.executors.remote.line_socket import LineSocket, Sender, SentLines
from cloaca_core.features.task_logs.task_log import Numbered, TaskLog, Told
from cloaca_core.run.merge import UNCHANGED

DONE = Succeeded(UNCHANGED, "{}")
WAIT = 60


class HandClock:
    """Counts how often the clock of an attempt was started and paused."""

    def wall(self) -> int:
        return 7

    def monotonic(self) -> float:
        return self.now

    now = 0.0


class HandFuture(Future[Answer]):
    """Says when it is waited for."""

    def __init__(self, waited_for: Event) -> None:
        super().__init__()
        self._waited_for = waited_for

    def add_done_callback(self, fn: Callable[[Future[Answer]], object]) -> None:
        super().add_done_callback(fn)
        self._waited_for.set()


class HandCarrier:
    """In place of a pool: says when a body was handed over, and takes its answer from the test."""

    place = domain = "executor hand"

    def __init__(self) -> None:
        self.cancel_files = CancelFiles()
        self.futures: list[Future[Answer]] = []
        self.sent = Event()
        self.interrupted = Event()
        self.interrupts = 0
        self.cannot_interrupt = False
        self.cancelled = Event()
        self.refusal: BaseException | None = None
        self.senders: list[int] = []
        self.while_submitting: Callable[[], None] = lambda: None
        self.seen: list[object] = []
        self.lines: LineSocket | None = None
        self.is_own = False
        self.has_room = True
        self.reports = False
        self.told_within: list[float] = []
        self.had_begun: list[bool] = []
        self.sent_before: list[int] = []

    def line_socket(self) -> LineSocket | None:
        return self.lines

    def runs_next(self) -> bool:
        return self.has_room

    def submit(self, _: Attempt, on_start: OnStart) -> Future[Answer]:
        self.told_within.append(on_start.within)
        self.while_submitting()
        self.senders.append(threading.get_ident())
        self.seen.append(CURRENT_WORK.get())
        if self.refusal is not None:
            raise self.refusal
        if not self.reports:
            on_start.begun(0.0)
        self.futures.append(HandFuture(self.sent))
        return self.futures[-1]

    def interrupt(self, call: Future[Answer]) -> None:
        assert call in self.futures
        self.interrupts += 1
        self.interrupted.set()
        if self.cannot_interrupt:
            raise OSError

    def cancel(self, call: Future[Answer]) -> None:
        assert call in self.futures
        self.cancelled.set()

    def frees_worker(self, call: Future[Answer]) -> bool:
        return self.is_own and not call.cancelled()

    def not_sent(self, _: Attempt, error: BaseException) -> Outcome:
        return Raised(type(error).__name__, "", "", again=True)

    def outcome(self, _: Attempt, future: Future[Answer], *, has_begun: bool = True) -> Outcome:
        assert future.done()
        self.had_begun.append(has_begun)
        self.sent_before.append(len(self.futures))
        return DONE

    def answer(self, lines: SentLines | None = None) -> None:
        text = None if lines is None else json.dumps(lines.to_json())
        self.futures[-1].set_result(Answer("{}", lines=text))


class Scene:
    """Threads with two slots for attempts whose bodies are far away."""

    def __init__(self) -> None:
        self.carrier = HandCarrier()
        self.threads = RemoteThreads(2, asyncio.get_running_loop())
        self.clock = HandClock()
        self.reported: asyncio.Queue[Work] = asyncio.Queue()

    def attempt(self, **fields: Any) -> RemoteAttempt:
        run = active_run(graph_of(t={"body": _later}))
        made = attempt_of(
            run,
            make=partial(RemoteAttempt, self.carrier),
            clock=self.clock,
            finished=self.reported.put_nowait,
            **fields,
        )
        assert isinstance(made, RemoteAttempt)
        made.stage = Stage.QUEUED
        return made

    async def sent(self, **fields: Any) -> RemoteAttempt:
        """An attempt whose body has been handed over."""
        self.carrier.sent.clear()
        self.threads.submit(attempt := self.attempt(**fields))
        await asyncio.to_thread(self.carrier.sent.wait)
        return attempt

    def file(self, attempt: Attempt) -> Path:
        return self.carrier.cancel_files.path(attempt)

    def close(self) -> None:
        for future in self.carrier.futures:
            if not future.done():
                future.cancel()
        self.threads.close()
        self.carrier.cancel_files.close()


async def _later(context: Any) -> None:
    """A body that its worker awaits."""


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    scene = Scene()
    yield scene
    scene.close()


class TestAnswers:
    async def test_the_outcome_is_that_of_the_answer(self, scene: Scene) -> None:
        attempt = await scene.sent()
        assert attempt.stage is Stage.RUNNING
        scene.carrier.answer()

        assert await scene.reported.get() is attempt
        assert attempt.outcome == DONE

    async def test_its_call_is_forgotten_at_once(self, scene: Scene) -> None:
        attempt = await scene.sent()
        call = weakref.ref(scene.carrier.futures[0])
        gc.disable()
        try:
            scene.carrier.answer()
            assert await scene.reported.get() is attempt
            scene.carrier.futures.clear()
            assert call() is None
        finally:
            gc.enable()

    async def test_one_whose_body_is_awaited_there_has_a_place_of_its_own_here(
        self, scene: Scene
    ) -> None:
        attempt = scene.attempt()

        assert attempt.task.is_async
        assert (attempt.is_async, attempt.place) == (False, "executor hand")

    async def test_one_that_is_not_sent_has_the_outcome_of_that(self, scene: Scene) -> None:
        scene.carrier.refusal = SystemExit()  # the executor is the user's
        scene.threads.submit(attempt := scene.attempt())
        await scene.reported.get()

        assert attempt.outcome == Raised("SystemExit", "", "", again=True)

    async def test_the_code_of_the_executor_sees_the_attempt_alone(self, scene: Scene) -> None:
        attempt = await scene.sent()
        scene.carrier.answer()
        await scene.reported.get()

        assert scene.carrier.seen == [attempt]
        assert CURRENT_WORK.get() is None


class SlowSocket(LineSocket):
    """Reads nothing before somebody waits for that."""

    def __init__(self, path: Path) -> None:
        self._awaited = threading.Event()
        super().__init__(path)

    def _take(self, name: str, found: Any) -> None:
        self._awaited.wait()
        super()._take(name, found)

    def sync(self, name: str) -> None:
        self._awaited.set()
        super().sync(name)

    def close(self) -> None:
        self._awaited.set()
        super().close()


def waiting(attempt: Attempt) -> tuple[int, list[str], list[Numbered], Told | None]:
    """The lines of an attempt that were not taken yet."""
    assert isinstance(attempt.task_log, TaskLog)
    return attempt.task_log.waiting()


class TestLines:
    TEXTS = tuple([f'[5,"INFO","app","{message}"]' for message in "abc"])
    LINES = tuple(enumerate(TEXTS, 1))

    async def test_those_of_the_answer_are_kept(self, scene: Scene) -> None:
        attempt = await scene.sent()
        scene.carrier.answer(SentLines(self.LINES, Told(1, 2, "x", 9)))
        await scene.reported.get()

        assert waiting(attempt) == (1, list(self.TEXTS), [], Told(1, 2, "x", 9))

    async def test_those_that_came_before_are_kept_once(self, scene: Scene, tmp_path: Path) -> None:
        lines = scene.carrier.lines = LineSocket(tmp_path / "lines")
        attempt = await scene.sent()
        with Sender(lines.path) as sender:
            sender.send(name_of(attempt), SentLines(self.LINES[:2]))
        lines.sync(name_of(attempt))
        assert waiting(attempt)[1] == list(self.TEXTS[:2])

        scene.carrier.answer(SentLines(self.LINES))
        await scene.reported.get()

        assert waiting(attempt)[:2] == (3, list(self.TEXTS[2:]))
        lines.close()

    async def test_of_a_lost_worker_those_that_it_has_sent_are_waited_for(
        self, scene: Scene, tmp_path: Path
    ) -> None:
        lines = scene.carrier.lines = SlowSocket(tmp_path / "lines")
        attempt = await scene.sent()
        with Sender(lines.path) as sender:
            for each in self.LINES:
                sender.send(name_of(attempt), SentLines([each]))
        scene.carrier.futures[-1].set_exception(OSError("the worker is gone"))
        await scene.reported.get()

        assert waiting(attempt)[1] == list(self.TEXTS)
        lines.close()


class TestTime:
    async def test_the_time_to_hand_a_body_over_is_not_its_own(self, scene: Scene) -> None:
        def wait_for_worker() -> None:
            scene.clock.now += 100

        scene.carrier.while_submitting = wait_for_worker
        attempt = await scene.sent()
        scene.clock.now += 1
        scene.carrier.answer()
        await scene.reported.get()

        assert attempt.clock.spent() == 1
        assert scene.carrier.had_begun == [True]

    @pytest.mark.parametrize("has_room", [True, False])
    async def test_nor_is_the_time_that_a_body_waits_there(
        self, scene: Scene, has_room: bool
    ) -> None:
        """Also one that has a slot there by this runner's account: others may use it, too."""
        scene.carrier.has_room, scene.carrier.reports = has_room, True
        attempt = await scene.sent()
        scene.clock.now += 100
        assert attempt.clock.spent() == 0
        attempt.begun(2.0)  # it has run for so long when this is known
        scene.clock.now += 1
        scene.carrier.answer()
        await scene.reported.get()

        assert attempt.clock.spent() == 3
        assert scene.carrier.had_begun == [True]

    async def test_a_body_may_be_over_before_it_is_known_to_have_begun(self, scene: Scene) -> None:
        scene.carrier.has_room, scene.carrier.reports = False, True
        attempt = await scene.sent()
        scene.carrier.answer()
        await scene.reported.get()

        assert attempt.clock.spent() == 0
        assert scene.carrier.had_begun == [False]

    @pytest.mark.parametrize(
        ("has_room", "timeout", "expected"),
        [
            (False, 300.0, 0.1),  # it may be to blame for the end of its worker
            (True, 2.0, 0.2),
            (True, 100.0, 10.0),
            (True, 101.0, 10.0),
            (True, math.inf, 10.0),
        ],
    )
    async def test_it_is_told_in_good_time_before_its_limit_is_over(
        self, scene: Scene, has_room: bool, timeout: float, expected: float
    ) -> None:
        scene.carrier.has_room = has_room
        await scene.sent(limit=timeout)
        scene.carrier.answer()
        await scene.reported.get()

        assert scene.carrier.told_within == [pytest.approx(expected)]

    async def test_a_worker_on_this_host_tells_it_beside_its_lines(
        self, scene: Scene, tmp_path: Path
    ) -> None:
        lines = scene.carrier.lines = LineSocket(tmp_path / "lines")
        scene.carrier.reports = True
        attempt = await scene.sent()
        with Sender(lines.path) as sender:
            sender.send(name_of(attempt), 2.0)
        lines.sync(name_of(attempt))
        assert attempt.clock.spent() == 2
        scene.carrier.answer()
        await scene.reported.get()
        lines.close()

    async def test_where_nothing_will_be_told_all_count_from_then(self, scene: Scene) -> None:
        scene.carrier.reports = True
        known, unknown = await scene.sent(), await scene.sent()
        known.begun(3.0)
        scene.clock.now += 1
        scene.threads.count_from_now()
        scene.clock.now += 1

        assert (known.clock.spent(), unknown.clock.spent()) == (5, 1)


class TestSignals:
    async def test_a_cancelled_run_tells_the_body_and_waits_for_it(self, scene: Scene) -> None:
        attempt = await scene.sent()
        file = scene.file(attempt)
        assert not file.exists()

        scene.threads.interrupt(attempt)
        assert await asyncio.to_thread(scene.carrier.interrupted.wait, WAIT)
        assert file.exists()
        assert not scene.carrier.cancelled.is_set()
        scene.carrier.answer()
        await scene.reported.get()

        assert attempt.outcome == DONE
        assert not file.exists()

    async def test_one_that_is_told_again_is_left_to_clean_up(self, scene: Scene) -> None:
        attempt = scene.attempt()
        for signal in (Signal.CANCELLED, Signal.CANCELLED, Signal.GIVEN_UP):
            attempt.signal(signal)
        scene.threads.submit(attempt)
        assert await asyncio.to_thread(scene.carrier.cancelled.wait, WAIT)

        assert scene.carrier.interrupts == 1

    async def test_one_that_is_given_up_is_told_and_ended(self, scene: Scene) -> None:
        attempt = await scene.sent()
        file = scene.file(attempt)

        assert scene.threads.abandon(attempt)
        assert await asyncio.to_thread(scene.carrier.cancelled.wait, WAIT)
        assert file.exists()
        assert not scene.carrier.interrupted.is_set()

    async def test_one_that_is_told_before_it_was_sent_is_told_then(self, scene: Scene) -> None:
        attempt = scene.attempt()
        attempt.signal(Signal.GIVEN_UP)
        scene.threads.submit(attempt)
        assert await asyncio.to_thread(scene.carrier.cancelled.wait, WAIT)

        assert scene.file(attempt).exists()

    async def test_one_that_runs_may_be_respected_and_is_told_nothing(self, scene: Scene) -> None:
        attempt = await scene.sent()

        assert not scene.threads.abandon(attempt, even_running=False)
        scene.carrier.answer()
        await scene.reported.get()
        assert not scene.carrier.cancelled.is_set()

    async def test_a_late_answer_is_refused(self, scene: Scene) -> None:
        attempt = await scene.sent()
        scene.threads.abandon(attempt)
        scene.carrier.answer()
        await _until_free(scene)

        assert attempt.outcome is None
        assert scene.reported.empty()


class TestSlots:
    async def test_one_that_goes_on_after_it_was_given_up_keeps_its_slot(
        self, scene: Scene
    ) -> None:
        first, second = await scene.sent(), await scene.sent()
        stuck, going = scene.carrier.futures
        threads = set(threading.enumerate())
        scene.threads.abandon(first)
        scene.threads.submit(third := scene.attempt())
        assert scene.threads.abandoned == 1
        assert set(threading.enumerate()) <= threads  # none that could run it

        scene.carrier.sent.clear()
        going.set_result(Answer("{}"))
        assert await scene.reported.get() is second
        await asyncio.to_thread(scene.carrier.sent.wait)
        assert third.stage is Stage.RUNNING  # in the slot of the second

        scene.threads.submit(fourth := scene.attempt())
        scene.carrier.sent.clear()
        stuck.set_result(Answer("{}"))
        await asyncio.to_thread(scene.carrier.sent.wait)
        assert fourth.stage is Stage.RUNNING
        assert scene.threads.abandoned == 0


class TestFollowers:
    """Two slots are taken, and a third attempt waits."""

    async def scene_of_three(self, scene: Scene) -> list[RemoteAttempt]:
        scene.carrier.is_own = True
        first, second = await scene.sent(), await scene.sent()
        scene.threads.submit(third := scene.attempt())
        return [first, second, third]

    async def test_the_next_is_sent_where_the_answer_comes_and_before_it_is_looked_at(
        self, scene: Scene
    ) -> None:
        attempts = await self.scene_of_three(scene)
        first, _, third = attempts
        scene.carrier.futures[0].set_result(Answer("{}"))

        assert scene.carrier.senders[2] == threading.get_ident()
        assert scene.carrier.sent_before == [3]
        assert third.stage is Stage.RUNNING
        assert scene.carrier.seen == attempts
        assert CURRENT_WORK.get() is None
        assert await scene.reported.get() is first
        assert first.outcome == DONE
        assert scene.threads.usage() == Usage(2, 2, 0, 0)

    async def test_where_an_executor_is_not_ours_the_thread_of_the_slot_sends_it(
        self, scene: Scene
    ) -> None:
        await self.scene_of_three(scene)
        scene.carrier.is_own = False
        scene.carrier.sent.clear()
        scene.carrier.futures[0].set_result(Answer("{}"))
        await asyncio.to_thread(scene.carrier.sent.wait)

        assert scene.carrier.senders[2] == scene.carrier.senders[0]
        assert scene.carrier.sent_before == [2]

    async def test_after_the_last_the_thread_of_the_slot_waits_for_another(
        self, scene: Scene
    ) -> None:
        attempts = await self.scene_of_three(scene)
        for number in range(len(attempts)):
            scene.carrier.futures[number].set_result(Answer("{}"))
        assert {await scene.reported.get() for _ in attempts} == set(attempts)
        fourth = await scene.sent()
        scene.carrier.answer()

        assert await scene.reported.get() is fourth
        assert scene.threads.usage() == Usage(2, 0, 0, 0)

    async def test_one_that_has_followed_is_told_to_end(self, scene: Scene) -> None:
        _, _, third = await self.scene_of_three(scene)
        scene.carrier.futures[0].set_result(Answer("{}"))
        scene.threads.interrupt(third)
        assert await asyncio.to_thread(scene.carrier.interrupted.wait, WAIT)

        assert scene.file(third).exists()

    async def test_one_that_is_told_before_it_follows_is_told_then(self, scene: Scene) -> None:
        _, _, third = await self.scene_of_three(scene)
        third.signal(Signal.CANCELLED)
        scene.carrier.futures[0].set_result(Answer("{}"))
        assert await asyncio.to_thread(scene.carrier.interrupted.wait, WAIT)

        assert scene.file(third).exists()

    async def test_one_that_was_given_up_does_not_follow(self, scene: Scene) -> None:
        first, _, third = await self.scene_of_three(scene)
        assert scene.threads.abandon(third)
        scene.carrier.futures[0].set_result(Answer("{}"))

        assert await scene.reported.get() is first
        assert len(scene.carrier.futures) == 2

    async def test_one_that_is_not_taken_ends_and_gives_the_slot_back(self, scene: Scene) -> None:
        first, _, third = await self.scene_of_three(scene)
        scene.carrier.refusal = RuntimeError()
        scene.carrier.futures[0].set_result(Answer("{}"))

        assert {await scene.reported.get(), await scene.reported.get()} == {first, third}
        assert third.outcome == Raised("RuntimeError", "", "", again=True)
        scene.carrier.refusal = None
        assert (await scene.sent()).stage is Stage.RUNNING

    async def test_none_follows_once_the_threads_are_to_end(self, scene: Scene) -> None:
        first, _, third = await self.scene_of_three(scene)
        scene.threads.close()
        scene.carrier.futures[0].set_result(Answer("{}"))

        assert await scene.reported.get() is first
        assert third.stage is Stage.QUEUED


class TestErrors:
    async def test_an_executor_that_cannot_end_a_call_costs_no_slot(self, scene: Scene) -> None:
        attempt = await scene.sent()
        scene.carrier.cannot_interrupt = True
        scene.threads.interrupt(attempt)
        assert await asyncio.to_thread(scene.carrier.interrupted.wait, WAIT)
        scene.carrier.answer()

        assert await asyncio.wait_for(scene.reported.get(), WAIT) is attempt
        assert attempt.outcome == DONE


async def _until_free(scene: Scene) -> None:
    """Return when no abandoned body is left."""
    while scene.threads.abandoned:  # noqa: ASYNC110 - the report of a thread
        await asyncio.sleep(0)
