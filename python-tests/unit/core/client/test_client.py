"""Both clients: the same calls, none that works, and runners that inherit all of them."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tables import each_row

from cloaca_core.client.async_client import AsyncClient
from cloaca_core.client.async_runner import AsyncRunner
from cloaca_core.client.client import Client
from cloaca_core.client.default_runner import DefaultRunner
from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task
from cloaca_core.errors import (
    AmbiguousWorkflowError,
    PipelineTimeoutError,
    RunnerClosedError,
    RunnerUsageError,
    StoreOpenError,
    WorkflowNotFoundError,
)

WAIT = 60


@pytest.fixture
def code() -> Registry:
    """The workflow ``w``, as a worker has it."""
    registry = Registry()
    with WorkflowBuilder("w", registry=registry):
        task(id="a")(lambda context: {"ran": True})
    return registry


@pytest.fixture
def file(tmp_path: Path, code: Registry) -> Path:
    """A file in which a worker, which has gone, has recorded its workflow."""
    path = tmp_path / "work.db"
    DefaultRunner(path, registry=code).shutdown()
    return path


@pytest.fixture
def client(file: Path) -> Iterator[Client]:
    with Client(file, registry=Registry()) as client:
        yield client


def _public(kind: type) -> dict[str, inspect.Signature]:
    found = inspect.getmembers(kind, inspect.isfunction)
    return {name: inspect.signature(each) for name, each in found if not name.startswith("_")}


def test_both_clients_have_the_same_calls_with_the_same_parameters() -> None:
    sync, awaited = _public(Client), _public(AsyncClient)

    assert sync.keys() == awaited.keys()
    for name, signature in sync.items():
        assert signature.parameters == awaited[name].parameters, name


@each_row("kind", [Client, AsyncClient])
def test_both_are_made_from_the_same_parameters(kind: type) -> None:
    parameters = inspect.signature(kind).parameters.values()
    bare = [each.replace(annotation=inspect.Parameter.empty) for each in parameters]

    assert str(inspect.Signature(bare)) == (
        "(database_url, *, config=None, schema=None, registry=None, redact=None)"
    )


NOT_HERE = (
    "list_reactor_subscriptions",
    "subscribe_workflow_to_reactor",
    "unsubscribe_workflow_from_reactor",
)
"""The methods of 0.12's runner that only say why they are not here."""


@each_row(
    ("runner", "client", "more"),
    [
        (DefaultRunner, Client, {"start", "stop", *NOT_HERE}),
        (AsyncRunner, AsyncClient, {"start", "stop"}),
    ],
)
def test_a_runner_adds_only_what_claiming_needs(runner: type, client: type, more: set[str]) -> None:
    assert issubclass(runner, client)
    assert _public(runner).keys() - _public(client).keys() == more


def test_opening_a_client_starts_no_thread_for_bodies(file: Path) -> None:
    before = set(threading.enumerate())
    with Client(file) as client:
        client.submit_many("w", [None] * 3)
        started = {thread.name for thread in set(threading.enumerate()) - before}

    assert {name for name in started if name.startswith("cloaca")} == {"cloaca-engine"}


def test_a_client_takes_no_run_of_a_workflow_that_it_has(file: Path, code: Registry) -> None:
    with Client(file, registry=code) as client:
        run = client.submit("w")
        with pytest.raises(PipelineTimeoutError):
            run.wait(timeout=0)

        assert run.status() == "Pending"
        assert (client.health()["active_runs"], client.health()["runner_id"]) == (0, None)


def test_a_name_that_is_not_recorded_is_refused_by_every_call(client: Client) -> None:
    for call in (
        lambda: client.execute("v"),
        lambda: client.submit("v"),
        lambda: client.submit("v", connection=object()),
        lambda: client.submit_many("v", []),
        lambda: client.submit_many("v", [None]),
    ):
        with pytest.raises(WorkflowNotFoundError, match="no runner has recorded it"):
            call()
    assert client.list_runs() == []


def test_contexts_are_read_only_for_a_workflow_that_is_known(client: Client) -> None:
    contexts = iter([{"n": 1}, {"n": 2}])

    with pytest.raises(WorkflowNotFoundError):
        client.submit_many("v", contexts)

    assert next(contexts) == {"n": 1}


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A file in which the only workflow of the name ``w`` is that of a tenant."""
    registry, path = Registry(), tmp_path / "tenant.db"
    with WorkflowBuilder("w", tenant="acme", registry=registry):
        task(id="a")(lambda context: None)
    DefaultRunner(path, registry=registry).shutdown()
    return path


def test_a_short_name_that_was_recorded_is_known_to_listings_and_schedules(
    elsewhere: Path,
) -> None:
    with Client(elsewhere, registry=Registry()) as client:
        run = client.submit("w")
        assert [each.id for each in client.list_runs(workflow_name="w")] == [run.id]
        assert client.list_runs(workflow_name="public::embedded::w") == []
        assert client.list_runs(workflow_name="unheard_of") == []

        for schedule_id in (
            client.schedule("s", "w", "@daily", "UTC"),
            client.register_cron_workflow("w", "@daily", "UTC"),
            client.register_workflow_instance("w", "i", "@daily", "UTC"),
        ):
            client.backfill(schedule_id, "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")
        assert len(client.list_runs(workflow_name="acme::embedded::w")) == 4


def test_a_short_name_of_two_recorded_workflows_is_refused_by_both(elsewhere: Path) -> None:
    registry = Registry()
    with WorkflowBuilder("w", registry=registry):
        task(id="a")(lambda context: None)
    DefaultRunner(elsewhere, registry=registry).shutdown()
    with Client(elsewhere, registry=Registry()) as client:
        with pytest.raises(AmbiguousWorkflowError):
            client.list_runs(workflow_name="w")
        with pytest.raises(AmbiguousWorkflowError, match=r"^Failed to set schedule: "):
            client.schedule("s", "w", "@daily", "UTC")


async def test_a_database_that_no_runner_could_open_is_refused() -> None:
    with pytest.raises(StoreOpenError, match=r"no other connection can open one in memory"):
        Client(":memory:")
    with pytest.raises(StoreOpenError, match=r"name a file"):
        await AsyncClient("sqlite://:memory:").__aenter__()


async def test_both_tell_their_state(file: Path) -> None:
    client = Client(file)
    assert repr(client) == "Client(sqlite, open)"
    client.shutdown()
    assert repr(client) == "Client(sqlite, closed)"
    awaited = AsyncClient(file)
    with pytest.raises(RunnerUsageError, match="not open yet"):
        await awaited.submit("w")
    async with awaited:
        assert repr(awaited) == "AsyncClient(sqlite, open)"
    with pytest.raises(RunnerClosedError):
        await awaited.submit("w")


async def test_a_failed_opening_leaves_no_thread_behind(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    with pytest.raises(StoreOpenError):
        Client(str(tmp_path))
    with pytest.raises(StoreOpenError):
        await AsyncClient(str(tmp_path)).__aenter__()

    assert {thread for thread in threading.enumerate() if thread.name == "cloaca-engine"} <= before
