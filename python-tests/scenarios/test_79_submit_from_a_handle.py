"""79: a body submits runs through its handle, without a runner at hand; they are its children."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

import cloaca
from cloaca.testing import Harness

QUICK: dict[str, Any] = {"retry_backoff": "fixed", "retry_delay_ms": 1, "retry_jitter": False}
WAIT = 60

Context = cloaca.Context
Handle = cloaca.TaskHandle
AsyncHandle = cloaca.AsyncTaskHandle


def define(name: str, body: Callable[..., Any], **options: Any) -> None:
    with cloaca.WorkflowBuilder(name):
        cloaca.task(id="t", **QUICK, **options)(body)


@pytest.fixture(autouse=True)
def child() -> None:
    """A workflow that doubles a number."""
    define("double", lambda context: {"double": 2 * context["n"]})


@pytest.mark.each_backend
def test_a_run_is_a_child_of_the_run_of_the_body(runner: cloaca.DefaultRunner) -> None:
    def body(context: Context, handle: Handle) -> dict[str, Any]:
        child = handle.submit("double", {"n": 21}, tags={"of": "body"}, priority=3)
        assert child.created
        return {"child": child.id, "double": child.result(WAIT).final_context["double"]}

    define("parent", body)
    run = runner.submit("parent")
    context = run.result(WAIT).final_context

    (child,) = run.children()
    assert (child.id, child.tags, child.priority) == (context["child"], {"of": "body"}, 3)
    assert context["double"] == 42


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_body_that_runs_again_finds_its_children_and_starts_failed_ones_anew(
    runner: cloaca.DefaultRunner, kind: str
) -> None:
    """By their calls in order: one, three of ``submit_many``, and one that fails."""
    attempts: list[list[str]] = []

    def fail_once(context: Context) -> None:
        if len(attempts) < 2:
            raise ValueError("bad")

    def of_sync(context: Context, handle: Handle) -> None:
        one = handle.submit("double", {"n": 1})
        many = handle.submit_many("double", ({"n": n} for n in range(3)))
        bad = handle.submit("fail")
        bad.result(WAIT)
        attempts.append([one.id, *[each.id for each in many], bad.id])
        if handle.attempt == 1:
            raise OSError("once more")

    async def of_async(context: Context, handle: AsyncHandle) -> None:
        one = await handle.submit("double", {"n": 1})
        many = await handle.submit_many("double", ({"n": n} for n in range(3)))
        bad = await handle.submit("fail")
        await bad.result(WAIT)
        attempts.append([one.id, *[each.id for each in many], bad.id])
        if handle.attempt == 1:
            raise OSError("once more")

    define("fail", fail_once, retry_attempts=1)
    define("parent", of_sync if kind == "sync" else of_async)
    run = runner.submit("parent")
    run.result(WAIT).raise_for_status()

    first, second = attempts
    assert first[:4] == second[:4]
    assert first[4] != second[4]
    assert len(run.children()) == 6


def test_children_are_cancelled_with_their_parent_unless_they_are_detached(
    runner: cloaca.DefaultRunner,
) -> None:
    submitted = threading.Event()

    def body(context: Context, handle: Handle) -> None:
        handle.submit("double", tags={"n": "one"}, delay=3600)
        handle.submit("double", tags={"n": "detached"}, delay=3600, detached=True)
        handle.submit_many("double", [{"n": 3}], tags={"n": "many"}, delay=3600)
        submitted.set()
        handle.wait_for("never")

    define("parent", body)
    run = runner.submit("parent")
    assert submitted.wait(WAIT)
    run.cancel()
    assert run.result(WAIT).status == "Cancelled"

    children = {each.tags["n"]: runner.get_run(each.id) for each in run.children()}
    for name in ("one", "many"):
        assert children[name].result(WAIT).status == "Cancelled"
    assert children["detached"].status() == "Pending"


def test_a_thread_of_the_body_submits_for_it(runner: cloaca.DefaultRunner) -> None:
    """Through the handle the run is known; a runner takes the calls of such a thread for others."""

    def body(context: Context, handle: Handle) -> None:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(handle.submit, "double", {"n": 1}).result(WAIT)

    define("parent", body)
    run = runner.submit("parent")
    run.result(WAIT).raise_for_status()

    assert len(run.children()) == 1


def test_what_is_refused_is_refused_as_by_the_runner(runner: cloaca.DefaultRunner) -> None:
    errors: list[str] = []

    def body(context: Context, handle: Handle) -> None:
        for call in (
            lambda: handle.submit("nothing"),
            lambda: handle.submit("double", {"n": {1}}),
            lambda: handle.submit("double", priority=101),
            lambda: handle.submit_many("double", [{"n": 1}, {"n": {1}}]),
        ):
            with pytest.raises((cloaca.CloacaError, ValueError)) as refusal:
                call()
            errors.append(str(refusal.value))

    define("parent", body)
    run = runner.submit("parent")
    run.result(WAIT).raise_for_status()

    assert "Workflow not found in registry: nothing" in errors[0]
    assert errors[1].startswith("n: set has no JSON form")
    assert errors[2].startswith("priority must be -100 to 100, got 101")
    assert errors[3].startswith("contexts[1].n: ")
    assert run.children() == []


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_client_that_a_body_calls_makes_children_if_it_is_on_the_same_database(
    runner: cloaca.DefaultRunner,
    database_url: str,
    new_database_url: Callable[[], str],
    kind: str,
) -> None:
    elsewhere = new_database_url()

    def of_sync(context: Context, handle: Handle) -> None:
        with cloaca.Client(database_url) as client:
            client.submit("double", {"n": 1})
            client.execute("double", {"n": 2})
        with cloaca.Client(elsewhere) as client:
            client.submit("double", {"n": 3})

    async def of_async(context: Context, handle: AsyncHandle) -> None:
        async with cloaca.AsyncClient(database_url) as client:
            await client.submit("double", {"n": 1})
            await client.execute("double", {"n": 2})
        async with cloaca.AsyncClient(elsewhere) as client:
            await client.submit("double", {"n": 3})

    cloaca.DefaultRunner(elsewhere, start=False).shutdown()
    define("parent", of_sync if kind == "sync" else of_async)
    run = runner.submit("parent")
    run.result(WAIT).raise_for_status()

    assert len(run.children()) == 2
    with cloaca.Client(elsewhere) as client:
        (other,) = client.list_runs()
    assert other.parent_id is None


def test_a_client_makes_children_for_a_body_whose_runner_is_leaving(
    runner: cloaca.DefaultRunner, database_url: str
) -> None:
    """The body has the grace period; its first call of the client comes within that."""
    begun = threading.Event()

    def body(context: Context) -> None:
        begun.set()
        with suppress(cloaca.RunnerClosedError):  # it is leaving
            while True:
                runner.list_runs(limit=1)
        with cloaca.Client(database_url) as client:
            client.submit("double", {"n": 1})

    define("parent", body)
    run = runner.submit("parent")
    begun.wait(WAIT)
    runner.shutdown()

    with cloaca.Client(database_url) as client:
        parent = client.get_run(run.id)
        assert parent.status() == "Completed"
        assert len(parent.children()) == 1


def test_the_test_kit_has_the_children_too(database_url: str) -> None:
    def body(context: Context, handle: Handle) -> dict[str, Any]:
        return {"double": handle.submit("double", {"n": 4}).result().final_context["double"]}

    define("parent", body)
    with Harness(url=database_url) as h:
        assert h.run("parent").context["double"] == 8
        h.assert_submitted("double", context={"n": 4}, count=1)


@pytest.mark.backend("sqlite", reason="such a body has a database in memory")
def test_a_body_that_is_called_alone_in_a_test_has_them_as_well() -> None:
    def body(context: Context, handle: Handle) -> dict[str, Any]:
        return {"double": handle.submit("double", {"n": 4}).result().final_context["double"]}

    define("parent", body)

    with Harness() as h:
        assert h.only_task("parent", "t")["double"] == 8
