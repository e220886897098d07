"""A pool sends bodies by name, and tells what answers and failures of its executor mean."""

from __future__ import annotations

import asyncio
import functools
import pickle
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
from model.executor_by_hand import ExecutorByHand
from model.runs import active_run, attempt_of, cancel, graph_of
from unit.core.features.executors.foreign_classes import foreign
from unit.core.features.executors.hand_dask import HandDask
from unit.core.features.executors.remote import bodies

from cloaca_core.engine.execute.attempt import Attempt
from cloaca_core.engine.execute.outcome import CutOff, Outcome, Raised, Succeeded
from cloaca_core.engine.execute.work import ENGINE_PROCESS
from cloaca_core.errors import BodyCancelled, ExecutorError, WorkerLost
from cloaca_core.features.executors._process.call import Call
from cloaca_core.features.executors.by_value import ByValue
from cloaca_core.features.executors.kinds import OnStart
from cloaca_core.features.executors.remote import worker
from cloaca_core.features.executors.remote.answer import Answer, RemoteError
from cloaca_core.features.executors.remote.call import RemoteCall
from cloaca_core.features.executors.remote.cancel_files import CancelFiles
from cloaca_core.features.executors.remote.line_socket import NAME, LineSocket
from cloaca_core.features.executors.remote.pool import Pool
from cloaca_core.features.executors.supply import Supply
from cloaca_core.features.task_logs.log_book import LogBook
from cloaca_core.run.merge import Change
from cloaca_core.values.times.clock import SYSTEM_CLOCK

FAILED = RemoteError(
    "NotFoundError", "users has no 7", "Traceback: …", bodies.__name__, "NotFoundError"
)


class Sevens:
    """Hides each 7."""

    is_empty = False

    def __call__(self, text: str) -> str:
        return text.replace("7", "***")


class Scene:
    """A pool of one slot over an executor by hand; ``told`` has the seconds that bodies ran."""

    def __init__(self, *, by_value: bool = False) -> None:
        self.executor = ExecutorByHand()
        self.cancel_files = CancelFiles()
        self.told: list[float] = []
        self.lines: LineSocket | None = None
        self.over(ByValue(self.executor) if by_value else self.executor)

    def over(self, executor: Executor | ByValue) -> None:
        """Have the pool over this executor."""
        self.supply = Supply("cpu", executor)
        self.supply.open()
        loop = asyncio.get_running_loop()
        self.pool = Pool(self.supply, loop, self.cancel_files, lambda: self.lines)

    def submit(self, attempt: Attempt) -> None:
        self.pool.submit(attempt, OnStart(self.told.append, 0.5))

    def attempt(
        self,
        body: Callable[..., object] = bodies.nothing,
        *,
        options: dict[str, Any] | None = None,
        cancelled: bool = False,
        **fields: Any,
    ) -> Attempt:
        run = active_run(graph_of(t={"body": body, "executor": "cpu", **(options or {})}), epoch=7)
        if cancelled:
            cancel(run)
        return attempt_of(run, make=self.pool.attempt, **fields)

    def outcome(
        self, answer: Answer | BaseException | None, *, has_begun: bool = True, **fields: Any
    ) -> Outcome:
        """The outcome of an attempt whose call came to this; None stands for a cancelled one."""
        future: Future[Answer] = Future()
        if isinstance(answer, Answer):
            future.set_result(answer)
        elif answer is not None:
            future.set_exception(answer)
        else:
            future.cancel()
        return self.pool.outcome(self.attempt(**fields), future, has_begun=has_begun)

    def raised(self, answer: Answer | BaseException | None, **fields: Any) -> Raised:
        outcome = self.outcome(answer, **fields)
        assert isinstance(outcome, Raised)
        return outcome


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    scene = Scene()
    yield scene
    scene.pool.threads.close()
    scene.cancel_files.close()


