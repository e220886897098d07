"""58: a runner that lacks a task which is to run leaves the run to one that has it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

import cloaca

WAIT = 30
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
