"""13: submit and go on; a handle tells where the run stands, from anywhere, at any time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime

import pytest
from tables import each_row

import cloaca

WAIT = 60


class Gate:
    """A body that says that it is inside, and goes on when it may."""

    def __init__(self) -> None:
        self.inside = threading.Event()
        self.open = threading.Event()

    def __call__(self, context: cloaca.Context) -> None:
        self.inside.set()
        context["opened"] = self.open.wait(WAIT)


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    with cloaca.WorkflowBuilder("gated"):
        cloaca.task(id="before")(lambda context: None)
        cloaca.task(id="gate", dependencies=["before"])(gate)
        cloaca.task(id="after", dependencies=["gate"])(lambda context: None)
    yield gate
    gate.open.set()


@pytest.mark.each_backend
def test_submit_returns_while_the_run_goes_on(runner: cloaca.DefaultRunner, gate: Gate) -> None:
    handle = runner.submit("gated", {"in": 1})
    assert gate.inside.wait(WAIT)
    assert handle.status() == "Running"
    assert not gate.open.is_set()
    gate.open.set()
    result = handle.result(timeout=WAIT)
    assert result.execution_id == handle.id
    assert result.final_context.to_dict() == {"in": 1, "opened": True}
    assert handle.status() == "Completed"


def test_tasks_tell_where_each_one_stands(runner: cloaca.DefaultRunner, gate: Gate) -> None:
    handle = runner.submit("gated")
    assert gate.inside.wait(WAIT)
    tasks = handle.tasks()
    assert [(task.task_id, task.status, task.attempts) for task in tasks.values()] == [
        ("before", "Completed", 1),
        ("gate", "Running", 1),
        ("after", "NotStarted", 0),
    ]
    assert list(tasks) == ["before", "gate", "after"]
    assert tasks["gate"].started_at is not None
    assert tasks["gate"].ended_at is None
    gate.open.set()
    handle.wait()
    assert [task.status for task in handle.tasks().values()] == ["Completed"] * 3


def test_a_later_definition_adds_no_tasks(runner: cloaca.DefaultRunner, gate: Gate) -> None:
    handle = runner.submit("gated")
    assert gate.inside.wait(WAIT)
    with cloaca.WorkflowBuilder("gated"):
        cloaca.task(id="other")(lambda context: None)
    assert list(handle.tasks()) == ["before", "gate", "after"]
    gate.open.set()
    handle.wait(WAIT)
    assert set(handle.tasks()) == {"before", "gate", "after"}


def test_events_tell_what_happened_in_order(runner: cloaca.DefaultRunner) -> None:
    def flaky(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
        if handle.attempt == 1:
            raise RuntimeError("not yet")

    with cloaca.WorkflowBuilder("eventful"):
        cloaca.task(id="flaky", retry_delay_ms=1)(flaky)
        cloaca.task(id="broken", dependencies=["flaky"], retry_attempts=1)(lambda context: 1 / 0)
        cloaca.task(id="skipped", dependencies=["broken"])(lambda context: None)
    handle = runner.submit("eventful")
    result = handle.result()
    events = handle.events()
    assert [(event.kind, event.task_id, event.attempt) for event in events] == [
        ("created", None, None),
        ("started", None, None),
        ("task_started", "flaky", 1),
        ("task_failed", "flaky", 1),
        ("task_started", "flaky", 2),
        ("task_completed", "flaky", 2),
        ("task_started", "broken", 1),
        ("task_failed", "broken", 1),
        ("task_skipped", "skipped", events[-2].attempt),
        ("ended", None, None),
    ]
    assert events[3].detail == "RuntimeError: not yet"
    assert events[-1].detail == result.error_message
    moments = [datetime.fromisoformat(event.at) for event in events]
    assert moments == sorted(moments)


def test_handles_of_one_run_are_equal(runner: cloaca.DefaultRunner) -> None:
    with cloaca.WorkflowBuilder("quick"):
        cloaca.task(id="only")(lambda context: None)
    handle, other = runner.submit("quick"), runner.submit("quick")
    assert runner.get_run(handle.id) == handle
    assert other != handle
    assert handle != handle.id
    assert len({handle, runner.get_run(handle.id), other}) == 2
    assert repr(handle) == f"RunHandle(id={handle.id!r})"


def test_ids_sort_by_the_time_of_submission(runner: cloaca.DefaultRunner) -> None:
    with cloaca.WorkflowBuilder("quick"):
        cloaca.task(id="only")(lambda context: None)
    ids = [runner.submit("quick").id for _ in range(20)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 20


def test_a_failed_run_is_a_result_too(runner: cloaca.DefaultRunner) -> None:
    with cloaca.WorkflowBuilder("broken"):
        cloaca.task(id="only", retry_attempts=1)(lambda context: 1 / 0)
    handle = runner.submit("broken")
    handle.wait(WAIT)
    assert handle.result().status == "Failed"
    assert handle.status() == "Failed"


def test_any_number_of_threads_may_wait_for_one_run(
    runner: cloaca.DefaultRunner, gate: Gate
) -> None:
    handle = runner.submit("gated")
    assert gate.inside.wait(WAIT)
    seen: list[str] = []

    def wait() -> None:
        seen.append(runner.get_run(handle.id).result(WAIT).status)

    threads = [threading.Thread(target=wait) for _ in range(8)]
    for thread in threads:
        thread.start()
    gate.open.set()
    for thread in threads:
        thread.join(WAIT)
    assert seen == ["Completed"] * 8


def test_another_runner_on_the_database_can_look_and_wait(
    runner: cloaca.DefaultRunner, database_url: str, gate: Gate
) -> None:
    handle = runner.submit("gated")
    assert gate.inside.wait(WAIT)
    with cloaca.DefaultRunner(database_url) as other:
        seen = other.get_run(handle.id)
        assert seen.status() == "Running"
        assert seen == handle
        with pytest.raises(cloaca.PipelineTimeoutError):
            seen.wait(timeout=0.01)
        gate.open.set()
        result = seen.result(timeout=WAIT)
        assert result.final_context.to_dict() == {"opened": True}
        assert list(result.task_results) == ["before", "gate", "after"]


@each_row("run_id", ["", "nonsense", "0" * 500, "'; DROP TABLE runs; --", "\udc80"])
def test_an_unknown_id_is_a_key_error(runner: cloaca.DefaultRunner, run_id: str) -> None:
    with pytest.raises(cloaca.RunNotFoundError) as caught:
        runner.get_run(run_id)
    assert isinstance(caught.value, KeyError)
    assert caught.value.run_id == run_id


def test_an_id_of_another_type_is_refused(runner: cloaca.DefaultRunner) -> None:
    with pytest.raises(TypeError, match="run_id"):
        runner.get_run(7)  # type: ignore[arg-type]  # refused at run time
