"""62: bodies run on executors of the program's, in other processes, and come out as on threads."""

from __future__ import annotations

import asyncio
import os
import select
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from own_database import OwnDatabases
from scenarios import crunching
from scenarios.steering import LONG, WAIT, until
from tables import each_row

import cloaca
from cloaca.executors import ProcessExecutor
from cloaca.testing import harness

QUICK: dict[str, Any] = {"retry_delay_ms": 1, "retry_max_delay_ms": 1}
ONCE: dict[str, Any] = {"retry_attempts": 1}

Open = Callable[..., cloaca.DefaultRunner]


@pytest.fixture(scope="module")
def cpu() -> Iterator[ProcessExecutor]:
    """Two worker processes for all tests; one that a test has ended is replaced when needed."""
    with ProcessExecutor(2) as executor:
        yield executor


@pytest.fixture
def registry() -> cloaca.Registry:
    return cloaca.Registry()


@pytest.fixture
def open_on(database_url: str, registry: cloaca.Registry) -> Iterator[Open]:
    """Opens runners of the registry with these executors; they are closed with the test."""
    opened: list[cloaca.DefaultRunner] = []

    def open_one(
        executors: Any = None, executor_slots: Any = None, **settings: Any
    ) -> cloaca.DefaultRunner:
        config = cloaca.DefaultRunnerConfig(**{"shutdown_grace_seconds": 5, **settings})
        runner = cloaca.DefaultRunner(
            database_url,
            config=config,
            registry=registry,
            executors=executors,
            executor_slots=executor_slots,
        )
        opened.append(runner)
        return runner

    yield open_one
    for runner in opened:
        runner.shutdown()


class Meeting:
    """Two pipes at which a body in another process meets the test."""

    def __init__(self, folder: Path, name: str = "") -> None:
        self._told, self._go = folder / f"{name}told", folder / f"{name}go"
        for pipe in (self._told, self._go):
            os.mkfifo(pipe)
        self.context = {"told": str(self._told), "go": str(self._go)}

    def told(self) -> str:
        """What the body says next; it says its process first."""
        return self._told.read_text()

    def let_go(self) -> None:
        self._go.write_text("")


@pytest.fixture
def meeting(tmp_path: Path) -> Meeting:
    return Meeting(tmp_path)


def define(registry: cloaca.Registry, name: str, body: Callable[..., Any], **options: Any) -> None:
    """A workflow of one task ``t``."""
    with cloaca.WorkflowBuilder(name, registry=registry):
        cloaca.task(id="t", **options)(body)


def await_end(process: int) -> None:
    """Return when a process has ended, that was seen to live."""
    try:
        handle = os.pidfd_open(process)
    except ProcessLookupError:
        return
    try:
        assert select.select([handle], [], [], WAIT)[0]
    finally:
        os.close(handle)


# -- as on threads ---------------------------------------------------------------------------------


