"""58: a runner that lacks a task which is to run leaves the run to one that has it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

import cloaca

WAIT = 60
Open = Callable[[cloaca.Registry], cloaca.DefaultRunner]


class Service:
    """Is away until it comes back; bodies ask it."""

    def __init__(self) -> None:
        self.up = False

    def __call__(self, _: cloaca.Context) -> dict[str, object]:
        if not self.up:
            raise ConnectionError("the warehouse is closed")
        return {"loaded": True}


@pytest.fixture
def service() -> Service:
    return Service()


def define(registry: cloaca.Registry, service: Service, *, has_load: bool) -> None:
    """A workflow in the version with, or the one without its last task."""
    with cloaca.WorkflowBuilder("import", registry=registry):
        cloaca.task(id="fetch")(lambda context: {"rows": 3})
        if has_load:
            cloaca.task(id="load", dependencies=["fetch"], retry_attempts=1)(service)


@pytest.fixture
def whole(service: Service) -> cloaca.Registry:
    registry = cloaca.Registry()
    define(registry, service, has_load=True)
    return registry


@pytest.fixture
def lacking(service: Service) -> cloaca.Registry:
    registry = cloaca.Registry()
    define(registry, service, has_load=False)
    return registry


@pytest.fixture
def opened(database_url: str) -> Iterator[Open]:
    """Opens runners, to be closed at the end."""
    with ExitStack() as open_ones:
        yield lambda registry: open_ones.enter_context(
            cloaca.DefaultRunner(database_url, registry=registry)
        )


@pytest.fixture
def client(database_url: str) -> Iterator[cloaca.Client]:
    with cloaca.Client(database_url, registry=cloaca.Registry()) as client:
        yield client


@pytest.fixture
def failed(database_url: str, whole: cloaca.Registry) -> str:
    """A run of the version with the task, which has failed there. Its runner is closed."""
    with cloaca.DefaultRunner(database_url, registry=whole) as runner:
        run = runner.submit("import")
        assert run.result(WAIT).status == "Failed"
    return run.id


def left(run: cloaca.RunHandle) -> cloaca.Explanation:
    """The explanation of a run once a runner has left it."""
    while not any(each.may_run is False and "lacks" in each.why for each in run.explain().runners):
        pass
    return run.explain()


@pytest.mark.each_backend
def test_a_run_that_a_client_retries_waits_for_a_runner_with_the_task(
    client: cloaca.Client,
    opened: Open,
    lacking: cloaca.Registry,
    whole: cloaca.Registry,
    failed: str,
    service: Service,
    caplog: pytest.LogCaptureFixture,
) -> None:
    service.up = True
    run = client.retry(failed)
    other = opened(lacking)
    why = left(run)

    assert (why.status, why.code) == ("Pending", "task_unserved")
    (runner,) = why.runners
    assert why.why == (
        "it waits for a runner whose version of its workflow has task load: "
        f"runner {runner.id} lacks it"
    )
    assert runner.why == "leaves this run, as its version of the workflow lacks load"
    assert other.explain(run.id).code == "task_unserved"
    while not (unserved := other.health()["unserved"]):
        continue
    assert [(each["kind"], each["count"]) for each in unserved] == [("task_unserved", 1)]
    assert other.execute("import", timeout=WAIT).status == "Completed"  # it works on
    warnings = [each.message for each in caplog.records if "another runner" in each.message]
    assert [each.partition(":")[0] for each in warnings] == [
        f"run {run.id} is left to another runner"
    ]
    assert run.status() == "Pending"

    opened(whole)
    result = run.result(WAIT)
    assert result.status == "Completed"
    assert result.final_context == {"rows": 3, "loaded": True}
    assert run.info().version == whole.find("import").version


def test_so_does_one_that_it_forks(
    client: cloaca.Client,
    opened: Open,
    lacking: cloaca.Registry,
    whole: cloaca.Registry,
    failed: str,
    service: Service,
) -> None:
    service.up = True
    run = client.get_run(failed).fork("load")
    opened(lacking)

    assert left(run).code == "task_unserved"
    opened(whole)
    assert run.result(WAIT).final_context == {"rows": 3, "loaded": True}


def test_a_runner_that_registers_the_task_later_takes_the_run(
    client: cloaca.Client, opened: Open, lacking: cloaca.Registry, failed: str, service: Service
) -> None:
    service.up = True
    run = client.retry(failed)
    opened(lacking)
    left(run)

    define(lacking, service, has_load=True)

    assert run.result(WAIT).status == "Completed"


def test_a_client_plans_by_its_own_version_although_no_runner_has_that(
    database_url: str,
    opened: Open,
    lacking: cloaca.Registry,
    whole: cloaca.Registry,
    service: Service,
) -> None:
    service.up = True
    runner = opened(lacking)
    done = runner.execute("import", timeout=WAIT)
    with cloaca.Client(database_url, registry=whole) as client:
        run = client.get_run(done.execution_id).fork("load")
        assert left(run).code == "task_unserved"

        opened(whole)
        assert run.result(WAIT).final_context == {"rows": 3, "loaded": True}


# -- a deploy ------------------------------------------------------------------------------------

RUNS = 40


def test_a_run_is_left_by_runners_that_lack_a_task_of_the_version_it_was_submitted_as(
    database_url: str,
    opened: Open,
    lacking: cloaca.Registry,
    whole: cloaca.Registry,
    service: Service,
) -> None:
    service.up = True
    opened(lacking)
    with cloaca.Client(database_url, registry=whole) as client:
        runs = [client.submit("import") for _ in range(RUNS)]
        why = left(runs[-1])
        assert (why.status, why.code) == ("Pending", "task_unserved")

        opened(whole)
        results = [run.result(WAIT) for run in runs]

        assert {each.status for each in results} == {"Completed"}
        assert [each.final_context.get("loaded") for each in results] == [True] * RUNS
        newer = whole.find("import").version
        assert {(each.version, each.ran_version) for each in results} == {(newer, newer)}


def test_runs_of_an_earlier_version_go_on_under_a_later_one_without_the_task_it_has_not(
    database_url: str, opened: Open, lacking: cloaca.Registry, whole: cloaca.Registry
) -> None:
    """A task is taken out of the workflow: start new processes, then stop the old ones."""
    with cloaca.DefaultRunner(database_url, registry=whole) as old:
        old.stop()
        run = old.submit("import")
        assert run.info().ran_version is None
        opened(lacking)
        result = run.result(WAIT)

    assert (result.status, result.final_context.to_dict()) == ("Completed", {"rows": 3})
    submitted, ran = whole.find("import").version, lacking.find("import").version
    assert (result.version, result.ran_version) == (submitted, ran)


def test_runs_in_progress_go_on_under_a_later_version_with_its_new_task(
    database_url: str, opened: Open, service: Service
) -> None:
    service.up = True
    old, new = cloaca.Registry(), cloaca.Registry()
    inside, may_end = threading.Event(), threading.Event()

    def fetch(context: cloaca.Context) -> dict[str, int]:
        inside.set()
        may_end.wait(WAIT)
        return {"rows": 3}

    for registry, tasks in (old, 1), (new, 2):
        with cloaca.WorkflowBuilder("import", registry=registry):
            cloaca.task(id="fetch")(fetch)
            if tasks == 2:
                cloaca.task(id="load", dependencies=["fetch"])(service)
    config = cloaca.DefaultRunnerConfig(shutdown_grace_seconds=0, max_active_runs=1)
    first = cloaca.DefaultRunner(database_url, registry=old, config=config)
    runs = [first.submit("import") for _ in range(3)]
    assert inside.wait(WAIT)

    opened(new)
    first.shutdown()
    may_end.set()

    for run in runs:
        result = run_of(database_url, run.id)
        assert (result.status, result.final_context.get("loaded")) == ("Completed", True)
        assert result.version == old.find("import").version
        assert result.ran_version == new.find("import").version


def run_of(database_url: str, run_id: str) -> cloaca.PipelineResult:
    with cloaca.Client(database_url, registry=cloaca.Registry()) as client:
        return client.get_run(run_id).result(WAIT)
