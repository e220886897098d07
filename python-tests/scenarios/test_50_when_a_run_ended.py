"""50: a run follows the end of another: an alert, a clean-up, the next run of a chain."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tables import each_row

import cloaca

WAIT = 60
Open = Callable[..., cloaca.DefaultRunner]


@pytest.fixture
def code() -> cloaca.Registry:
    """The workflows of this test's workers."""
    return cloaca.Registry()


@pytest.fixture
def work(database_url: str, code: cloaca.Registry) -> Iterator[Open]:
    """Opens workers on the test's database; all are closed at its end."""
    opened: list[cloaca.DefaultRunner] = []

    def open_one(**settings: Any) -> cloaca.DefaultRunner:
        config = cloaca.DefaultRunnerConfig(shutdown_grace_seconds=0)
        opened.append(cloaca.DefaultRunner(database_url, config=config, registry=code, **settings))
        return opened[-1]

    yield open_one
    for each in opened:
        each.shutdown()


@contextmanager
def client_of(url: str) -> Iterator[cloaca.Client]:
    """A client that has none of the code."""
    with cloaca.Client(url, registry=cloaca.Registry()) as client:
        yield client


def define_alert(code: cloaca.Registry, name: str = "alert") -> None:
    """A workflow that says what it was told."""
    with cloaca.WorkflowBuilder(name, registry=code):

        @cloaca.task
        def tell(context: cloaca.Context) -> dict[str, Any]:
            error = context["error"]
            return {"text": f"{context['workflow_name']} {context['status']}: {error}"}


def define_nightly(
    code: cloaca.Registry,
    body: Callable[[cloaca.Context], None],
    statuses: Any = ("Failed", "Cancelled"),
    submit: str = "alert",
    name: str = "nightly",
    **context: Any,
) -> None:
    """A workflow of one task, which tells of the ends of its runs."""
    with cloaca.WorkflowBuilder(name, registry=code) as builder:
        builder.when_ended(statuses, submit, context=context or None)
        cloaca.task(id="load", retry_attempts=1)(body)


def broken(context: cloaca.Context) -> None:
    raise ConnectionError("shop 7 does not answer")


def fine(context: cloaca.Context) -> None:
    """Does what it should."""


def follow_up(client: cloaca.Client, name: str = "alert") -> cloaca.RunHandle:
    """The only run of the workflow that follows others."""
    (run,) = client.list_runs(workflow_name=name)
    return client.get_run(run.id)


# -- what follows --------------------------------------------------------------------------------


@pytest.mark.each_backend
def test_a_run_that_fails_is_told_of(code: cloaca.Registry, work: Open) -> None:
    define_alert(code)
    define_nightly(code, broken, "Failed", to=["ann"])
    runner = work()

    run = runner.submit("nightly", {"shops": 9})
    run.result(timeout=WAIT)

    alert = follow_up(runner)
    context = alert.result(timeout=WAIT).final_context
    assert context.to_dict() == {
        "to": ["ann"],
        "run_id": run.id,
        "workflow_name": "nightly",
        "status": "Failed",
        "error": run.result().error_message,
        "text": f"nightly Failed: {run.result().error_message}",
    }
    assert "shop 7 does not answer" in context["error"]


def test_it_is_there_when_the_end_is_seen(code: cloaca.Registry, work: Open) -> None:
    define_nightly(code, fine, "Completed")
    runner = work()

    for count in (1, 2, 3):
        runner.execute("nightly")
        assert runner.count_runs(workflow_name="alert") == count


def test_only_the_ends_that_were_named_are_followed(code: cloaca.Registry, work: Open) -> None:
    define_alert(code)
    define_nightly(code, fine)
    runner = work()

    runner.execute("nightly")

    assert runner.list_runs(workflow_name="alert") == []


def test_several_runs_may_follow_one_end(code: cloaca.Registry, work: Open) -> None:
    define_alert(code)
    define_alert(code, "cleanup")
    with cloaca.WorkflowBuilder("nightly", registry=code) as builder:
        builder.when_ended("Failed", "alert", {"level": 1})
        builder.when_ended(["Completed", "Failed"], submit="cleanup")
        builder.when_ended("Failed", submit="alert", context={"level": 2})
        cloaca.task(retry_attempts=1)(broken)
    runner = work()

    runner.execute("nightly")

    runs = [runner.get_run(run.id) for run in runner.list_runs(workflow_name="alert")]
    levels = [run.result(timeout=WAIT).final_context["level"] for run in runs]
    assert sorted(levels) == [1, 2]
    cleanup = follow_up(runner, "cleanup").result(timeout=WAIT)
    assert cleanup.final_context["status"] == "Failed"