class Told:
    """Notes what callbacks and conditions are given."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def options(self) -> dict[str, Any]:
        return {
            "on_success": lambda task, context: self.note("success", task, context.to_dict()),
            "on_failure": lambda task, error, context: self.note(
                "failure", task, error, context.to_dict()
            ),
        }

    def note(self, *call: Any) -> None:
        self.calls.append(call)


class Row(NamedTuple):
    """A body, the options of its task, and how a run of it ends."""

    body: Callable[..., Any]
    status: str
    options: Mapping[str, Any] = {}


ROWS = {
    "sets": Row(crunching.sets, "Completed"),
    "removes": Row(crunching.removes, "Completed"),
    "returns": Row(crunching.Jobs.returns, "Completed"),
    "returns another context": Row(crunching.returns_another, "Completed"),
    "async": Row(crunching.awaits, "Completed"),
    "async, fails": Row(crunching.awaits_and_fails, "Failed", {"retry_attempts": 2, **QUICK}),
    "returns a number": Row(crunching.returns_a_number, "Failed", ONCE),
    "returns no JSON": Row(crunching.returns_no_json, "Failed", ONCE),
    "returns too much": Row(crunching.returns_much, "Failed", ONCE),
    "fails": Row(crunching.fails, "Failed", {"retry_attempts": 2, **QUICK}),
    "fails twice": Row(crunching.fails_twice, "Completed", QUICK),
    "retried by class": Row(
        crunching.fails_twice, "Completed", {"retry_condition": crunching.BusyError, **QUICK}
    ),
    "retried by no class": Row(
        crunching.fails_twice, "Failed", {"retry_condition": OSError, **QUICK}
    ),
    "retried by function": Row(
        crunching.fails_twice,
        "Failed",
        {"retry_condition": lambda error: str(error) == "attempt 1", **QUICK},
    ),
    "retried without a pickle": Row(
        crunching.fails_without_pickle,
        "Completed",
        {
            "retry_condition": lambda error: (
                isinstance(error, crunching.RowError) and "users" in str(error)
            ),
            **QUICK,
        },
    ),
    "retried by a base of its class": Row(
        crunching.fails_with_a_class_of_its_own,
        "Completed",
        {"retry_condition": crunching.BusyError, **QUICK},
    ),
    "retried as transient by a base of its class": Row(
        crunching.fails_with_a_class_of_its_own,
        "Completed",
        {"retry_condition": cloaca.RetryCondition.transient_only(), **QUICK},
    ),
    "retried by no base of its class": Row(
        crunching.fails_with_a_class_of_its_own,
        "Failed",
        {"retry_condition": RuntimeError, **QUICK},
    ),
    "retried by its cause": Row(
        crunching.fails_for_a_cause,
        "Completed",
        {
            "retry_condition": lambda error: (
                isinstance(error.__cause__, OSError)
                and isinstance(error.__cause__.__context__, crunching.RowError)
            ),
            **QUICK,
        },
    ),
    "exits": Row(crunching.exits, "Failed", ONCE),
    "interrupts itself": Row(crunching.interrupts_itself, "Failed", {"retry_attempts": 2, **QUICK}),
    "async, interrupts itself": Row(crunching.interrupts_itself_later, "Failed", ONCE),
    "raises the signal to end": Row(crunching.cuts_itself_off, "Failed", ONCE),
    "asks": Row(crunching.asks, "Completed", {"retry_attempts": 2, **QUICK}),
    "asks in vain": Row(crunching.asks_in_vain, "Failed", {"retry_attempts": 2, **QUICK}),
}


class Scene:
    """A runner that has each row's workflow twice: on threads and on an executor."""

    def __init__(self, runner: cloaca.DefaultRunner, registry: cloaca.Registry) -> None:
        self._runner = runner
        self._registry = registry

    def outcome(self, name: str, row: Row, executor: str | None) -> dict[str, Any]:
        """How a run of it comes out, without what may differ: ids, times and line numbers."""
        told, place = Told(), "there" if executor else "here"
        with cloaca.WorkflowBuilder(f"{name} {place}", registry=self._registry):
            cloaca.task(id="t", executor=executor, **told.options(), **row.options)(row.body)
            cloaca.task(id="after", dependencies=["t"])(lambda context: None)
            cloaca.task(id="otherwise", dependencies=["t"], trigger_rules=cloaca.task_failed("t"))(
                lambda context: None
            )
        run = self._runner.submit(f"{name} {place}", {"n": 1})
        result = run.result(WAIT)
        return {
            "status": result.status,
            "context": result.final_context.to_dict(),
            "error": result.error_message,
            "tasks": {task: (each.status, each.error) for task, each in run.tasks().items()},
            "outputs": run.outputs(),
            "attempts": [
                (each.task_id, each.attempt, each.status, each.error_type, each.error)
                for each in run.attempts()
            ],
            "tracebacks": [
                None if each.traceback is None else each.traceback.splitlines()[-1]
                for each in run.attempts()
            ],
            "told": told.calls,
        }


