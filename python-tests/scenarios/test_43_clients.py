"""43: a client submits, steers and looks; it needs no code of the workflows and runs no body."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from own_database import OwnDatabases
from tables import each_row

import cloaca

pytestmark = pytest.mark.each_backend

WAIT = 60
NIGHTLY = "public::embedded::nightly"

WORKER = """
import sys
import cloaca

with cloaca.WorkflowBuilder("nightly"):

    @cloaca.task
    def load(context):
        return {"rows": 2 * context["shops"]}

    @cloaca.task(dependencies=[load])
    async def report(context):
        return {"text": f"{context['rows']} rows"}

with cloaca.DefaultRunner(sys.argv[1]):
    print("open", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def work_elsewhere(database_url: str) -> Iterator[None]:
    """Another process executes the workflow ``nightly``, which this one does not know."""
    with subprocess.Popen(
        [sys.executable, "-c", WORKER, database_url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "open\n"
        yield
        worker.communicate()
    assert worker.returncode == 0


@pytest.fixture
def code() -> cloaca.Registry:
    """The workflows of the workers in this process."""
    return cloaca.Registry()


@pytest.fixture
def work(database_url: str, code: cloaca.Registry) -> Callable[[], Any]:
    """Opens a worker in this process, to be closed by a ``with`` block."""
    return lambda: cloaca.DefaultRunner(database_url, registry=code)


@contextmanager
def client_of(url: str) -> Iterator[cloaca.Client]:
    with cloaca.Client(url, registry=cloaca.Registry()) as client:
        yield client


def looking(url: str) -> str:
    """The URL to look at a database only."""
    return f"{url}{'&' if '?' in url else '?'}mode=ro"


@pytest.fixture
def client(database_url: str) -> Iterator[cloaca.Client]:
    with client_of(database_url) as client:
        yield client


@pytest.fixture
async def async_client(database_url: str) -> AsyncIterator[cloaca.AsyncClient]:
    async with cloaca.AsyncClient(database_url, registry=cloaca.Registry()) as client:
        yield client


def define(
    code: cloaca.Registry, body: Callable[[cloaca.Context], object] = lambda _: {"ran": True}
) -> None:
    with cloaca.WorkflowBuilder("flow", registry=code):
        cloaca.task(id="first")(body)
        cloaca.task(id="second", dependencies=["first"])(lambda context: None)


# -- another process works -----------------------------------------------------------------------


@pytest.mark.usefixtures("work_elsewhere")
def test_a_client_runs_a_workflow_whose_code_it_never_saw(client: cloaca.Client) -> None:
    result = client.execute("nightly", {"shops": 3}, timeout=WAIT)

    assert result.status == "Completed"
    assert result.final_context["text"] == "6 rows"


@pytest.mark.usefixtures("work_elsewhere")
async def test_an_async_client_does_the_same(async_client: cloaca.AsyncClient) -> None:
    run = await async_client.submit("nightly", {"shops": 1}, tags={"team": "x"})

    result = await run.result(WAIT)

    assert result.final_context["text"] == "2 rows"
    assert list(await run.tasks()) == ["load", "report"]
    (listed,) = await async_client.list_runs(tags={"team": "x"})
    assert (listed.id, listed.workflow_name) == (run.id, "nightly")
    assert (await async_client.execute("nightly", {"shops": 2}, timeout=WAIT)).status == "Completed"
    assert len(await async_client.submit_many("nightly", [{"shops": 1}] * 3)) == 3


@pytest.mark.usefixtures("work_elsewhere")
def test_the_runs_of_a_client_that_closes_at_once_are_started_at_once(
    client: cloaca.Client, database_url: str
) -> None:
    """And not when the worker looks by itself, half a minute later on PostgreSQL: eight times that
    is longer than a test may take.
    """
    for _ in range(8):
        with client_of(database_url) as short:
            runs = [short.submit("nightly", {"shops": shops}) for shops in range(3)]

        for run in runs:
            assert client.get_run(run.id).result(WAIT).status == "Completed"


@pytest.mark.usefixtures("work_elsewhere")
def test_many_runs_and_keys_are_accepted_as_by_a_runner(client: cloaca.Client) -> None:
    many = client.submit_many(NIGHTLY, [{"shops": n} for n in range(5)])
    keyed = [client.submit("nightly", {"shops": 9}, idempotency_key="k") for _ in range(2)]

    rows = [run.result(WAIT).final_context["rows"] for run in many]
    assert rows == [0, 2, 4, 6, 8]
    assert keyed[0] == keyed[1]


@pytest.mark.usefixtures("work_elsewhere")
def test_a_run_is_written_in_the_programs_own_transaction(
    client: cloaca.Client, own_databases: OwnDatabases, database_url: str
) -> None:
    with closing(own_databases.connect(database_url)) as mine:
        run = client.submit("nightly", {"shops": 1}, connection=mine)
        assert client.list_runs() == []
        mine.commit()

    assert run.result(WAIT).status == "Completed"


# -- another process is steered ------------------------------------------------------------------

STEERED = """
import asyncio, sys, threading
import cloaca

go_on, reported = threading.Event(), []

with cloaca.WorkflowBuilder("steered"):

    @cloaca.task
    def load(context):
        print("begun", flush=True)
        go_on.wait()
        return {"rows": 3}

    @cloaca.task(dependencies=[load], retry_attempts=0)
    def report(context):
        reported.append(context["rows"])
        if len(reported) == 1:
            raise ValueError("the first time it fails")
        return {"reported": reported}

    @cloaca.task(dependencies=[report])
    def tell(context):
        return {"told": True}

with cloaca.WorkflowBuilder("endless"):

    @cloaca.task
    async def wait(context):
        print("begun", flush=True)
        await asyncio.Event().wait()

with cloaca.DefaultRunner(sys.argv[1]):
    print("open", flush=True)
    for line in sys.stdin:
        go_on.set()
"""


class Worker:
    """Another process, whose first bodies say that they have begun and wait for a word."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._stdin, self._stdout = process.stdin, process.stdout

    def has_begun(self) -> bool:
        """Wait for a body to begin."""
        return self._stdout.readline() == "begun\n"

    def go_on(self) -> None:
        self._stdin.write("go on\n")
        self._stdin.flush()


@pytest.fixture
def worker(database_url: str) -> Iterator[Worker]:
    with subprocess.Popen(
        [sys.executable, "-c", STEERED, database_url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield Worker(process)
        process.communicate()
    assert process.returncode == 0


def test_a_client_pauses_and_resumes_a_run_and_begins_it_again_when_it_has_failed(
    client: cloaca.Client, worker: Worker
) -> None:
    run = client.submit("steered")
    assert worker.has_begun()

    assert run.pause(reason="look first") == cloaca.Steered("Paused", changed=True)
    assert run.status() == "Paused"
    worker.go_on()
    assert run.resume().changed
    assert run.result(WAIT).status == "Failed"

    plan = client.plan_retry(run.id)
    assert [item.task for item in plan.keep] == ["load"]
    assert [item.task for item in plan.run] == ["report", "tell"]
    assert plan.drop == ()
    assert client.retry(run.id, by="ann") == run
    result = run.result(WAIT)
    assert (result.status, result.final_context["reported"]) == ("Completed", [3, 3])
    assert list(run.tasks()) == ["load", "report", "tell"]


def test_a_client_cancels_a_run_and_begins_it_again(client: cloaca.Client, worker: Worker) -> None:
    run = client.submit("endless")
    assert worker.has_begun()

    assert run.cancel(reason="enough", by="ann").changed
    result = run.result(WAIT)
    assert (result.status, result.error_message) == ("Cancelled", "cancelled by ann: enough")

    client.retry(run.id)
    assert worker.has_begun()
    assert run.status() == "Running"
    run.cancel()
    assert run.result(WAIT).status == "Cancelled"


async def test_an_async_client_steers_as_well(
    async_client: cloaca.AsyncClient, worker: Worker
) -> None:
    run = await async_client.submit("endless")
    assert await asyncio.to_thread(worker.has_begun)

    assert (await run.pause()).status == "Paused"
    assert (await run.resume()).changed
    assert (await run.cancel()).changed
    assert (await run.result(WAIT)).status == "Cancelled"

    assert [item.task for item in (await async_client.plan_retry(run.id)).run] == ["wait"]
    assert (await async_client.retry(run.id)).id == run.id
    assert await asyncio.to_thread(worker.has_begun)
    await run.cancel()
    await run.wait(WAIT)
    assert (await run.plan_retry()) == await async_client.plan_retry(run.id)
    assert (await async_client.plan_fork(run.id, "wait")) == await run.plan_fork("wait")
    copy = await async_client.fork(run.id, "wait")
    assert ((await copy.info()).forked_from, await run.retry()) == (run.id, run)
    await copy.cancel()
    await run.cancel()
    assert (await run.result(WAIT)).status == "Cancelled"


def test_a_task_that_the_recorded_version_lacks_cannot_be_chosen(
    code: cloaca.Registry, work: Callable[[], Any], client: cloaca.Client
) -> None:
    define(code)
    with work():
        pass
    run = client.submit("flow")
    assert run.cancel().status == "Cancelled"

    with pytest.raises(cloaca.TaskNotFoundError, match=r"no task 'third'; it has first, second"):
        client.plan_retry(run.id, tasks=["third"])

    client.retry(run.id)
    with work():
        assert run.result(WAIT).status == "Completed"


# -- what was recorded ---------------------------------------------------------------------------


def test_the_record_outlives_the_worker(
    code: cloaca.Registry, work: Callable[[], Any], client: cloaca.Client
) -> None:
    define(code)
    with work():
        pass

    run = client.submit("flow")

    assert run.status() == "Pending"
    assert {name: each.status for name, each in run.tasks().items()} == {
        "first": "NotStarted", "second": "NotStarted"
    }  # fmt: skip
    with work():
        assert run.result(WAIT).status == "Completed"


def test_the_version_that_was_registered_last_is_submitted(
    code: cloaca.Registry, work: Callable[[], Any], client: cloaca.Client
) -> None:
    versions = []
    for answer in (1, 2):
        define(code, lambda _, answer=answer: {"answer": answer})  # type: ignore[misc]  # a default
        versions.append(code.find("flow").version)
        with work():
            pass

    client.submit("flow")

    assert [run.version for run in client.list_runs()] == versions[1:]


def test_a_workflow_that_the_client_has_itself_comes_first(
    database_url: str, code: cloaca.Registry, work: Callable[[], Any]
) -> None:
    define(code)
    mine = cloaca.Registry()
    define(mine, lambda _: {"another": "version"})
    with work() as worker, cloaca.Client(database_url, registry=mine) as client:
        run = client.submit("flow")
        assert run.result(WAIT).final_context.to_dict() == {"ran": True}
        assert worker.list_runs()[0].version == mine.find("flow").version


@each_row("name", ["flwo", "public::embedded::flwo"])
def test_a_name_that_no_runner_has_recorded_is_refused_with_the_nearest(
    code: cloaca.Registry, work: Callable[[], Any], client: cloaca.Client, name: str
) -> None:
    define(code)
    with work():
        pass

    for call in (client.execute, client.submit, lambda name: client.submit_many(name, [])):
        with pytest.raises(
            cloaca.WorkflowNotFoundError,
            match=r"^Workflow execution failed: Workflow not found in registry: .*"
            r"\(did you mean '.*flow'\?\); no runner has recorded it in this database$",
        ) as caught:
            call(name)
        assert caught.value.name == name


def test_in_a_new_database_no_name_is_known(client: cloaca.Client) -> None:
    with pytest.raises(cloaca.WorkflowNotFoundError, match="no runner has recorded a workflow in"):
        client.submit("flow")


def test_a_name_of_two_recorded_workflows_is_refused_with_both(
    code: cloaca.Registry, work: Callable[[], Any], client: cloaca.Client
) -> None:
    for tenant in ("a", "b"):
        with cloaca.WorkflowBuilder("flow", tenant=tenant, registry=code):
            cloaca.task(id="only")(lambda context: None)
    with work():
        pass

    with pytest.raises(cloaca.AmbiguousWorkflowError) as caught:
        client.submit("flow")

    assert caught.value.candidates == ("a::embedded::flow", "b::embedded::flow")
    with work():
        assert client.execute("b::embedded::flow", timeout=WAIT).status == "Completed"


def test_a_runner_takes_only_its_own_workflows(
    database_url: str, code: cloaca.Registry, work: Callable[[], Any]
) -> None:
    define(code)
    with (
        work(),
        cloaca.DefaultRunner(database_url, registry=cloaca.Registry()) as other,
        pytest.raises(cloaca.WorkflowNotFoundError),
    ):
        other.submit("flow")


# -- it does not work ----------------------------------------------------------------------------


def test_no_runner_knows_of_a_client_and_it_starts_no_thread_for_bodies(
    own_databases: OwnDatabases, database_url: str
) -> None:
    before = set(threading.enumerate())  # a thread of an earlier runner may be about to end
    with cloaca.Client(database_url, registry=cloaca.Registry()) as client:
        health = client.health()
        names = {thread.name for thread in set(threading.enumerate()) - before}

        assert own_databases.query(database_url, "SELECT count(*) FROM cloaca_runner") == [(0,)]
    assert (health["runner_id"], health["paused"]) == (None, True)
    assert set(health["loops"]) == {"journal", "changes", "steering"}
    assert not [name for name in names if name.startswith(("cloaca-body", "cloaca-coroutines"))]


def test_a_client_claims_nothing_even_of_its_own_workflows(
    database_url: str, code: cloaca.Registry, work: Callable[[], Any]
) -> None:
    define(code)
    with cloaca.Client(database_url, registry=code) as client:
        run = client.submit("flow")
        with pytest.raises(cloaca.PipelineTimeoutError, match=f"run {run.id} goes on"):
            run.result(0.05)
        assert run.status() == "Pending"
        with work():
            assert run.result(WAIT).status == "Completed"


def test_the_timeout_of_execute_ends_the_wait_and_not_the_run(
    code: cloaca.Registry, work: Callable[[], Any], client: cloaca.Client
) -> None:
    define(code)
    with work():
        pass

    run_id, timeout = None, 0.1
    while run_id is None:  # the run was not on disk by then
        with pytest.raises(cloaca.PipelineTimeoutError) as caught:
            client.execute("flow", timeout=timeout)
        run_id, timeout = caught.value.run_id, 2 * timeout

    with work():
        assert client.get_run(run_id).result(WAIT).status == "Completed"


async def test_a_wait_that_is_cancelled_leaves_the_run_alone(
    code: cloaca.Registry, work: Callable[[], Any], async_client: cloaca.AsyncClient
) -> None:
    define(code)
    with work():
        pass
    run = await async_client.submit("flow")

    waiting = asyncio.create_task(run.result())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    assert await run.status() == "Pending"
    with work():
        assert (await run.result(WAIT)).status == "Completed"


def test_several_clients_wait_for_the_same_run(
    database_url: str, code: cloaca.Registry, work: Callable[[], Any], client: cloaca.Client
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def body(_: cloaca.Context) -> None:
        begun.set()
        go_on.wait(WAIT)

    define(code, body)
    with work(), client_of(database_url) as second:
        run = client.submit("flow")
        assert begun.wait(WAIT)
        seen = second.get_run(run.id)
        assert seen.status() == "Running"
        go_on.set()
        assert seen.result(WAIT).status == run.result(WAIT).status == "Completed"


def test_schedules_are_declared_without_a_runner(
    client: cloaca.Client, code: cloaca.Registry, work: Callable[[], Any]
) -> None:
    define(code)
    schedule = client.schedule("s", "flow", "0 3 * * *", "UTC")

    ticks = client.backfill("s", "2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z")

    assert (ticks.schedule_id, len(ticks.run_ids)) == (schedule, 2)
    with work():
        for run_id in ticks.run_ids:
            assert client.get_run(run_id).result(WAIT).status == "Completed"


def test_a_client_in_a_body_submits_to_its_own_database(
    database_url: str, code: cloaca.Registry, work: Callable[[], Any], client: cloaca.Client
) -> None:
    define(code)
    with cloaca.WorkflowBuilder("outer", registry=code):
        cloaca.task(id="only")(lambda _: {"inner": client.execute("flow").status})
    with work() as worker:
        assert worker.execute("outer", timeout=WAIT).final_context["inner"] == "Completed"


# -- opened to look at -----------------------------------------------------------------------------


def test_with_mode_ro_a_client_only_looks(
    database_url: str, code: cloaca.Registry, work: Callable[[], Any], client: cloaca.Client
) -> None:
    define(code)
    with work():
        ended = client.execute("flow", timeout=WAIT)
        with client_of(looking(database_url)) as watcher:
            run = watcher.get_run(ended.execution_id)
            for call in (
                lambda: watcher.submit("flow"),
                lambda: watcher.execute("flow"),
                run.cancel,
            ):
                with pytest.raises(cloaca.StoreReadOnlyError):
                    call()
            assert set(watcher.health()["loops"]) == {"journal", "changes"}
            assert run.result(WAIT).final_context == ended.final_context
            assert list(run.tasks()) == ["first", "second"]
            assert [each.id for each in watcher.list_runs()] == [run.id]


# -- open and close --------------------------------------------------------------------------------


def test_a_closed_client_says_so(client: cloaca.Client) -> None:
    assert repr(client).startswith("Client(")
    client.shutdown()
    client.shutdown()
    assert repr(client).endswith("closed)")
    with pytest.raises(cloaca.RunnerClosedError):
        client.submit("flow")


def test_a_runner_is_a_client_that_also_works(runner: cloaca.DefaultRunner) -> None:
    assert isinstance(runner, cloaca.Client)
    assert issubclass(cloaca.AsyncRunner, cloaca.AsyncClient)
    for lacking in ("start", "stop"):
        assert not hasattr(cloaca.Client, lacking)
        assert not hasattr(cloaca.AsyncClient, lacking)


@pytest.mark.backend("sqlite", reason="only SQLite has databases in memory")
def test_what_cannot_be_opened_is_refused_at_once() -> None:
    with pytest.raises(cloaca.StoreOpenError):
        cloaca.Client("sqlite://")
    with pytest.raises(TypeError, match="registry must be a Registry"):
        cloaca.Client("work.db", registry={})  # type: ignore[arg-type]  # refused