class TestSending:
    async def test_the_body_goes_by_name_with_the_facts_of_its_attempt(self, scene: Scene) -> None:
        attempt = scene.attempt(bodies.tells_facts_later, given={"a": "ü"}, number=2)
        scene.submit(attempt)
        call = scene.executor.next()
        text, given, function = call.arguments

        assert call.function is worker.run
        assert RemoteCall.from_json(text) == RemoteCall(
            module=bodies.__name__,
            function="tells_facts_later",
            is_async=True,
            wants_handle=True,
            run_id="r",
            task_id="t",
            number=2,
            epoch=7,
            cancel_file=str(scene.cancel_files.path(attempt)),
        )
        assert (given, function) == ('{"a":"ü"}', None)

    async def test_an_executor_has_the_place_and_the_slots_of_its_name_and_size(
        self, scene: Scene
    ) -> None:
        assert (scene.pool.place, scene.pool.threads.slots) == ("executor cpu", 1)
        assert scene.attempt().place == scene.pool.place

    async def test_a_body_that_no_worker_can_import_is_refused_with_what_to_do(
        self, scene: Scene
    ) -> None:
        with pytest.raises(ExecutorError) as caught:
            scene.submit(scene.attempt(lambda context: None))

        assert str(caught.value).startswith("task 't' cannot run on executor 'cpu'")
        assert "by_value" in str(caught.value)

    @pytest.mark.parametrize(
        "body",
        [lambda context: None, functools.partial(bodies.nothing)],
    )
    async def test_by_value_the_function_itself_is_sent_also_one_without_a_name(
        self, monkeypatch: pytest.MonkeyPatch, body: Callable[..., object]
    ) -> None:
        stand_in = ModuleType("cloudpickle")
        stand_in.dumps = lambda function: repr(function).encode()  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "cloudpickle", stand_in)
        scene = Scene(by_value=True)
        scene.submit(scene.attempt(body))

        assert scene.executor.next().arguments[2] == repr(body).encode()

    async def test_one_that_cannot_be_sent_by_value_either_is_refused(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "cloudpickle", pickle)
        scene = Scene(by_value=True)
        with pytest.raises(ExecutorError, match="task 't' cannot be sent by value: "):
            scene.submit(scene.attempt(lambda context: None))


class TestEnding:
    async def test_an_executor_that_can_is_told_or_made_to_end_a_call(self, scene: Scene) -> None:
        class Told(Future[Answer]):
            interrupts = 0

            def interrupt(self) -> None:
                self.interrupts += 1

        told, bare = Told(), Future[Answer]()
        for call in (told, bare):
            scene.pool.interrupt(call)
        assert (told.interrupts, told.cancelled(), bare.cancelled()) == (1, False, False)

        scene.pool.cancel(bare)
        assert bare.cancelled()


class TestNotSent:
    async def test_an_executor_that_takes_no_call_is_tried_again(self, scene: Scene) -> None:
        attempt = scene.attempt()

        assert scene.pool.not_sent(attempt, RuntimeError("shut down")) == Raised(
            "ExecutorUnavailableError",
            "executor 'cpu' takes no call: RuntimeError: shut down",
            "",
            again=True,
            after=1.0,
            counts=False,
        )

    async def test_a_program_whose_own_pool_has_broken_is_told_what_helps(
        self, scene: Scene
    ) -> None:
        raised = scene.pool.not_sent(scene.attempt(), BrokenProcessPool("terminated"))

        assert raised.message == (
            "executor 'cpu' takes no call: BrokenProcessPool: terminated. It stays so, as it is "
            "the program's own: give a function that makes it, which the runner calls again, or "
            "restart the program"
        )

    async def test_a_body_that_cannot_be_sent_fails_as_by_its_policy(self, scene: Scene) -> None:
        error = ExecutorError("closure")

        once, often = [
            scene.pool.not_sent(scene.attempt(options={"retry_attempts": each}), error)
            for each in (1, 2)
        ]
        assert (once.type, once.again, once.counts, once.crashed) == (
            "ExecutorError",
            False,
            True,
            False,
        )
        assert often.again