@pytest.fixture(scope="module")
def scene(
    cpu: ProcessExecutor,
    databases_in: Callable[[Path], OwnDatabases],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Scene]:
    registry = cloaca.Registry()
    with cloaca.DefaultRunner(
        databases_in(tmp_path_factory.mktemp("both")).new(),
        config=cloaca.DefaultRunnerConfig(max_context_bytes=10_000),
        registry=registry,
        executors={"cpu": cpu},
    ) as runner:
        yield Scene(runner, registry)


@each_row("name", ROWS)
def test_a_body_comes_out_as_on_threads(scene: Scene, name: str) -> None:
    here = scene.outcome(name, ROWS[name], None)
    there = scene.outcome(name, ROWS[name], "cpu")

    assert here["status"] == ROWS[name].status
    assert there == here


@pytest.mark.each_backend
def test_it_runs_in_another_process_and_its_neighbours_do_not(
    open_on: Open, registry: cloaca.Registry, cpu: ProcessExecutor
) -> None:
    define(registry, "here", crunching.tells_process)
    define(registry, "there", crunching.tells_process, executor="cpu")
    runner = open_on({"cpu": cpu})

    here, there = [runner.execute(name).final_context["pid"] for name in ("here", "there")]
    assert here == os.getpid() != there


def test_its_handle_has_the_facts(
    open_on: Open, registry: cloaca.Registry, cpu: ProcessExecutor
) -> None:
    define(registry, "facts", crunching.tells_facts, executor="cpu")
    run = open_on({"cpu": cpu}).submit("facts")
    facts = run.result(WAIT).final_context["facts"]

    assert facts.pop("idempotency_key")
    assert facts == {
        "run_id": run.id,
        "task_id": "t",
        "attempt": 1,
        "epoch": 1,
        "cancelled": False,
    }


@pytest.mark.parametrize(
    ("body", "call", "instead"),
    [
        (crunching.calls_step, "step", "let a further task go on from there"),
        (crunching.calls_sleep, "sleep, wait_for or approval", "before this one, or in a node"),
        (crunching.calls_wait_for, "sleep, wait_for or approval", "before this one, or in a node"),
        (
            crunching.calls_sleep_until,
            "sleep, wait_for or approval",
            "before this one, or in a node",
        ),
        (crunching.calls_defer_until, "defer_until", "wait in a task before this one"),
        (crunching.calls_with_options, "with_options", "let a further task go on from there"),
        (crunching.calls_submit, "submit", "and call submit in a task after this one"),
    ],
)
def test_what_needs_the_engine_is_refused_with_what_to_do_instead(
    open_on: Open,
    registry: cloaca.Registry,
    cpu: ProcessExecutor,
    body: Callable[..., Any],
    call: str,
    instead: str,
) -> None:
    define(registry, "calls", body, executor="cpu", **ONCE)
    error = open_on({"cpu": cpu}).execute("calls").error_message

    assert error is not None
    assert (
        f"RunnerUsageError: task 't' runs on an executor, where its handle has no {call}" in error
    )
    assert error.endswith(instead)


# -- executors -------------------------------------------------------------------------------------


def test_an_executor_that_is_not_there_is_refused_with_the_tasks_that_want_it(
    open_on: Open, registry: cloaca.Registry
) -> None:
    define(registry, "crunch", crunching.sets, executor="gpu")

    with pytest.raises(cloaca.ConfigError) as caught:
        open_on({"cpu": cloaca.executors.process(1)})

    assert str(caught.value) == (
        "executors: tasks want executors that this runner has not: "
        "'gpu' for public::embedded::crunch::t; there are 'cpu': give it in a program as "
        "DefaultRunner(..., executors={...}), to cloaca worker in [executors] of cloaca.toml"
    )


def test_clients_want_none(database_url: str, registry: cloaca.Registry) -> None:
    define(registry, "crunch", crunching.sets, executor="gpu")
    with cloaca.Client(database_url, registry=registry) as client:
        assert client.submit("crunch", {"n": 1}).status() == "Pending"


