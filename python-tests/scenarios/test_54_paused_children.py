"""54: a run is paused with the runs that its bodies have submitted, and they go on with it."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

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
        assert self.go_on.wait(WAIT)


class Parent:
    """A workflow whose body submits what a test tells it to, and waits until it may go on."""

    def __init__(self, runner: cloaca.DefaultRunner) -> None:
        self.children: list[cloaca.RunHandle] = []
        self.inside, self.more, self.go_on = (threading.Event() for _ in range(3))
        with cloaca.WorkflowBuilder("parent"):

            @cloaca.task
            def first(context: cloaca.Context) -> None:
                self.children.append(runner.submit("child", delay=FAR))
                self.children.append(runner.submit("child", delay=FAR, detached=True))
                self.inside.set()
                assert self.more.wait(WAIT)
                self.children.append(runner.submit("child"))
                self.children.append(runner.submit("child", delay=FAR, detached=True))
                self.inside.set()
                assert self.go_on.wait(WAIT)

            @cloaca.task(dependencies=[first])
            def last(context: cloaca.Context) -> dict[str, bool]:
                return {"done": True}

        self.run = runner.submit("parent")
        assert self.inside.wait(WAIT)
        self.inside.clear()

    def submit_more(self) -> None:
        self.more.set()
        assert self.inside.wait(WAIT)

    def end(self) -> None:
        self.more.set()
        self.go_on.set()


@pytest_asyncio.fixture
async def async_runner(database_url: str) -> AsyncIterator[cloaca.AsyncRunner]:
    async with cloaca.AsyncRunner(database_url) as runner:
        yield runner


@pytest.fixture(autouse=True)
def begun() -> list[str]:
    """What has begun of the workflow ``child``."""
    bodies: list[str] = []
    with cloaca.WorkflowBuilder("child"):
        cloaca.task(id="only")(lambda context: bodies.append("only"))
    return bodies


def wait_for(status: str, *runs: cloaca.RunHandle) -> None:
    """Return when all of these runs have this state."""
    for run in runs:
        while run.status() != status:
            pass


@pytest.mark.each_backend
def test_children_are_paused_and_go_on_with_their_parent_but_for_detached_ones(
    runner: cloaca.DefaultRunner, begun: list[str]
) -> None:
    parent = Parent(runner)
    attached, detached = parent.children

    assert parent.run.pause(by="ann", reason="look first") == cloaca.Steered("Paused", changed=True)

    wait_for("Paused", attached)
    assert detached.status() == "Pending"
    reason = f"paused by ann: look first (with its parent, run {parent.run.id})"
    assert attached.info().reason == reason
    (event,) = [each for each in attached.events() if each.kind == "paused"]
    assert event.detail == f"by run {parent.run.id}"
    parent.submit_more()
    _, _, new, new_detached = parent.children
    assert (new.status(), new_detached.status()) == ("Paused", "Pending")
    parent.end()
    assert begun == []

    parent.run.resume()

    assert parent.run.result(WAIT).final_context["done"]
    assert new.result(WAIT).status == "Completed"
    wait_for("Pending", attached)
    assert begun == ["only"]


def test_a_parent_that_waits_for_its_child_waits_on_while_both_are_paused(
    runner: cloaca.DefaultRunner,
) -> None:
    first, second = Held(), threading.Event()
    with cloaca.WorkflowBuilder("halves"):
        cloaca.task(id="first")(first)
        cloaca.task(id="second", dependencies=["first"])(lambda context: second.set())
    with cloaca.WorkflowBuilder("waits"):

        @cloaca.task
        def only(context: cloaca.Context) -> dict[str, str]:
            return {"child": runner.execute("halves").status}

    parent = runner.submit("waits")
    assert first.inside.wait(WAIT)
    (child,) = [runner.get_run(each.id) for each in parent.children()]

    parent.pause()
    wait_for("Paused", child)
    first.go_on.set()
    while child.info().active_bodies:
        pass
    assert (parent.status(), second.is_set()) == ("Paused", False)
    parent.resume()

    assert parent.result(WAIT).final_context["child"] == "Completed"
    assert second.is_set()


def test_children_are_left_alone_if_that_is_asked(
    runner: cloaca.DefaultRunner, begun: list[str]
) -> None:
    parent = Parent(runner)

    parent.run.pause(children=False)
    parent.submit_more()

    assert parent.children[2].result(WAIT).status == "Completed"
    assert parent.children[0].status() == "Pending"
    assert parent.run.status() == "Paused"
    parent.end()
    parent.run.resume()
    parent.run.result(WAIT).raise_for_status()


def test_a_child_that_was_paused_on_its_own_stays_so_and_one_may_be_resumed_alone(
    runner: cloaca.DefaultRunner,
) -> None:
    parent = Parent(runner)
    own = parent.children[0]
    own.pause(by="ann")
    parent.run.pause(by="bob")
    parent.submit_more()
    new = parent.children[2]

    assert new.pause().changed is False
    new.resume()

    assert new.result(WAIT).status == "Completed"
    assert parent.run.status() == "Paused"
    parent.end()
    parent.run.resume()
    parent.run.result(WAIT).raise_for_status()
    assert (own.status(), own.info().reason) == ("Paused", "paused by ann")
    own.resume()
    assert own.status() == "Pending"


def test_they_go_on_together_when_the_pause_has_come_to_its_end(
    runner: cloaca.DefaultRunner,
) -> None:
    parent = Parent(runner)
    parent.run.pause(until=datetime.now(UTC) + timedelta(milliseconds=300))
    parent.submit_more()
    parent.end()

    assert parent.children[2].result(WAIT).status == "Completed"
    assert parent.run.result(WAIT).final_context["done"]
    wait_for("Pending", parent.children[0])


def test_a_pause_and_a_resume_come_down_to_children_of_children(
    runner: cloaca.DefaultRunner, begun: list[str]
) -> None:
    leaf = Held()
    with cloaca.WorkflowBuilder("leaf"):
        cloaca.task(id="first")(leaf)
        cloaca.task(id="second", dependencies=["first"])(lambda context: begun.append("leaf"))
    for name, below in (("middle", "leaf"), ("top", "middle")):
        with cloaca.WorkflowBuilder(name):

            @cloaca.task(id="only")
            def only(context: cloaca.Context, below: str = below) -> dict[str, str]:
                return {below: runner.execute(below).status}

    top = runner.submit("top")
    assert leaf.inside.wait(WAIT)
    (middle,) = [runner.get_run(each.id) for each in top.children()]
    (bottom,) = [runner.get_run(each.id) for each in middle.children()]

    top.pause()
    wait_for("Paused", middle, bottom)
    leaf.go_on.set()
    while bottom.info().active_bodies:
        pass
    assert begun == []
    top.resume()

    assert top.result(WAIT).final_context["middle"] == "Completed"
    assert begun == ["leaf"]


def test_a_client_pauses_and_resumes_a_tree_that_no_runner_has(
    open_runner: OpenRunner, database_url: str
) -> None:
    submitted: list[str] = []
    with open_runner() as runner:
        with cloaca.WorkflowBuilder("later"):

            @cloaca.task
            def only(context: cloaca.Context) -> None:
                submitted.append(runner.submit("child", delay=FAR).id)
                raise cloaca.RetryAfter(FAR.total_seconds())

        parent_id = runner.submit("later").id
        wait_for("Waiting", runner.get_run(parent_id))

    with cloaca.Client(database_url) as client:
        parent, child = client.get_run(parent_id), client.get_run(submitted[0])
        assert parent.pause() == cloaca.Steered("Paused", changed=True)
        wait_for("Paused", child)
        assert parent.resume() == cloaca.Steered("Waiting", changed=True)
        wait_for("Pending", child)


async def test_the_same_with_an_async_runner(async_runner: cloaca.AsyncRunner) -> None:
    first, second = Held(), threading.Event()
    with cloaca.WorkflowBuilder("halves"):
        cloaca.task(id="first")(first)
        cloaca.task(id="second", dependencies=["first"])(lambda context: second.set())
    with cloaca.WorkflowBuilder("waits"):

        @cloaca.task
        async def only(context: cloaca.Context) -> dict[str, str]:
            return {"child": (await async_runner.execute("halves")).status}

    parent = await async_runner.submit("waits")
    while not first.inside.is_set():
        assert await parent.status() in ("Pending", "Running")
    (info,) = await parent.children()
    child = await async_runner.get_run(info.id)

    assert (await parent.pause(children=True)).changed
    while await child.status() != "Paused":
        pass
    first.go_on.set()
    while (await child.info()).active_bodies:
        pass
    assert not second.is_set()
    await parent.resume()

    assert (await parent.result(WAIT)).final_context["child"] == "Completed"


def test_a_run_is_steered_by_its_id(runner: cloaca.DefaultRunner) -> None:
    run = runner.submit("child", delay=FAR)

    assert runner.pause(run.id, reason="look", by="ann").changed
    assert run.info().reason == "paused by ann: look"
    assert runner.resume(run.id) == cloaca.Steered("Pending", changed=True)
    assert runner.cancel(run.id) == cloaca.Steered("Cancelled", changed=True)
    for steer in (runner.pause, runner.resume, runner.cancel):
        with pytest.raises(cloaca.RunNotFoundError):
            steer("none")


async def test_the_same_is_awaited(async_runner: cloaca.AsyncRunner) -> None:
    run = await async_runner.submit("child", delay=FAR)

    assert (await async_runner.pause(run.id)).status == "Paused"
    assert (await async_runner.resume(run.id)).status == "Pending"
    assert (await async_runner.cancel(run.id)).status == "Cancelled"


def test_only_a_bool_says_whether_children_are_paused(runner: cloaca.DefaultRunner) -> None:
    run = runner.submit("child", delay=FAR)

    with pytest.raises(TypeError, match="children must be a bool"):
        run.pause(children="no")  # type: ignore[arg-type]  # the refusal is what is tested

    assert run.status() == "Pending"