class TestAnswers:
    async def test_one_that_returned(self, scene: Scene) -> None:
        text = '{"set":{"a":1},"removed":["b"]}'

        assert scene.outcome(Answer(change=text)) == Succeeded(Change({"a": 1}, ["b"]), text)

    async def test_a_context_that_becomes_too_large_fails_the_attempt(self, scene: Scene) -> None:
        text = '{"set":{"a":"' + "x" * 100 + '"},"removed":[]}'

        raised = scene.raised(Answer(change=text), max_bytes=50)
        assert raised.type == "ContextValueError"

    async def test_one_that_raised_has_the_texts_of_the_worker(self, scene: Scene) -> None:
        raised = scene.raised(Answer(error=FAILED.to_json()), options={"retry_attempts": 1})

        assert raised == Raised("NotFoundError", "users has no 7", "Traceback: …", again=False)

    async def test_secrets_are_hidden_in_the_texts_of_the_worker(self, scene: Scene) -> None:
        logs = LogBook("INFO", SYSTEM_CLOCK, Sevens())
        failed = replace(FAILED, traceback="Traceback: 7")

        raised = scene.raised(
            Answer(error=failed.to_json()), options={"retry_attempts": 1}, logs=logs
        )
        lost = scene.raised(WorkerLost("exit code 7"), logs=logs)

        assert (raised.message, raised.traceback) == ("users has no ***", "Traceback: ***")
        assert lost.message.endswith("exit code ***")

    @pytest.mark.parametrize("again", [True, False])
    async def test_the_retry_condition_judges_the_exception_itself(
        self, scene: Scene, again: bool
    ) -> None:
        asked: list[BaseException] = []

        def condition(error: BaseException) -> bool:
            asked.append(error)
            return again

        answer = Answer(error=FAILED.to_json(), pickled=pickle.dumps(ValueError("bad")))
        raised = scene.raised(answer, options={"retry_attempts": 2, "retry_condition": condition})

        assert [repr(each) for each in asked] == ["ValueError('bad')"]
        assert (raised.again, raised.type) == (again, "NotFoundError")

    async def test_a_wish_for_another_attempt_is_heard(self, scene: Scene) -> None:
        error = RemoteError(
            "NotFoundError", "no 7", "T", bodies.__name__, "NotFoundError", after=7.0, counts=False
        )
        raised = scene.raised(Answer(error=error.to_json()), options={"retry_attempts": 1})

        assert raised == Raised("NotFoundError", "no 7", "T", again=True, after=7.0, counts=False)

    @pytest.mark.parametrize("answer", [Answer(), BodyCancelled("told"), KeyboardInterrupt()])
    async def test_one_that_was_told_to_end_is_cut_off(
        self, scene: Scene, answer: Answer | BaseException
    ) -> None:
        """Wherever in the worker the signal came."""
        assert scene.outcome(answer, cancelled=True) == CutOff()


class TestLosses:
    @pytest.mark.parametrize(
        ("failure", "why"),
        [
            (WorkerLost("exit code -9"), "WorkerLost: exit code -9"),
            (BrokenProcessPool("terminated"), "BrokenProcessPool: terminated"),
            (Answer(), "it was told to end"),
        ],
        ids=["ours", "the standard library's", "told by others"],
    )
    async def test_a_lost_worker_uses_up_no_attempt(
        self, scene: Scene, failure: Answer | BaseException, why: str
    ) -> None:
        lost = scene.raised(failure, options={"retry_attempts": 1})
        assert replace(lost, shared=False) == Raised(
            "WorkerLost",
            f"executor 'cpu' lost the worker of this body: {why}",
            "",
            again=True,
            after=1.0,
            counts=False,
            crashed=True,
        )

    @pytest.mark.parametrize(
        ("crashes", "seconds"), [(0, 1), (1, 2), (2, 4), (5, 32), (6, 60), (5000, 60)]
    )
    async def test_the_pause_doubles_with_each_loss(
        self, scene: Scene, crashes: int, seconds: int
    ) -> None:
        lost = scene.raised(WorkerLost("gone"), crashes=crashes, uncounted=crashes + 3)
        away = scene.pool.not_sent(scene.attempt(uncounted=crashes), RuntimeError())

        assert (lost.after, away.after) == (seconds, seconds)

    @pytest.mark.parametrize(
        ("failure", "shared"),
        [(WorkerLost("gone"), False), (BrokenExecutor("gone"), True), (Answer(), False)],
    )
    async def test_it_is_known_whether_others_were_lost_with_it(
        self, scene: Scene, failure: Answer | BaseException, shared: bool
    ) -> None:
        assert scene.raised(failure).shared is shared

    @pytest.mark.parametrize(
        ("threads", "shared"),
        [({"a": 1, "b": 1}, False), ({"a": 1, "b": 2}, True), (OSError("away"), False)],
    )
    async def test_on_dask_those_in_a_worker_of_several_threads_are_lost_together(
        self, scene: Scene, threads: dict[str, int] | OSError, shared: bool
    ) -> None:
        scene.over(dask := HandDask({"a": 1}))
        dask.client._threads = threads

        assert scene.raised(WorkerLost("gone")).shared is shared

    async def test_those_on_threads_of_this_process_would_be_lost_with_it(
        self, scene: Scene
    ) -> None:
        assert scene.attempt().domain == scene.pool.place
        with ThreadPoolExecutor(1) as threads:
            scene.over(threads)

            assert scene.attempt().domain == ENGINE_PROCESS

    async def test_the_condition_of_the_task_is_not_asked(self, scene: Scene) -> None:
        def condition(error: BaseException) -> bool:
            raise AssertionError(error)

        assert scene.raised(WorkerLost("gone"), options={"retry_condition": condition}).again

    async def test_calls_that_others_cancelled_are_tried_again(self, scene: Scene) -> None:
        raised = scene.raised(None)

        assert (raised.type, raised.counts, raised.crashed) == (
            "ExecutorUnavailableError",
            False,
            False,
        )
        assert raised.message == "executor 'cpu' has cancelled the call"

    async def test_it_is_logged_once_until_a_call_is_taken_again(
        self, scene: Scene, caplog: pytest.LogCaptureFixture
    ) -> None:
        for _ in range(2):
            scene.raised(None)
            scene.pool.not_sent(scene.attempt(), RuntimeError("shut down"))
        (record,) = caplog.records
        assert record.getMessage() == (
            "bodies are put off until their executor takes calls: "
            "executor 'cpu' has cancelled the call"
        )

        scene.submit(scene.attempt())
        scene.raised(None)
        assert len(caplog.records) == 2

    async def test_a_call_that_was_cancelled_as_its_attempt_was_given_up_is_no_failure_of_executors(
        self, scene: Scene, caplog: pytest.LogCaptureFixture
    ) -> None:
        attempt, call = scene.attempt(), Future[Answer]()
        attempt.abandoned = call.cancel()

        assert scene.pool.outcome(attempt, call) == CutOff()
        assert not caplog.records

    async def test_another_error_of_the_executor_counts(self, scene: Scene) -> None:
        raised = scene.raised(pickle.PicklingError("lambda"), options={"retry_attempts": 2})

        assert raised.message == "executor 'cpu' could not run it: PicklingError: lambda"
        assert (raised.type, raised.again, raised.counts) == ("ExecutorError", True, True)
        assert "pickle.PicklingError: lambda" in raised.traceback  # its cause