def test_a_body_that_no_worker_can_import_is_refused_with_what_to_do(
    open_on: Open, registry: cloaca.Registry
) -> None:
    define(registry, "crunch", lambda context: None, executor="cpu")

    with pytest.raises(cloaca.ConfigError) as caught:
        open_on({"cpu": cloaca.executors.process(1)})

    assert "<lambda> is defined within a function" in str(caught.value)
    assert "cloaca.executors.by_value(...)" in str(caught.value)


def test_a_late_workflow_waits_for_its_executor(
    open_on: Open, registry: cloaca.Registry, caplog: pytest.LogCaptureFixture
) -> None:
    runner = open_on()
    define(registry, "late", crunching.sets, executor="gpu", **ONCE)
    run = runner.submit("late", {"n": 1})
    until(lambda: [each.status for each in run.attempts()] == ["Failed"])
    (attempt,) = run.attempts()
    runner.shutdown()

    why = (
        "this runner was opened without an executor 'gpu': give it in a program as "
        "DefaultRunner(..., executors={...}), to cloaca worker in [executors] of cloaca.toml"
    )
    assert (attempt.status, attempt.error) == ("Failed", f"ExecutorUnavailableError: {why}")
    assert f"bodies are put off until their executor takes calls: {why}" in caplog.text

    with ThreadPoolExecutor(1) as pool:
        result = open_on({"gpu": pool}).get_run(run.id).result(WAIT)
    assert (result.status, result.final_context["n"]) == ("Completed", 2)


def test_executors_are_named_in_the_settings_too(
    database_url: str, registry: cloaca.Registry
) -> None:
    define(registry, "crunch", crunching.sets, executor="cpu")
    settings: dict[str, Any] = {
        "executors": {"cpu": "scenarios.crunching:pool"},
        "executor_slots": {"cpu": 1},
    }
    config = cloaca.DefaultRunnerConfig(**settings)
    with cloaca.DefaultRunner(database_url, config=config, registry=registry) as runner:
        assert runner.execute("crunch", {"n": 1}).final_context["n"] == 2


async def test_an_async_runner_has_them_as_well(
    database_url: str, registry: cloaca.Registry, cpu: ProcessExecutor
) -> None:
    define(registry, "crunch", crunching.awaits, executor="cpu")
    async with cloaca.AsyncRunner(
        database_url, registry=registry, executors={"cpu": cpu}, executor_slots={"cpu": 1}
    ) as runner:
        result = await runner.execute("crunch", {"n": 1})

    assert (result.status, result.final_context["n"]) == ("Completed", 2)


async def test_an_async_runner_makes_them_while_the_loop_of_the_program_goes_on(
    database_url: str, registry: cloaca.Registry
) -> None:
    goes_on = threading.Event()

    def make() -> ThreadPoolExecutor:
        assert goes_on.wait(WAIT)
        return ThreadPoolExecutor(1)

    define(registry, "crunch", crunching.sets, executor="cpu")
    asyncio.get_running_loop().call_soon(goes_on.set)
    async with cloaca.AsyncRunner(
        database_url, registry=registry, executors={"cpu": make}
    ) as runner:
        assert (await runner.execute("crunch", {"n": 1})).status == "Completed"


def test_an_executor_that_was_given_goes_on_and_one_that_was_made_ends_with_the_runner(
    open_on: Open, registry: cloaca.Registry
) -> None:
    given, made = ThreadPoolExecutor(1), ThreadPoolExecutor(1)
    define(registry, "given", crunching.sets, executor="given")
    define(registry, "made", crunching.sets, executor="made")
    runner = open_on({"given": given, "made": lambda: made})
    for name in ("given", "made"):
        assert runner.execute(name, {"n": 1}).status == "Completed"
    runner.shutdown()

    assert given.submit(pow, 2, 3).result(WAIT) == 8
    given.shutdown()
    until(lambda: made._shutdown)
    with pytest.raises(RuntimeError, match="after shutdown"):
        made.submit(pow, 2, 3)


