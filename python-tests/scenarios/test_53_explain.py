"""53: a run explains why it and each of its tasks waits, was skipped or failed, and who may
execute it; in every program that can open the database, with the code or without.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import cloaca

WAIT = 60
FAR = timedelta(days=3)
OpenRunner = Callable[..., cloaca.DefaultRunner]


class Held:
    """A body that is inside until it may go on."""

    def __init__(self) -> None:
        self.inside, self.go_on = threading.Event(), threading.Event()

    def __call__(self, _: cloaca.Context) -> None:
        self.inside.set()
        self.go_on.wait(WAIT)


@pytest.fixture
def held() -> Iterator[Held]:
    """The body of the workflow ``held``; it goes on at the end of the test at the latest."""
    held = Held()
    with cloaca.WorkflowBuilder("held"):
        cloaca.task(id="first")(held)
        cloaca.task(id="second", dependencies=["first"])(lambda context: None)
    yield held
    held.go_on.set()


@pytest.fixture
def plain() -> None:
    """A workflow ``plain`` of two tasks."""
    with cloaca.WorkflowBuilder("plain"):
        cloaca.task(id="a")(lambda context: None)
        cloaca.task(id="b", dependencies=["a"])(lambda context: None)


@contextmanager
def client_of(url: str) -> Iterator[cloaca.Client]:
    """A program that lacks the code."""
    with cloaca.Client(url, registry=cloaca.Registry()) as client:
        yield client


def looking(url: str) -> str:
    """The URL to look at a database only."""
    return f"{url}{'&' if '?' in url else '?'}mode=ro"


def tasks_of(explanation: cloaca.Explanation) -> dict[str, cloaca.TaskExplanation]:
    return {each.task_id: each for each in explanation.tasks}


class Unanswered(Executor):
    """Keeps its calls, and fails them at its end."""

    def __init__(self) -> None:
        self.came = threading.Semaphore(0)
        self._calls: list[Future[Any]] = []

    def submit(self, *_: Any, **__: Any) -> Future[Any]:
        call: Future[Any] = Future()
        call.set_running_or_notify_cancel()
        self._calls.append(call)
        self.came.release()
        return call

    def fail(self) -> None:
        """Fail all calls."""
        for call in self._calls:
            call.set_exception(OSError("the test is over"))


# -- a run that is not to start yet --------------------------------------------------------------


@pytest.mark.each_backend
@pytest.mark.usefixtures("plain")
def test_a_run_for_later_says_when_it_starts(runner: cloaca.DefaultRunner) -> None:
    instant = datetime.now(UTC) + FAR
    run = runner.submit("plain", run_at=instant, start_by=FAR)

    found = run.explain()

    assert (found.run_id, found.workflow_name, found.status) == (run.id, "plain", "Pending")
    assert found.code == "not_due"
    assert f"it starts at {instant:%Y-%m-%dT%H:%M:%SZ}, in 3 days" in found.why
    assert "it is cancelled if it has not begun by" in found.why
    assert [(each.task_id, each.code) for each in found.tasks] == [
        ("a", "run_held"),
        ("b", "dependencies"),
    ]
    assert found == runner.explain(run.id) or found.at != runner.explain(run.id).at


@pytest.mark.usefixtures("plain")
def test_a_paused_run_says_by_whom_why_and_until_when(runner: cloaca.DefaultRunner) -> None:
    until = datetime.now(UTC) + FAR
    run = runner.submit("plain", delay=FAR)
    run.pause(by="ann", reason="the disk is full", until=until)

    found = run.explain()

    assert (found.status, found.code) == ("Paused", "paused")
    text = f"paused by ann: the disk is full, until {until:%Y-%m-%dT%H:%M:%SZ}, in "
    assert found.why.startswith(text)
    assert "it starts at" in found.why


@pytest.mark.usefixtures("plain")
def test_a_run_of_a_paused_workflow_says_who_paused_it(runner: cloaca.DefaultRunner) -> None:
    runner.pause_workflow("plain", by="ann", reason="no disk")
    run = runner.submit("plain")

    found = run.explain()

    assert (found.status, found.code) == ("Pending", "workflow_paused")
    assert found.why == "its workflow is paused by ann: no disk, until it is resumed"


def test_a_run_behind_another_of_its_schedule_names_it(
    runner: cloaca.DefaultRunner, held: Held
) -> None:
    runner.schedule("s", "held", "* * * * * *", "UTC", overlap_policy="queue")
    while len(found := runner.list_runs()) < 2:
        pass
    assert held.inside.wait(WAIT)
    later, earlier = found[-2], found[-1]

    explanation = runner.explain(later.id)

    assert explanation.code == "behind"
    assert explanation.waits_for == cloaca.Wait("run", earlier.id)
    assert f"{earlier.id}, which is Running" in explanation.why
    runner.delete_cron_schedule(runner.list_cron_schedules()[0]["id"])
    for each in runner.list_runs():
        runner.get_run(each.id).cancel(grace=0)


# -- a run that no runner takes ------------------------------------------------------------------


def test_a_run_without_a_place_says_what_is_taken_and_who_comes_first(
    open_runner: OpenRunner, held: Held
) -> None:
    runner = open_runner(max_active_runs=1)
    runner.submit("held")
    assert held.inside.wait(WAIT)
    runner.submit("held", priority=5)
    run = runner.submit("held")

    found = run.explain()

    assert (found.status, found.code) == ("Pending", "no_place")
    assert found.waits_for == cloaca.Wait("limit", "max_active_runs")
    assert found.why == (
        "all 1 places of this runner (max_active_runs) are taken; 1 run of its workflow comes first"
    )
    (ours,) = found.runners
    assert (ours.alive, ours.may_run, ours.is_here, ours.active_runs) == (True, False, True, 1)


@pytest.mark.usefixtures("plain")
def test_a_runner_that_was_stopped_says_so(open_runner: OpenRunner) -> None:
    runner = open_runner(start=False)

    found = runner.submit("plain").explain()

    assert found.code == "stopped"
    assert "start=False" in found.why


@pytest.mark.usefixtures("plain")
def test_a_workflow_that_no_live_runner_has(open_runner: OpenRunner, database_url: str) -> None:
    open_runner().shutdown()
    with client_of(database_url) as client:
        run = client.submit("plain")
        found = run.explain()
        assert (found.code, found.why) == ("no_runner", "no runner is open on this database")
        assert list(tasks_of(found)) == ["a", "b"]  # by the recorded definition
        assert found.notes == ()

        other = cloaca.Registry()
        with cloaca.WorkflowBuilder("plains", registry=other):
            cloaca.task(id="only")(lambda context: None)
        with cloaca.DefaultRunner(database_url, registry=other) as runner:
            found = runner.explain(run.id)
            assert found.code == "unserved"
            assert found.why.endswith("this runner has not registered it (did you mean plains?)")
            (here,) = found.runners
            assert here.may_run is False
            found = run.explain()
            assert found.code == "unserved"
            assert [each.may_run for each in found.runners] == [None]


def define_versioned(held: Held, last: str, registry: cloaca.Registry) -> None:
    with cloaca.WorkflowBuilder("versioned", registry=registry) as builder:
        builder.version_policy("fail" if last == "refusing" else "continue")
        cloaca.task(id="start")(lambda context: None)
        cloaca.task(id="gate", dependencies=["start"])(held)
        cloaca.task(id=last, dependencies=["gate"])(lambda context: None)


@pytest.mark.parametrize(
    ("last", "text"),
    [
        ("other", "which lacks end: not run then"),
        ("refusing", "the run fails when it is claimed"),
    ],
)
def test_a_runner_with_another_version_says_what_becomes_of_the_run(
    database_url: str, held: Held, last: str, text: str
) -> None:
    earlier, later = cloaca.Registry(), cloaca.Registry()
    define_versioned(held, "end", earlier)
    define_versioned(held, last, later)
    config = cloaca.DefaultRunnerConfig(shutdown_grace_seconds=0)
    with cloaca.DefaultRunner(database_url, config=config, registry=earlier) as runner:
        run_id = runner.submit("versioned").id
        assert held.inside.wait(WAIT)

    with cloaca.DefaultRunner(database_url, registry=later, start=False) as runner:
        found = runner.explain(run_id)

    assert found.code == "stopped"
    assert text in found.why
    assert list(tasks_of(found)) == ["start", "gate", "end"]
    with client_of(database_url) as client:
        found = client.explain(run_id)
        assert found.code == "no_runner"
        (note,) = found.notes
        assert ", which lacks end; whether the run goes on under that one, waits" in note


# -- a run whose runner is gone ------------------------------------------------------------------

WORKER = """
import sys, threading
import cloaca