def test_runs_may_follow_one_another_in_a_chain(code: cloaca.Registry, work: Open) -> None:
    done: list[str] = []
    last = threading.Event()
    define_nightly(code, lambda _: done.append("load"), "Completed", "transform", "load")
    define_nightly(code, lambda _: done.append("transform"), "Completed", "publish", "transform")
    with cloaca.WorkflowBuilder("publish", registry=code):

        @cloaca.task
        def publish(context: cloaca.Context) -> None:
            done.append(context["workflow_name"])
            last.set()

    work().execute("load")

    assert last.wait(WAIT)
    assert done == ["load", "transform", "transform"]


def test_a_workflow_may_follow_itself_until_it_is_paused(code: cloaca.Registry, work: Open) -> None:
    third = threading.Semaphore(0)
    define_nightly(code, lambda _: third.release(), "Completed", "nightly")
    runner = work()

    runner.submit("nightly")

    for _ in range(3):
        assert third.acquire(timeout=WAIT)
    runner.pause_workflow("nightly")
    newest, *_ = runner.list_runs(workflow_name="nightly")
    assert runner.get_run(newest.id).info().follows is not None


def test_a_name_is_that_of_a_workflow_of_the_same_tenant_and_package(
    code: cloaca.Registry, work: Open
) -> None:
    for tenant in ("acme", "public"):
        with cloaca.WorkflowBuilder("alert", tenant=tenant, registry=code):
            cloaca.task(id="tell")(fine)
        with cloaca.WorkflowBuilder("nightly", tenant=tenant, registry=code) as builder:
            builder.when_ended("Completed", "alert")
            builder.when_ended("Completed", "public::embedded::alert")
            cloaca.task(id="load")(fine)
    runner = work()

    runner.execute("acme::embedded::nightly")

    assert runner.count_runs(workflow_name="acme::embedded::alert") == 1
    assert runner.count_runs(workflow_name="public::embedded::alert") == 1


def test_each_round_of_a_run_is_followed(code: cloaca.Registry, work: Open) -> None:
    define_alert(code)
    define_nightly(code, broken, "Failed")
    runner = work()
    run = runner.submit("nightly")
    run.result(timeout=WAIT)

    runner.retry(run.id).result(timeout=WAIT)

    assert runner.count_runs(workflow_name="alert") == 2


# -- what it is ----------------------------------------------------------------------------------


def test_a_run_that_follows_is_no_child(code: cloaca.Registry, work: Open) -> None:
    define_nightly(code, broken)
    runner = work()
    run = runner.submit("nightly", priority=9)
    run.result(timeout=WAIT)

    alert = follow_up(runner)

    info = alert.info()
    assert (info.follows, info.parent_id, info.priority) == (run.id, None, 0)
    assert (info.status, dict(info.tags)) == ("Pending", {})
    assert run.info().follows is None
    assert run.children() == []


def test_both_runs_tell_of_each_other(code: cloaca.Registry, work: Open) -> None:
    define_nightly(code, broken)
    runner = work()
    run = runner.submit("nightly")
    run.result(timeout=WAIT)

    alert = follow_up(runner)

    last = run.events()[-1]
    assert (last.kind, last.detail) == ("followed", f"by run {alert.id} of alert")
    first = alert.events()[0]
    assert (first.kind, first.detail) == ("created", f"follows run {run.id}")
    assert first.at == last.at == run.info().ended_at


# -- who ends it ---------------------------------------------------------------------------------


def test_a_client_without_the_code_cancels_a_run_that_waits(
    code: cloaca.Registry, work: Open, database_url: str
) -> None:
    define_alert(code)
    define_nightly(code, fine, to=["ann"])
    runner = work()
    run = runner.submit("nightly", delay=3600)

    with client_of(database_url) as client:
        assert client.get_run(run.id).cancel(reason="no shop is open", by="bob").changed

    context = follow_up(runner).result(timeout=WAIT).final_context
    assert (context["run_id"], context["status"]) == (run.id, "Cancelled")
    assert context["to"] == ["ann"]
    assert context["error"] == run.result().error_message
    assert "no shop is open" in context["error"]


def test_a_run_is_cancelled_while_it_runs(code: cloaca.Registry, work: Open) -> None:
    """Its last body ends as it should; the run is Cancelled all the same."""
    begun, over = threading.Event(), threading.Event()

    def load(context: cloaca.Context) -> None:
        begun.set()
        over.wait(WAIT)

    define_alert(code)
    define_nightly(code, load, ["Cancelled", "Completed"])
    runner = work()
    run = runner.submit("nightly")
    assert begun.wait(WAIT)

    run.cancel(reason="enough", grace=WAIT)
    over.set()

    assert run.result(timeout=WAIT).status == "Cancelled"
    context = follow_up(runner).result(timeout=WAIT).final_context
    assert (context["run_id"], context["status"]) == (run.id, "Cancelled")
    assert "enough" in context["error"]