def test_the_test_kit_runs_bodies_on_its_own_thread(
    database_url: str, registry: cloaca.Registry
) -> None:
    define(registry, "here", crunching.tells_process, executor="not there")
    with harness(registry, url=database_url) as h:
        assert h.run("here").context == {"pid": os.getpid()}


# -- slots and priorities --------------------------------------------------------------------------


def test_free_slots_go_by_priority(
    open_on: Open,
    registry: cloaca.Registry,
    cpu: ProcessExecutor,
    meeting: Meeting,
    tmp_path: Path,
) -> None:
    define(registry, "holds", crunching.holds, executor="cpu")
    define(registry, "notes", crunching.notes, executor="cpu")
    runner = open_on({"cpu": cpu}, {"cpu": 1})
    first = runner.submit("holds", meeting.context)
    meeting.told()
    file = tmp_path / "notes"
    runs = [
        runner.submit("notes", {"file": str(file), "name": name}, priority=priority)
        for name, priority in (("low", -1), ("usual", 0), ("high", 5))
    ]
    assert runner.health()["running_bodies"] == 1
    meeting.let_go()
    for run in [first, *runs]:
        assert run.result(WAIT).status == "Completed"

    assert file.read_text().split() == ["high", "usual", "low"]


def test_as_many_run_at_once_as_the_executor_has_workers(
    open_on: Open, registry: cloaca.Registry, cpu: ProcessExecutor, tmp_path: Path
) -> None:
    """Also where the runner has fewer threads of its own."""
    define(registry, "holds", crunching.holds, executor="cpu")
    runner = open_on({"cpu": cpu}, max_concurrent_tasks=1)
    meetings = [Meeting(tmp_path, str(number)) for number in range(2)]
    runs = [runner.submit("holds", each.context) for each in meetings]
    pids = {each.told() for each in meetings}
    assert runner.health()["running_bodies"] == 2
    for each in meetings:
        each.let_go()

    assert len(pids) == 2
    assert [run.result(WAIT).status for run in runs] == ["Completed"] * 2


def test_a_body_that_cannot_be_ended_keeps_its_slot(
    open_on: Open, registry: cloaca.Registry, meeting: Meeting
) -> None:
    """An executor of the standard library: no call that runs can be ended."""
    define(registry, "holds", crunching.holds, executor="pool", timeout_seconds=0.05, **ONCE)
    define(registry, "sets", crunching.sets, executor="pool")
    with ThreadPoolExecutor(1) as pool:
        runner = open_on({"pool": pool})
        held = runner.submit("holds", meeting.context)
        meeting.told()
        error = held.result(WAIT).error_message
        waiting = runner.submit("sets", {"n": 1})
        abandoned, status = runner.health()["abandoned_bodies"], waiting.tasks()["t"].status
        meeting.let_go()

        assert "TimeoutError" in str(error)
        assert (abandoned, status) == (1, "NotStarted")
        assert waiting.result(WAIT).status == "Completed"
        assert runner.health()["abandoned_bodies"] == 0
        assert held.status() == "Failed"


# -- steering --------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [crunching.sleeps, crunching.keeps_the_lock])
def test_a_time_limit_ends_the_process(
    open_on: Open, registry: cloaca.Registry, body: Callable[..., Any]
) -> None:
    define(registry, "first", crunching.tells_process, executor="one")
    define(registry, "stuck", body, executor="one", timeout_seconds=0.1, **ONCE)
    runner = open_on({"one": cloaca.executors.process(1)})
    process = runner.execute("first").final_context["pid"]

    error = runner.execute("stuck").error_message
    assert "TimeoutError: Task execution timeout" in str(error)
    await_end(process)
    assert runner.execute("first").final_context["pid"] != process


