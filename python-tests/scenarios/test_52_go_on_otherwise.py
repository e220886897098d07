"""52: a run goes on otherwise than it began: with another limit, other keys, fresh attempts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tables import each_row

import cloaca

WAIT = 60
OpenRunner = Callable[..., cloaca.DefaultRunner]


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """Lets bodies go that wait for it, when the test ends at the latest."""
    event = threading.Event()
    yield event
    event.set()


# -- another time limit --------------------------------------------------------------------------


@pytest.mark.each_backend
def test_a_round_may_take_as_long_as_its_retry_says(
    runner: cloaca.DefaultRunner, release: threading.Event
) -> None:
    with cloaca.WorkflowBuilder("endless"):
        cloaca.task(id="only", retry_attempts=1)(lambda context: {"released": release.wait(WAIT)})
    run = runner.submit("endless", time_limit=0.05)
    assert run.result(WAIT).error_message == "Pipeline timeout after 0.05s"

    again = runner.retry(run.id, time_limit=0.06)
    assert again.result(WAIT).error_message == "Pipeline timeout after 0.06s"
    assert runner.retry(run.id).result(WAIT).error_message == "Pipeline timeout after 0.06s"
    last = runner.retry(run.id, time_limit=cloaca.NO_LIMIT)
    release.set()
    assert last.result(WAIT).status == "Completed"


def test_a_submit_that_begins_a_failed_run_again_says_how_long_it_may_take(
    runner: cloaca.DefaultRunner, release: threading.Event
) -> None:
    with cloaca.WorkflowBuilder("endless"):
        cloaca.task(id="only", retry_attempts=1)(lambda context: {"released": release.wait(WAIT)})
    runner.submit("endless", time_limit=0.05, idempotency_key="k").wait(WAIT)

    again = runner.submit("endless", time_limit=0.06, idempotency_key="k", failed_policy="retry")

    assert not again.created
    assert again.result(WAIT).error_message == "Pipeline timeout after 0.06s"


@each_row(("limit", "kind"), [(0, ValueError), ("5", TypeError)])
def test_another_limit_of_a_round_is_refused(
    runner: cloaca.DefaultRunner, limit: Any, kind: type[Exception]
) -> None:
    with pytest.raises(kind, match="time_limit must be"):
        runner.retry("any", time_limit=limit)


# -- other keys ----------------------------------------------------------------------------------


class Line:
    """Three tasks in a row, the first of which waits; each notes the price that it sees."""

    def __init__(self, release: threading.Event) -> None:
        self.begun = threading.Event()
        self.seen: list[tuple[str, Any]] = []
        with cloaca.WorkflowBuilder("line"):

            @cloaca.task
            def ask(context: cloaca.Context) -> dict[str, Any]:
                self.note("ask", context)
                self.begun.set()
                release.wait(WAIT)
                return {"price": 10, "asked": True}

            @cloaca.task(dependencies=[ask])
            def order(context: cloaca.Context) -> dict[str, Any]:
                self.note("order", context)
                return {"ordered": context["price"]}

            @cloaca.task(dependencies=[order])
            def pay(context: cloaca.Context) -> dict[str, Any]:
                self.note("pay", context)
                return {"price": context["price"] + 1}

    def note(self, task: str, context: cloaca.Context) -> None:
        self.seen.append((task, context.get("price")))


def test_keys_given_at_resume_are_what_later_tasks_see(
    runner: cloaca.DefaultRunner, release: threading.Event
) -> None:
    """The body that runs goes on with the key that it was given, and what it writes is older."""
    line = Line(release)
    run = runner.submit("line", {"price": 1})
    line.begun.wait(WAIT)

    run.pause()
    assert run.resume(context={"price": 7}) == cloaca.Steered("Running", True)
    release.set()

    result = run.result(WAIT)
    assert line.seen == [("ask", 1), ("order", 7), ("pay", 7)]
    assert result.final_context.to_dict() == {"price": 8, "asked": True, "ordered": 7}


def test_several_resumes_add_up(runner: cloaca.DefaultRunner, release: threading.Event) -> None:
    line = Line(release)
    run = runner.submit("line", {"price": 1})
    line.begun.wait(WAIT)
    for context in ({"price": 6, "place": "here"}, {"price": 7}):
        run.pause()
        run.resume(context=context)
    release.set()

    final = run.result(WAIT).final_context

    assert (line.seen[1:], final["place"]) == ([("order", 7), ("pay", 7)], "here")


def test_keys_of_a_run_that_has_not_begun_are_seen_by_all_its_tasks(
    open_runner: OpenRunner, release: threading.Event
) -> None:
    release.set()
    line = Line(release)
    runner = open_runner(start=False)
    run = runner.submit("line", {"price": 1})
    run.pause()
    run.resume(context={"price": 7})

    runner.start()

    assert run.result(WAIT).final_context["price"] == 11
    assert line.seen == [("ask", 7), ("order", 10), ("pay", 10)]


def test_another_process_gives_them_and_a_third_goes_on(
    database_url: str, open_runner: OpenRunner, release: threading.Event
) -> None:
    line = Line(release)
    first = open_runner()
    run = first.submit("line", {"price": 1})
    line.begun.wait(WAIT)
    with cloaca.Client(database_url) as client:
        client.get_run(run.id).pause()
        release.set()
        first.shutdown()
        assert client.get_run(run.id).status() == "Paused"
        client.get_run(run.id).resume(context={"price": 7}, reason="cheaper", by="ann")
        last = client.get_run(run.id).events()[-1]
        assert (last.kind, last.detail) == ("resumed", "by ann: cheaper")

    runner = open_runner()

    assert runner.get_run(run.id).result(WAIT).final_context["ordered"] == 7
    assert line.seen == [("ask", 1), ("order", 7), ("pay", 7)]


def test_a_retry_and_a_fork_see_the_replaced_keys(
    runner: cloaca.DefaultRunner, release: threading.Event
) -> None:
    line, broken = Line(release), [True]
    with cloaca.WorkflowBuilder("line") as builder:
        for name in ("ask", "order", "pay"):
            builder.add_task(name)

        @cloaca.task(dependencies=["pay"], retry_attempts=1)
        def ship(context: cloaca.Context) -> dict[str, Any]:
            if broken.pop():
                raise ValueError("no van")
            return {}

    run = runner.submit("line", {"price": 1})
    line.begun.wait(WAIT)
    run.pause()
    run.resume(context={"price": 7})
    release.set()
    assert run.result(WAIT).status == "Failed"
    broken[:] = [False, False, False]

    again = runner.retry(run.id, tasks=["order", "ship"]).result(WAIT)
    fork = run.fork("order").result(WAIT)
    other = run.fork("order", context={"price": 20}).result(WAIT)

    assert [each.final_context["ordered"] for each in (again, fork, other)] == [7, 7, 20]
    assert [each.final_context["price"] for each in (again, fork, other)] == [8, 8, 21]


def test_a_rule_is_judged_by_the_replaced_keys(
    runner: cloaca.DefaultRunner, release: threading.Event
) -> None:
    begun = threading.Event()
    with cloaca.WorkflowBuilder("gate"):

        @cloaca.task
        def look(context: cloaca.Context) -> dict[str, Any]:
            begun.set()
            release.wait(WAIT)
            return {"open": False}

        @cloaca.task(
            dependencies=[look], trigger_rules=cloaca.context_value("open", "Equals", True)
        )
        def enter(context: cloaca.Context) -> dict[str, Any]:
            return {"entered": True}

    run = runner.submit("gate")
    begun.wait(WAIT)
    run.pause()
    run.resume(context={"open": True})
    release.set()

    assert run.result(WAIT).final_context.to_dict() == {"open": True, "entered": True}


def test_keys_of_a_run_that_is_not_paused_are_refused(
    runner: cloaca.DefaultRunner, release: threading.Event
) -> None:
    line = Line(release)
    run = runner.submit("line", {"price": 1})
    line.begun.wait(WAIT)

    with pytest.raises(cloaca.RunStateError) as caught:
        run.resume(context={"price": 7})
    assert (caught.value.status, caught.value.accepted) == ("Running", ("Paused",))
    assert run.resume() == cloaca.Steered("Running", False)
    release.set()

    assert run.result(WAIT).final_context["ordered"] == 10
    with pytest.raises(cloaca.RunEndedError):
        run.resume(context={"price": 7})


@each_row("context", [[1], "x", {"x": object()}, {1: 2}])
def test_what_is_no_json_object_is_refused(
    runner: cloaca.DefaultRunner, release: threading.Event, context: Any
) -> None:
    line = Line(release)
    run = runner.submit("line")
    line.begun.wait(WAIT)
    run.pause()

    with pytest.raises(cloaca.ContextError):
        run.resume(context=context)

    assert run.status() == "Paused"


async def test_the_async_calls_are_the_same(database_url: str, release: threading.Event) -> None:
    line = Line(release)
    async with cloaca.AsyncRunner(database_url) as runner:
        run = await runner.submit("line", {"price": 1})
        await run.pause()
        await run.resume(context={"price": 7})
        release.set()
        assert (await run.result(WAIT)).final_context["ordered"] in (7, 10)
        assert ("order", 7) in line.seen or line.seen[0] == ("ask", 7)


# -- fresh attempts ------------------------------------------------------------------------------


class Shop:
    """``pay`` has two attempts and fails while it is ``broken``; ``paused`` waits until it has."""

    def __init__(self, policy: Any = "pause") -> None:
        self.broken = True
        self.attempts: list[int] = []
        self.told: list[str] = []
        with cloaca.WorkflowBuilder("shop") as builder:
            if policy is not None:
                builder.exhausted_policy(policy)

            @cloaca.task(retry_attempts=2, retry_delay_ms=1)
            def pay(context: cloaca.Context, handle: cloaca.TaskHandle) -> dict[str, Any]:
                self.attempts.append(handle.attempt)
                if self.broken:
                    raise ValueError("no money")
                return {"paid": True}

            @cloaca.task(dependencies=[pay], trigger_rules=cloaca.task_failed("pay"))
            def tell(context: cloaca.Context) -> None:
                self.told.append("failed")

    def paused(self, run: cloaca.RunHandle) -> None:
        while run.status() != "Paused" or run.info().active_bodies:
            pass


def test_a_task_that_has_used_up_its_attempts_pauses_the_run_until_it_is_resumed(
    runner: cloaca.DefaultRunner,
) -> None:
    shop = Shop()
    run = runner.submit("shop")
    shop.paused(run)

    assert run.info().reason == "pay has used up its attempts: ValueError: no money"
    paused = run.events()[-1]
    assert (paused.kind, paused.detail) == (
        "paused",
        "by cloaca: pay has used up its attempts: ValueError: no money",
    )
    tasks = run.tasks()
    assert (tasks["pay"].status, tasks["tell"].status) == ("Failed", "NotStarted")
    with pytest.raises(cloaca.RunStateError):
        runner.retry(run.id)

    shop.broken = False
    assert run.resume().changed
    result = run.result(WAIT)
    assert (result.status, shop.attempts, shop.told) == ("Completed", [1, 2, 3], [])
    assert result.final_context["paid"]


def test_another_program_resumes_it_and_goes_on(database_url: str, open_runner: OpenRunner) -> None:
    shop = Shop()
    first = open_runner()
    run = first.submit("shop")
    shop.paused(run)
    first.shutdown()
    with cloaca.Client(database_url) as client:
        assert client.get_run(run.id).resume().changed

    second = open_runner()
    again = second.get_run(run.id)
    shop.paused(again)
    assert shop.attempts == [1, 2, 3, 4]
    shop.broken = False
    again.resume()
    assert again.result(WAIT).status == "Completed"


def test_such_a_run_is_cancelled_at_once(runner: cloaca.DefaultRunner) -> None:
    shop = Shop()
    run = runner.submit("shop")
    shop.paused(run)

    run.cancel()

    assert run.result(WAIT).status == "Cancelled"
    assert run.tasks()["pay"].status == "Failed"


@pytest.mark.parametrize("policy", [None, "fail"])
def test_without_that_policy_the_task_has_failed(
    runner: cloaca.DefaultRunner, policy: str | None
) -> None:
    shop = Shop(policy)

    assert runner.execute("shop", timeout=WAIT).status == "Failed"
    assert shop.told == ["failed"]


def test_the_policy_is_part_of_the_version_and_other_policies_are_refused() -> None:
    Shop("fail")
    fails = cloaca.get_workflow("shop")
    Shop("pause")
    pauses = cloaca.get_workflow("shop")

    assert (fails.exhausted_policy, pauses.exhausted_policy) == ("fail", "pause")
    assert fails.version != pauses.version
    with pytest.raises(ValueError, match='unknown exhausted_policy "stop"'):
        Shop("stop")