class TestBodiesThatWaitThere:
    """An executor that is handed more bodies than it runs at once."""

    @pytest.mark.parametrize(
        ("at_once", "running", "expected"),
        [
            (None, 9, True),  # it does not tell when bodies begin
            (2, 2, True),  # this one included
            (2, 3, False),
            (0, 1, False),  # its size is not known
        ],
    )
    async def test_further_ones_wait(
        self, scene: Scene, at_once: int | None, running: int, expected: bool
    ) -> None:
        scene.supply.at_once = at_once
        scene.pool.threads.running |= {thread: scene.attempt() for thread in range(running)}
        assert scene.pool.runs_next() is expected

    async def test_one_that_is_not_known_to_have_begun_is_not_to_blame_once(
        self, scene: Scene
    ) -> None:
        first = scene.raised(WorkerLost("gone"), has_begun=False)
        second = scene.raised(WorkerLost("gone"), has_begun=False, number=2, uncounted=1)

        assert (first.type, first.again, first.counts) == ("WorkerLost", True, False)
        assert (first.crashed, second.crashed) == (False, True)
        assert second.shared  # with the one before it


class Local(foreign("concurrent.futures.thread", "ThreadPoolExecutor", ExecutorByHand)):  # type: ignore[misc]  # made there
    """By its class, one whose calls run on this host."""