class Forgetful(ThreadPoolExecutor):
    """Old temporary files are removed while calls wait there."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        for each in Path(tempfile.gettempdir()).glob("cloaca-*/lines"):
            each.unlink()
        return super().submit(fn, *args, **kwargs)


def test_a_body_whose_worker_cannot_tell_that_it_begins_has_a_time_limit_all_the_same(
    open_on: Open, registry: cloaca.Registry, meeting: Meeting, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = crunching.looks_at_its_handle
    define(registry, "looks", looks, executor="pool", timeout_seconds=0.2, **ONCE)
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        run = open_on({"pool": lambda: Forgetful(1)}).submit("looks", meeting.context)
        meeting.told()
        assert run.result(WAIT).status == "Failed"

        kinds = [each.error_type for each in run.attempts()]
        assert kinds == ["ExecutorUnavailableError", "TimeoutError"]


def test_a_body_that_looks_at_its_handle_may_end_by_itself(
    open_on: Open, registry: cloaca.Registry, meeting: Meeting
) -> None:
    """On any executor of this host."""
    define(registry, "looks", crunching.looks_at_its_handle, executor="pool")
    run = open_on({"pool": lambda: ThreadPoolExecutor(1)}).submit("looks", meeting.context)
    meeting.told()

    assert run.cancel(grace=LONG) == cloaca.Steered("Cancelling", changed=True)
    assert run.result(WAIT).status == "Cancelled"
    assert run.tasks()["t"].status == "Completed"
    assert run.outputs() == {"t": {"ended": True}}


@pytest.mark.parametrize("body", [crunching.cleans_up, crunching.cleans_up_later])
def test_a_body_may_clean_up_when_a_cancel_interrupts_it(
    open_on: Open,
    registry: cloaca.Registry,
    cpu: ProcessExecutor,
    meeting: Meeting,
    body: Callable[..., Any],
) -> None:
    define(registry, "cleans", body, executor="cpu")
    run = open_on({"cpu": cpu}).submit("cleans", meeting.context)
    meeting.told()
    run.cancel(grace=LONG)

    assert run.result(WAIT).status == "Cancelled"
    assert run.tasks()["t"].status == "Completed"
    assert run.outputs() == {"t": {"cancelled": True}}


def test_cancel_interrupts_a_body_that_does_not(
    open_on: Open, registry: cloaca.Registry, cpu: ProcessExecutor, meeting: Meeting
) -> None:
    told: list[str] = []
    define(
        registry,
        "sleeps",
        crunching.lets_itself_be_ended,
        executor="cpu",
        on_cancel=lambda task, context: told.append(task),
    )
    run = open_on({"cpu": cpu}).submit("sleeps", meeting.context)
    process = int(meeting.told())
    run.cancel(grace=LONG)

    assert run.result(WAIT).status == "Cancelled"
    assert run.tasks()["t"].status == "Cancelled"
    assert told == ["t"]
    os.kill(process, 0)  # its process goes on, for others


def test_after_the_grace_period_the_process_is_ended(
    open_on: Open, registry: cloaca.Registry, cpu: ProcessExecutor, meeting: Meeting
) -> None:
    define(registry, "stubborn", crunching.goes_on, executor="cpu")
    run = open_on({"cpu": cpu}).submit("stubborn", meeting.context)
    process = int(meeting.told())
    run.cancel(grace=0.3)
    assert meeting.told() == "told"

    assert run.result(WAIT).status == "Cancelled"
    await_end(process)


def test_a_paused_run_goes_on_behind_the_body_that_ran(
    open_on: Open, registry: cloaca.Registry, cpu: ProcessExecutor, meeting: Meeting
) -> None:
    with cloaca.WorkflowBuilder("two", registry=registry):
        cloaca.task(id="first", executor="cpu")(crunching.holds)
        cloaca.task(id="second", dependencies=["first"], executor="cpu")(crunching.tells_process)
    run = open_on({"cpu": cpu}).submit("two", meeting.context)
    meeting.told()
    run.pause()
    meeting.let_go()
    until(lambda: run.tasks()["first"].status == "Completed")
    assert (run.status(), run.tasks()["second"].status) == ("Paused", "NotStarted")

    run.resume()
    assert run.result(WAIT).status == "Completed"