def test_a_run_that_has_not_begun_in_time(code: cloaca.Registry, work: Open) -> None:
    define_alert(code)
    define_nightly(code, fine)
    idle = work(start=False)
    run = idle.submit("nightly", start_by=0.001)

    assert run.result(timeout=WAIT).status == "Cancelled"

    idle.start()
    context = follow_up(idle).result(timeout=WAIT).final_context
    assert "expired" in context["error"]


def test_a_run_that_takes_too_long(code: cloaca.Registry, work: Open) -> None:
    over = threading.Event()

    def load(context: cloaca.Context) -> None:
        over.wait(WAIT)

    define_nightly(code, load, "Failed")
    runner = work()

    run = runner.submit("nightly", time_limit=0.05)
    run.result(timeout=WAIT)

    over.set()
    assert follow_up(runner).info().follows == run.id


DYING = """
import sys
import cloaca

def say(line):
    sys.stdout.write(line + "\\n")  # whole, as two threads may speak at once
    sys.stdout.flush()

with cloaca.WorkflowBuilder("nightly") as builder:
    builder.when_ended("Cancelled", "alert", {"to": ["ann"]})

    @cloaca.task
    def load(context):
        say("begun")
        sys.stdin.read()

runner = cloaca.DefaultRunner(sys.argv[1])
say(runner.submit("nightly").id)
sys.stdin.read()
"""


def test_a_run_whose_runner_dies_before_it_has_ended_it(
    code: cloaca.Registry, work: Open, database_url: str
) -> None:
    """Another runner, which does not know the workflow, ends it."""
    define_alert(code)
    with subprocess.Popen(
        [sys.executable, "-c", DYING, database_url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as dying:
        assert dying.stdout is not None
        lines = sorted([dying.stdout.readline().strip() for _ in range(2)])
        (run_id,) = [line for line in lines if line != "begun"]
        with client_of(database_url) as client:
            client.get_run(run_id).cancel(reason="no use", grace=3600)
            assert client.get_run(run_id).status() == "Cancelling"
        dying.kill()

    runner = work()

    assert runner.get_run(run_id).result(timeout=WAIT).status == "Cancelled"
    context = follow_up(runner).result(timeout=WAIT).final_context
    assert (context["run_id"], context["to"]) == (run_id, ["ann"])


def test_a_client_with_the_code_cancels_a_run_before_there_is_a_runner(
    code: cloaca.Registry, work: Open, database_url: str
) -> None:
    define_alert(code)
    define_nightly(code, fine)

    with cloaca.Client(database_url, registry=code) as client:
        run = client.submit("nightly")
        run.cancel()

    assert follow_up(work()).info().follows == run.id


# -- who decides ---------------------------------------------------------------------------------


def test_the_version_that_was_registered_last_decides(
    code: cloaca.Registry, work: Open, database_url: str
) -> None:
    define_nightly(code, fine)
    run = work().submit("nightly", delay=3600)
    with cloaca.WorkflowBuilder("nightly", registry=code):
        cloaca.task(id="load", retry_attempts=1)(fine)
    other = work()

    with client_of(database_url) as client:
        client.get_run(run.id).cancel()

    assert other.list_runs(workflow_name="alert") == []


@each_row(
    ("arguments", "error", "text"),
    [
        (("Pending", "alert"), ValueError, 'unknown statuses "Pending"'),
        ((["Failed", "failed"], "alert"), ValueError, "expected one of Completed, Failed, Canc"),
        (([], "alert"), ValueError, "statuses must name one or several of Completed, Failed"),
        ((7, "alert"), TypeError, "statuses must be one or several of Completed"),
        (("Failed", ""), ValueError, "submit '' must have 1 to 255 characters"),
        (("Failed", "a::b"), ValueError, "submit must be a workflow's name, or its full one"),
        (("Failed", print), TypeError, "submit must be a str"),
        (("Failed", "alert", [1]), TypeError, "context must be a Context, a mapping or None"),
        (("Failed", "alert", {"at": {1}}), TypeError, "at"),
        (("Failed", "alert", {"error": 1}), ValueError, "it has error"),
        (("Cancelled", "nightly"), ValueError, "could never be stopped"),
    ],
)
def test_bad_arguments_are_refused_at_the_call(
    arguments: tuple[Any, ...], error: type[Exception], text: str
) -> None:
    builder = cloaca.WorkflowBuilder("nightly", registry=cloaca.Registry())

    with pytest.raises(error, match=text):
        builder.when_ended(*arguments)
