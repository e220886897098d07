"""21: a runner stops, pauses and ends in good order, and what it leaves is finished by the next."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

import cloaca

WAIT = 60
OpenRunner = Callable[..., cloaca.DefaultRunner]


class Gate:
    """A body that says that it is inside, and goes on when it may."""

    def __init__(self) -> None:
        self.inside = threading.Event()
        self.open = threading.Event()
        self.calls = 0

    def __call__(self, context: cloaca.Context) -> None:
        self.calls += 1
        self.inside.set()
        context["opened"] = self.open.wait(WAIT)


def define_gated() -> Gate:
    gate = Gate()
    with cloaca.WorkflowBuilder("gated"):
        cloaca.task(id="before")(lambda context: {"before": True})
        cloaca.task(id="gate", dependencies=["before"])(gate)
        cloaca.task(id="after", dependencies=["gate"])(lambda context: {"after": True})
    return gate


def define_quick() -> None:
    with cloaca.WorkflowBuilder("quick"):
        cloaca.task(id="only")(lambda context: {"ran": True})


@pytest.mark.each_backend
def test_after_shutdown_every_call_says_so(open_runner: OpenRunner) -> None:
    define_quick()
    runner = open_runner()
    handle = runner.submit("quick")
    handle.wait(WAIT)
    runner.shutdown()
    calls: list[Callable[[], Any]] = [
        lambda: runner.execute("quick"), lambda: runner.submit("quick"),
        lambda: runner.submit_many("quick", [None]), lambda: runner.get_run(handle.id),
        runner.list_runs, runner.health, runner.start, runner.stop, handle.status,
        handle.result, handle.wait, handle.tasks, handle.events, runner.__enter__,
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(cloaca.RunnerClosedError) as caught:
            call()
        assert isinstance(caught.value, RuntimeError)
        assert isinstance(caught.value, ValueError)


def test_shutdown_can_be_called_again_and_from_many_threads(
    open_runner: OpenRunner, backend_name: str
) -> None:
    runner = open_runner()
    failed: list[BaseException] = []

    def shut_down() -> None:
        try:
            runner.shutdown()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=shut_down) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    runner.shutdown()
    assert failed == []
    assert repr(runner) == f"DefaultRunner({backend_name}, closed)"


def test_leaving_the_block_shuts_down_also_on_an_error(database_url: str) -> None:
    def leave() -> None:
        with cloaca.DefaultRunner(database_url) as runner:
            opened.append(runner)
            raise LookupError("in the block")

    opened: list[cloaca.DefaultRunner] = []
    with pytest.raises(LookupError, match="in the block"):
        leave()
    with pytest.raises(cloaca.RunnerClosedError):
        opened[0].list_runs()


def test_calls_that_wait_are_ended_by_it(open_runner: OpenRunner) -> None:
    gate = define_gated()
    runner = open_runner(shutdown_grace_seconds=0)
    handle = runner.submit("gated")
    assert gate.inside.wait(WAIT)
    waiting = threading.Barrier(4)
    errors: list[BaseException] = []

    def wait(call: Callable[[], object]) -> None:
        waiting.wait(WAIT)
        try:
            call()
        except cloaca.RunnerClosedError as error:
            errors.append(error)

    calls = (lambda: runner.execute("gated"), handle.result, handle.wait)
    threads = [threading.Thread(target=wait, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    waiting.wait(WAIT)
    runner.shutdown()
    for thread in threads:
        thread.join(WAIT)
    gate.open.set()
    assert len(errors) == 3


def test_bodies_may_end_within_the_grace_period(open_runner: OpenRunner) -> None:
    gate = define_gated()
    runner = open_runner(shutdown_grace_seconds=WAIT)
    handle = runner.submit("gated")
    assert gate.inside.wait(WAIT)
    closing = threading.Thread(target=runner.shutdown)
    closing.start()
    gate.open.set()
    closing.join(WAIT)
    assert not closing.is_alive()

    tasks = open_runner().get_run(handle.id)
    result = tasks.result(WAIT)
    assert result.final_context.to_dict() == {"before": True, "opened": True, "after": True}
    assert gate.calls == 1  # its end was recorded: no runner ran it again
    assert result.task_results["gate"].attempts == 1


def test_what_a_runner_released_is_finished_by_the_next(open_runner: OpenRunner) -> None:
    gate = define_gated()
    first = open_runner(shutdown_grace_seconds=0)
    handle = first.submit("gated", {"in": 1})
    assert gate.inside.wait(WAIT)
    first.shutdown()
    gate.open.set()
    result = open_runner().get_run(handle.id).result(WAIT)
    assert result.status == "Completed"
    final = result.final_context
    assert final.to_dict() == {"in": 1, "before": True, "opened": True, "after": True}
    assert gate.calls == 2
    assert result.task_results["before"].attempts == 1


def test_many_waiting_runs_are_finished_by_the_next(open_runner: OpenRunner) -> None:
    gate = define_gated()
    define_quick()
    first = open_runner(shutdown_grace_seconds=0, max_concurrent_tasks=1)
    blocker = first.submit("gated")
    assert gate.inside.wait(WAIT)
    handles = first.submit_many("quick", [{"n": n} for n in range(50)])
    first.shutdown()
    gate.open.set()
    second = open_runner()
    results = [second.get_run(handle.id).result(WAIT) for handle in handles]
    assert [result.final_context.to_dict() for result in results] == [
        {"n": n, "ran": True} for n in range(50)
    ]
    assert second.get_run(blocker.id).result(WAIT).status == "Completed"


def test_a_retry_that_was_waited_for_is_made_by_the_next(open_runner: OpenRunner) -> None:
    failed = threading.Event()
    attempts: list[int] = []

    def body(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
        attempts.append(handle.attempt)
        if handle.attempt == 1:
            failed.set()
            raise RuntimeError("not yet")

    with cloaca.WorkflowBuilder("retried"):
        cloaca.task(id="only", retry_delay_ms=300, retry_backoff="fixed", retry_jitter=False)(body)
    first = open_runner()
    handle = first.submit("retried")
    assert failed.wait(WAIT)
    first.shutdown()
    result = open_runner().get_run(handle.id).result(WAIT)
    assert result.status == "Completed"
    assert attempts == [1, 2]


def test_stop_leaves_new_runs_in_the_table_and_start_takes_them(
    runner: cloaca.DefaultRunner,
) -> None:
    gate = define_gated()
    define_quick()
    running = runner.submit("gated")
    assert gate.inside.wait(WAIT)
    runner.stop()
    waiting = runner.submit("quick")
    many = runner.submit_many("quick", [None] * 5)
    gate.open.set()
    assert running.result(WAIT).status == "Completed"  # what it has goes on
    assert {handle.status() for handle in (waiting, *many)} == {"Pending"}
    with pytest.raises(cloaca.PipelineTimeoutError):
        runner.execute("quick", timeout=0.05)
    runner.start()
    assert {handle.result(WAIT).status for handle in (waiting, *many)} == {"Completed"}
    runner.start()
    assert runner.execute("quick").status == "Completed"


def test_a_stopped_runner_leaves_its_share_to_others(open_runner: OpenRunner) -> None:
    define_quick()
    stopped = open_runner(start=False)
    handle = stopped.submit("quick")
    open_runner()
    assert handle.result(WAIT).status == "Completed"


def test_a_runner_may_be_opened_without_claiming(open_runner: OpenRunner) -> None:
    define_quick()
    runner = open_runner(start=False)
    handles = [runner.submit("quick"), *runner.submit_many("quick", [None] * 5)]
    assert {handle.status() for handle in handles} == {"Pending"}
    assert runner.health()["paused"]
    runner.start()
    assert {handle.result(WAIT).status for handle in handles} == {"Completed"}


def test_it_leaves_what_was_there_before_it(database_url: str, open_runner: OpenRunner) -> None:
    define_quick()
    with cloaca.DefaultRunner(database_url, start=False) as submitting:
        handle = submitting.submit("quick")
    runner = open_runner(start=False)
    beside = runner.submit("quick", idempotency_key="answered after a turn of the claiming loop")
    assert {runner.get_run(each.id).status() for each in (handle, beside)} == {"Pending"}
    runner.start()
    assert runner.get_run(handle.id).result(WAIT).status == "Completed"


def test_whether_it_starts_is_a_bool(database_url: str) -> None:
    with pytest.raises(cloaca.ConfigTypeError, match="start must be a bool, not str"):
        cloaca.DefaultRunner(database_url, start="no")  # type: ignore[arg-type] # the point


def test_no_thread_is_left_behind(database_url: str) -> None:
    async def coroutine(context: cloaca.Context) -> None:
        """Have a loop for coroutines started."""

    with cloaca.WorkflowBuilder("threads"):
        cloaca.task(id="plain")(lambda context: None)
        cloaca.task(id="async")(coroutine)
    before = set(threading.enumerate())
    with cloaca.DefaultRunner(database_url) as runner:
        assert runner.execute("threads").status == "Completed"
        assert set(threading.enumerate()) - before
    for thread in set(threading.enumerate()) - before:
        thread.join(WAIT)  # those of the bodies end on their own time
    assert set(threading.enumerate()) <= before


def test_many_runners_one_after_the_other_share_a_database(database_url: str) -> None:
    define_quick()
    for _ in range(20):
        with cloaca.DefaultRunner(database_url) as runner:
            assert runner.execute("quick").status == "Completed"
    with cloaca.DefaultRunner(database_url) as runner:
        assert len(runner.list_runs()) == 20