with cloaca.WorkflowBuilder("endless"):

    @cloaca.task
    def begin(context):
        pass

    @cloaca.task(dependencies=[begin])
    def wait(context):
        sys.stdout.write("begun\\n")  # in one piece: the main thread writes, too
        sys.stdout.flush()
        threading.Event().wait()

config = cloaca.DefaultRunnerConfig(lease_seconds=int(sys.argv[2]), runner_id="elsewhere")
with cloaca.DefaultRunner(sys.argv[1], config=config) as runner:
    sys.stdout.write(runner.submit("endless").id + "\\n")
    sys.stdout.flush()
    threading.Event().wait()
"""


@contextmanager
def working_elsewhere(url: str, lease: int = 15) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A run of another process, whose body has begun, and that process."""
    with subprocess.Popen(
        [sys.executable, "-c", WORKER, url, str(lease)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            words = [process.stdout.readline().strip() for _ in range(2)]
            yield next(word for word in words if word != "begun"), process
        finally:
            process.kill()


def test_a_run_whose_process_has_ended_waits_to_be_taken_over(database_url: str) -> None:
    with client_of(database_url) as client:
        with working_elsewhere(database_url) as (run_id, process):
            found = client.explain(run_id)
            assert (found.status, found.code) in (("Running", "running"), ("Running", "ready"))
            assert [(each.id, each.may_run) for each in found.runners] == [("elsewhere", True)]
            process.kill()
            process.wait()

            found = client.explain(run_id)

            assert found.code == "owner_gone"
            assert "its runner elsewhere is gone: its process has ended" in found.why
            assert "no other runner is open that could take the run over" in found.why
            assert tasks_of(found)["wait"].code == "owner_gone"
            assert "have had effects" in tasks_of(found)["wait"].why

        config = cloaca.DefaultRunnerConfig(enable_recovery=False)
        registry = cloaca.Registry()
        with cloaca.DefaultRunner(database_url, config=config, registry=registry) as runner:
            found = runner.explain(run_id)
            assert "the only other runner, this one, has enable_recovery=False" in found.why
        client.get_run(run_id).cancel(by="ann", grace=WAIT)
        found = client.explain(run_id)
        assert (found.status, found.code) == ("Cancelling", "cancelling")
        assert "cancelled by ann" in found.why
        assert "its process has ended" in found.why


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot be stopped there")
def test_a_runner_that_stands_still_is_gone_when_its_lease_is_over(database_url: str) -> None:
    with client_of(database_url) as client, working_elsewhere(database_url, 1) as found:
        run_id, process = found
        assert client.explain(run_id).code != "owner_gone"
        process.send_signal(signal.SIGSTOP)
        while (explanation := client.explain(run_id)).code != "owner_gone":
            pass
        assert "has not renewed its lease, which ended at" in explanation.why


# -- a run in progress ---------------------------------------------------------------------------


def test_a_run_in_progress_says_what_runs_and_what_waits_for_it(
    runner: cloaca.DefaultRunner, held: Held
) -> None:
    run = runner.submit("held", time_limit=FAR)
    assert held.inside.wait(WAIT)

    found = run.explain()

    assert (found.status, found.code) == ("Running", "running")
    assert found.why.startswith("running now: first; its time limit ends at ")
    assert tasks_of(found)["first"].why.startswith("its body began at ")
    assert tasks_of(found)["second"].why == "waits for first"


def test_a_task_without_a_slot_says_which_setting_bounds_them(
    open_runner: OpenRunner, held: Held
) -> None:
    runner = open_runner(max_concurrent_tasks=1)
    runner.submit("held")
    assert held.inside.wait(WAIT)
    run = runner.submit("held")

    found = run.explain()

    assert (found.code, found.waits_for) == (
        "limit",
        cloaca.Wait("limit", "max_concurrent_tasks"),
    )
    first = tasks_of(found)["first"]
    assert (first.status, first.waits_for) == ("Ready", found.waits_for)


def crunch(_: cloaca.Context) -> None:
    """Stands for a body of a worker, which would import it by this name."""


def test_a_task_without_a_slot_of_its_executor_says_how_many_are_in_use(database_url: str) -> None:
    registry, cpu = cloaca.Registry(), Unanswered()
    with cloaca.WorkflowBuilder("crunched", registry=registry):
        cloaca.task(id="crunch", executor="cpu", retry_attempts=1)(crunch)
    with cloaca.DefaultRunner(
        database_url, registry=registry, executors={"cpu": cpu}, executor_slots={"cpu": 1}
    ) as runner:
        inside = runner.submit("crunched")
        assert cpu.came.acquire(timeout=WAIT)
        queued = runner.submit("crunched")

        (first,), (second,) = inside.explain().tasks, queued.explain().tasks
        usage = runner.health()["executors"]
        for run in (inside, queued):
            run.cancel(grace=0)
        cpu.fail()

    assert first.why.startswith("its body was handed to executor cpu at ")
    assert (second.status, second.code) == ("Ready", "limit")
    assert second.waits_for == cloaca.Wait("limit", "executor_slots")
    assert second.why == "waits for a free slot of executor cpu: 1 of 1 slot is in use"
    assert usage == {"cpu": {"slots": 1, "running": 1, "waiting": 1, "abandoned": 0}}


def test_a_run_waits_for_a_retry(runner: cloaca.DefaultRunner) -> None:
    with cloaca.WorkflowBuilder("unsteady"):

        @cloaca.task(id="load", retry_attempts=3, retry_delay_ms=60_000, retry_jitter=False)
        def load(context: cloaca.Context) -> None:
            raise ConnectionError("the warehouse is busy")

    run = runner.submit("unsteady")
    while run.status() != "Waiting":
        pass

    found = run.explain()

    assert found.code == "retry"
    assert found.why.startswith("task load waits for its next attempt, due at ")
    result = run.tasks()["load"]
    assert found.waits_for == result.waits_for == cloaca.Wait("retry", "load", result.retry_at)
    load_why = tasks_of(found)["load"].why
    assert load_why.startswith("attempt 1 of 3 failed: ConnectionError: the warehouse is busy")


def test_a_body_waits_for_a_run_that_it_has_executed(
    runner: cloaca.DefaultRunner, held: Held
) -> None:
    with cloaca.WorkflowBuilder("outer"):
        cloaca.task(id="call")(lambda context: runner.execute("held").raise_for_status())
    run = runner.submit("outer")
    assert held.inside.wait(WAIT)
    (child,) = run.children()
    while run.tasks()["call"].waits_for is None:
        pass

    found = run.explain()

    expected = cloaca.Wait("run", child.id)
    assert (found.code, found.waits_for) == ("child_run", expected)
    assert run.tasks()["call"].waits_for == expected
    assert tasks_of(found)["call"].why == (
        f"its body waits for the end of run {child.id} of held, which is Running"
    )


def test_a_run_that_is_paused_or_cancelled_names_the_bodies_that_still_run(
    runner: cloaca.DefaultRunner, held: Held
) -> None:
    run = runner.submit("held")
    assert held.inside.wait(WAIT)
    run.pause(by="ann")
    found = run.explain()
    assert (found.status, found.code) == ("Paused", "paused")
    assert found.why == "paused by ann, until it is resumed; bodies that have not ended: first"

    run.cancel(by="bob", reason="no use", grace=WAIT)
    found = run.explain()
    assert (found.status, found.code) == ("Cancelling", "cancelling")
    assert found.why.startswith("cancelled by bob: no use; it ends at ")
    assert found.why.endswith(", at the latest; bodies that have not ended: first")


# -- a run that waits for an instant, an event or a person ---------------------------------------


def define_waits() -> None:
    """Three nodes and a body that wait, and a task below one of the nodes."""
    with cloaca.WorkflowBuilder("waits"):
        signed = cloaca.approval("signed", "Pay it back?", timeout=timedelta(days=2))
        cloaca.wait_for("paid")
        cloaca.sleep("nap", seconds=86_400)
        cloaca.task(id="go", dependencies=[signed])(lambda context: None)

        @cloaca.task(id="body")
        def body(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            handle.step("ask", lambda: 1)
            handle.wait_for("answer", timeout=3_000)


WAITING = {"signed": "approval", "paid": "event", "nap": "sleep", "body": "event"}


def waiting(run: cloaca.RunHandle) -> None:
    """Return once all of ``define_waits`` waits."""
    while {each.task_id for each in run.tasks().values() if each.waits_for} != set(WAITING):
        pass


@pytest.mark.parametrize("evict", [0, 60], ids=["out of memory", "in memory"])
def test_what_a_run_waits_for_is_said_with_the_call_that_ends_it(
    open_runner: OpenRunner, database_url: str, evict: float
) -> None:
    define_waits()
    runner = open_runner(evict_after_seconds=evict)
    run = runner.submit("waits")
    waiting(run)
    while evict == 0 and run.status() != "Waiting":
        pass

    found = run.explain()
    tasks, results = tasks_of(found), run.tasks()

    assert found.code == "approval"
    assert found.why.startswith("task signed: waits for a person since ")
    assert "; 3 more tasks wait" in found.why
    assert ("no runner has it in memory meanwhile" in found.why) is (evict == 0)
    assert {task: tasks[task].code for task in WAITING} == WAITING
    for task in WAITING:
        assert tasks[task].waits_for == results[task].waits_for
    assert ": Pay it back?; run.approve('signed', …) decides, with 'approve'" in tasks["signed"].why
    assert "runner.send(run_id, 'paid', …) ends that" in tasks["paid"].why
    assert tasks["nap"].why.startswith("sleeps until ")
    assert tasks["body"].why.startswith("its body waits for the event answer since ")
    assert tasks["body"].why.endswith("; 1 step of it is kept")
    assert ("has left memory" in tasks["body"].why) is (evict == 0)
    assert tasks["go"].why == "waits for signed"
    wait = run.info().waits_for
    assert wait == found.waits_for == tasks["signed"].waits_for
    assert wait is not None
    assert wait.since is not None
    assert wait.until is not None
    since, until = map(datetime.fromisoformat, (wait.since, wait.until))
    assert until - since == timedelta(days=2)
    with client_of(looking(database_url)) as watcher:
        assert tasks_of(watcher.explain(run.id))["paid"].why.startswith("waits for the event paid")


def test_a_message_with_a_misspelt_name_is_seen(open_runner: OpenRunner) -> None:
    with cloaca.WorkflowBuilder("parcel"):
        cloaca.wait_for("paid")
    with open_runner(evict_after_seconds=0) as runner:
        run = runner.submit("parcel", time_limit=cloaca.NO_LIMIT)
        while run.status() != "Waiting":
            pass
        assert run.info().due_at is None
        for number in range(2):
            run.send("paidd", number)
        expected = "2 messages (paidd) are unread, and nothing waits for them yet"
        assert run.explain().why.endswith(expected)
        run.send("paid")
        run.wait(WAIT)

        assert run.explain().why.endswith("; 2 messages (paidd) are unread")


def test_a_run_that_nothing_would_go_on_with_says_so(
    open_runner: OpenRunner, database_url: str
) -> None:
    with cloaca.WorkflowBuilder("parcel"):
        cloaca.wait_for("paid")
    with open_runner(evict_after_seconds=0) as runner:
        run_id = runner.submit("parcel").id
        while runner.get_run(run_id).status() != "Waiting":
            pass
    with client_of(database_url) as client:
        found = client.explain(run_id)
        assert found.code == "event"
        assert found.why.endswith("none is open on this database that could go on with it")
        client.send(run_id, "paid")

        found = client.explain(run_id)

        assert (found.status, found.code) == ("Running", "no_runner")
        assert "1 message of it has come, unread yet" in tasks_of(found)["paid"].why


def test_what_a_rejection_has_skipped_is_said(runner: cloaca.DefaultRunner) -> None:
    with cloaca.WorkflowBuilder("signing"):
        signed = cloaca.approval("signed", "Shall we?")
        cloaca.task(id="go", dependencies=[signed])(lambda context: None)
        cloaca.task(id="below", dependencies=["go"])(lambda context: None)
    run = runner.submit("signing")
    while not runner.waiting_for_people():
        pass
    run.approve("signed", "reject")
    run.wait(WAIT)

    found = run.explain()

    assert found.code == "completed"
    assert found.why.endswith("; skipped because of a rejection: go and below")
    for task in ("go", "below"):
        assert (tasks_of(found)[task].code, tasks_of(found)[task].why) == (
            "rejected",
            "skipped because signed was rejected",
        )


# -- a run that has ended ------------------------------------------------------------------------


def test_a_run_that_failed_says_where_how_often_and_what_it_led_to(
    runner: cloaca.DefaultRunner,
) -> None:
    with cloaca.WorkflowBuilder("failing"):

        @cloaca.task(id="parse", retry_attempts=2, retry_delay_ms=1)
        def parse(context: cloaca.Context) -> None:
            json.loads("{")

        cloaca.task(id="clean", dependencies=["parse"])(lambda context: None)
        cloaca.task(id="send", dependencies=["clean"])(lambda context: None)
        cloaca.task(id="tell", dependencies=["parse"], trigger_rules=cloaca.task_success("parse"))(
            lambda context: None
        )
    run = runner.submit("failing")
    run.wait(WAIT)

    found = run.explain()
    tasks = tasks_of(found)

    assert (found.status, found.code) == ("Failed", "task_failed")
    assert found.why.startswith("task parse: attempt 2 of 2 failed: JSONDecodeError: ")
    assert f", in parse ({Path(__file__)}, line " in found.why  # not in the library
    assert found.why.endswith("skipped because of that: clean and send")
    assert (tasks["clean"].code, tasks["clean"].why) == (
        "upstream_failed",
        "skipped because parse failed",
    )
    assert tasks["send"].why == "skipped because parse failed, by way of clean"
    assert (tasks["tell"].code, tasks["tell"].why) == (
        "trigger_rule",
        "skipped: its rule task_success('parse') does not hold (parse is Failed)",
    )
    assert found.runners == ()


def test_a_run_that_was_cancelled_says_by_whom_and_what_may_have_had_effects(
    runner: cloaca.DefaultRunner, held: Held
) -> None:
    run = runner.submit("held")
    assert held.inside.wait(WAIT)
    run.cancel(by="ann", reason="no use", grace=0)
    run.wait(WAIT)

    found = run.explain()

    assert (found.status, found.code) == ("Cancelled", "cancelled")
    assert found.why == "cancelled by ann: no use; cut off, and may have had effects: first"
    assert tasks_of(found)["first"].code == "cut_off"
    assert tasks_of(found)["second"].code == "cancelled"
    assert {each.task_id: each.status for each in found.tasks} == {
        each.task_id: each.status for each in run.tasks().values()
    }


def test_a_run_that_took_too_long_and_one_that_began_too_late(
    runner: cloaca.DefaultRunner, held: Held
) -> None:
    run = runner.submit("held", time_limit=0.05)
    run.wait(WAIT)
    found = run.explain()
    assert (found.status, found.code) == ("Failed", "deadline_exceeded")
    assert "it exceeded its time limit: " in found.why

    late = runner.submit("held", start_by="2020-01-01T00:00:00Z")
    late.wait(WAIT)
    found = late.explain()
    assert (found.status, found.code) == ("Cancelled", "expired")
    assert found.why == "it had not begun when its start_by was over at 2020-01-01T00:00:00Z"


@pytest.mark.usefixtures("plain")
def test_a_run_that_completed_says_so(runner: cloaca.DefaultRunner) -> None:
    run = runner.submit("plain")
    run.wait(WAIT)

    found = run.explain()

    assert (found.status, found.code) == ("Completed", "completed")
    assert str(found).splitlines()[1:] == ["tasks:", "  a  Completed", "  b  Completed"]


# -- who asks, and how much ----------------------------------------------------------------------


def test_a_program_that_may_only_look_and_lacks_the_code_gets_the_same(
    held: Held, open_runner: OpenRunner, database_url: str
) -> None:
    # Opened once the workflow is registered: the definition is recorded by then.
    run = open_runner().submit("held")
    assert held.inside.wait(WAIT)
    with client_of(looking(database_url)) as watcher:
        found = watcher.explain(run.id)
    assert found.code in ("running", "ready")  # the start of a body need not be written yet
    assert list(tasks_of(found)) == ["first", "second"]
    assert [each.is_here for each in found.runners] == [False]


def test_a_run_of_ten_thousand_tasks_is_explained_on_one_screen(
    runner: cloaca.DefaultRunner,
) -> None:
    with cloaca.WorkflowBuilder("wide"):
        cloaca.task(id="root", retry_attempts=1)(lambda context: 1 / 0)
        cloaca.task(id="alone")(lambda context: None)
        for number in range(9_998):
            cloaca.task(id=f"t{number}", dependencies=["root"])(lambda context: None)
    run = runner.submit("wide")
    run.wait(WAIT)

    found = run.explain()

    assert len(found.tasks) == 10_000
    assert str(found).splitlines()[1:] == [
        "tasks:",
        f"  root                                     Failed     {found.tasks[0].why}",
        "  alone                                    Completed",
        "  9,998 tasks (t0, t1, t2 and 9,995 more)  Skipped    skipped because root failed",
    ]


def test_an_unknown_run_is_refused(runner: cloaca.DefaultRunner) -> None:
    with pytest.raises(cloaca.RunNotFoundError):
        runner.explain("unknown")


@pytest.mark.usefixtures("plain")
async def test_it_can_be_awaited(database_url: str) -> None:
    async with cloaca.AsyncRunner(database_url) as runner:
        run = await runner.submit("plain", delay=FAR)
        assert (await run.explain()).code == "not_due"
        assert (await runner.explain(run.id)).code == "not_due"