class TestBeginnings:
    """When a body begins that an executor has."""

    def tells_start(self, text: str) -> bool:
        """Whether a call is one whose worker tells the runner itself."""
        return RemoteCall.from_json(text).tells_start

    @pytest.fixture
    def lines(self, scene: Scene) -> Iterator[LineSocket]:
        scene.lines = LineSocket(scene.cancel_files.beside(NAME))
        yield scene.lines
        scene.lines.close()

    @pytest.mark.parametrize("executor", [ExecutorByHand, Local])
    async def test_it_is_taken_to_begin_where_nothing_is_told(
        self, scene: Scene, executor: type[ExecutorByHand]
    ) -> None:
        """A system may have no sockets for the workers of this host."""
        scene.over(made := executor())
        scene.submit(scene.attempt())

        assert scene.told == [0.0]
        assert not self.tells_start(made.next().arguments[0])

    @pytest.mark.usefixtures("lines")
    async def test_workers_elsewhere_do_not_tell_it(self, scene: Scene) -> None:
        scene.submit(scene.attempt())

        assert scene.told == [0.0]

    async def test_one_that_is_not_sent_does_not_begin(self, scene: Scene) -> None:
        scene.executor.refusals.append(BrokenProcessPool("broken"))
        with pytest.raises(BrokenProcessPool):
            scene.submit(scene.attempt())

        assert scene.told == []

    @pytest.mark.usefixtures("lines")
    async def test_workers_on_this_host_tell_it(self, scene: Scene) -> None:
        scene.over(local := Local())
        scene.submit(scene.attempt())
        text, _, _, *start = local.next().arguments

        assert scene.told == []
        assert (self.tells_start(text), start) == (True, [])

    async def test_they_do_not_where_old_temporary_files_were_removed(
        self, scene: Scene, lines: LineSocket
    ) -> None:
        scene.over(local := Local())
        lines.path.unlink()
        scene.submit(scene.attempt())

        assert scene.told == [0.0]
        assert not self.tells_start(local.next().arguments[0])

    async def test_dask_tells_it(self, scene: Scene) -> None:
        scene.over(dask := HandDask({"tcp://one": 1}))
        scene.submit(scene.attempt())
        _, (text, _, _, start) = dask.calls[0]
        assert scene.told == []
        dask.client.topics[start.topic]((0.0, (start.name, 0.75)))

        assert (start.after, scene.told) == (0.5, [0.75])
        assert not self.tells_start(text)
        scene.supply.close()

    @pytest.mark.usefixtures("lines")
    async def test_workers_that_see_no_folder_of_the_runner_do_not_tell_it(
        self, scene: Scene
    ) -> None:
        """As those of another user. So bodies there count from when that is known."""
        scene.over(Local())
        waiting = scene.attempt()
        scene.pool.threads.running[1] = waiting
        scene.outcome(Answer("{}"))
        assert not _counts(waiting)
        raised = scene.raised(Answer(is_apart=True), uncounted=1)
        assert _counts(waiting)
        scene.submit(scene.attempt())

        assert scene.told == [0.0]
        assert (raised.type, raised.again, raised.after) == ("ExecutorUnavailableError", True, 2.0)
        assert (raised.counts, raised.crashed) == (False, False)
        assert "did not call it" in raised.message

    async def test_one_that_was_not_called_is_not_called_again_after_a_cancel(
        self, scene: Scene
    ) -> None:
        assert scene.outcome(Answer(is_apart=True), cancelled=True) == CutOff()


def _counts(attempt: Attempt) -> bool:
    """Whether its time goes on."""
    return attempt.clock._resumed is not None


class TestFollowing:
    """Whether the next body may be sent from the callback of a call."""

    def own(self) -> Call[Answer]:
        return Call(b"", lambda _: True)

    async def test_a_body_that_returned_leaves_its_worker_at_once(self, scene: Scene) -> None:
        call = self.own()
        call.set_result(Answer("{}"))

        assert scene.pool.frees_worker(call)

    async def test_other_ends_are_looked_at_first(self, scene: Scene) -> None:
        raised, told, lost, cancelled = self.own(), self.own(), self.own(), self.own()
        raised.set_result(Answer(error=FAILED.to_json()))  # user code may judge that
        told.set_result(Answer())
        lost.set_exception(WorkerLost("gone"))
        cancelled.end_cancelled()

        assert not any(map(scene.pool.frees_worker, (raised, told, lost, cancelled)))

    async def test_another_executor_calls_back_on_a_thread_that_it_may_need(
        self, scene: Scene
    ) -> None:
        call: Future[Answer] = Future()
        call.set_result(Answer("{}"))

        assert not scene.pool.frees_worker(call)


async def test_a_body_goes_there_and_back(scene: Scene) -> None:
    attempt = scene.attempt(bodies.changes, given={"old": 1})
    running = asyncio.create_task(asyncio.to_thread(attempt.run))
    call = await asyncio.to_thread(scene.executor.next)
    call.run()
    await running

    assert isinstance(attempt.outcome, Succeeded)
    assert attempt.outcome.change == Change({"trail": ["here"], "value": 1}, ["old"])
