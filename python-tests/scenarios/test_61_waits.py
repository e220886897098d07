"""61: a run waits for an instant, for a message or for a person, in a node or in a body."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from scenarios.steering import until

import cloaca
from cloaca.testing import Harness, harness

WAIT = 60
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


@pytest.fixture
def h(database_url: str) -> Iterator[Harness]:
    """The engine on a clock that the test moves, on the backend under test."""
    with harness(url=database_url) as made:
        yield made


Context = cloaca.Context
Handle = cloaca.TaskHandle
AsyncHandle = cloaca.AsyncTaskHandle
OpenRunner = Callable[..., cloaca.DefaultRunner]


def waits(runner: cloaca.Client, run_id: str) -> bool:
    """Whether the run is out of memory, and waits."""
    return runner.get_run(run_id).info().status == "Waiting"


def define(body: Callable[..., Any], name: str = "flow", **options: Any) -> None:
    with cloaca.WorkflowBuilder(name):
        cloaca.task(id="t", **options)(body)


def node_then_task(make: Callable[[], cloaca.Node], name: str = "flow") -> list[dict[str, Any]]:
    """A workflow of one node and a task below it, which notes what it sees."""
    seen: list[dict[str, Any]] = []
    with cloaca.WorkflowBuilder(name):
        node = make()

        @cloaca.task(id="after", dependencies=[node])
        def after(context: Context) -> None:
            seen.append(context.to_dict())

    return seen


def statuses(run: cloaca.RunHandle) -> dict[str, str]:
    return {task_id: task.status for task_id, task in run.tasks().items()}


# -- nodes that sleep ----------------------------------------------------------------------------


@pytest.mark.each_backend
def test_a_node_sleeps_for_its_time_and_changes_nothing(h: Harness) -> None:
    seen = node_then_task(lambda: cloaca.sleep("nap", seconds=600))

    run = h.run("flow", {"n": 1})
    h.clock.advance(seconds=599)
    assert (run.status, seen) == ("Waiting", [])
    h.clock.advance(seconds=1)

    assert (run.status, seen) == ("Completed", [{"n": 1}])
    assert statuses(run.handle) == {"nap": "Completed", "after": "Completed"}


def test_a_node_sleeps_up_to_an_instant_and_a_past_one_is_over_at_once(h: Harness) -> None:
    soon = NOON + timedelta(minutes=2)
    with cloaca.WorkflowBuilder("flow"):
        past = cloaca.sleep("past", until="2020-01-01T00:00:00+00:00")
        fixed = cloaca.sleep("fixed", until=soon, dependencies=[past])
        cloaca.sleep("named", until_key="when", dependencies=[fixed])

    run = h.run("flow", {"when": (soon + timedelta(minutes=3)).isoformat()})
    found = [statuses(run.handle)]
    for minutes in (2, 3):
        h.clock.advance(minutes=minutes)
        found.append(statuses(run.handle))

    assert [list(each.values()) for each in found] == [
        ["Completed", "Waiting", "NotStarted"],
        ["Completed", "Completed", "Waiting"],
        ["Completed", "Completed", "Completed"],
    ]


def test_a_node_whose_instant_is_missing_fails(h: Harness) -> None:
    node_then_task(lambda: cloaca.sleep("nap", until_key="when"))

    run = h.run("flow", {"when": "tomorrow"})

    assert run.status == "Failed"
    assert "ContextValueError" in (run.error or "")
    assert "'nap'" in (run.error or "")


def test_a_run_that_sleeps_for_long_is_in_no_runner_and_goes_on_in_another(
    database_url: str,
) -> None:
    seen = node_then_task(lambda: cloaca.sleep("nap", seconds=600))
    with harness(url=database_url) as first:
        run = first.run("flow")
        assert run.status == "Waiting"
    with harness(url=database_url, now=NOON + timedelta(minutes=9)) as second:
        run = second.found(run.id)
        second.clock.advance(minutes=1)

        assert (run.status, len(seen)) == ("Completed", 1)


# -- nodes that wait for an event ----------------------------------------------------------------


@pytest.mark.parametrize("evict", [0, 10], ids=["out of memory", "in memory"])
def test_a_node_gets_the_payload_of_an_event(open_runner: OpenRunner, evict: float) -> None:
    seen = node_then_task(lambda: cloaca.wait_for("paid"))
    with open_runner(evict_after_seconds=evict) as runner:
        run = runner.submit("flow", {"order": 7})
        until(lambda: statuses(run)["paid"] == "Waiting")
        if evict == 0:
            until(lambda: waits(runner, run.id))
        runner.send(run.id, "paid", {"amount": 12.5})

        assert run.result(WAIT).status == "Completed"
    assert seen == [{"order": 7, "paid": {"amount": 12.5}}]


def test_an_event_that_came_before_the_wait_is_kept(runner: cloaca.DefaultRunner) -> None:
    seen: list[Any] = []
    go = threading.Event()
    with cloaca.WorkflowBuilder("flow"):

        @cloaca.task
        def first(context: Context) -> None:
            assert go.wait(WAIT)

        one = cloaca.wait_for("one", "tick", dependencies=[first])
        two = cloaca.wait_for("two", "tick", dependencies=[one])

        @cloaca.task(dependencies=[two])
        def last(context: Context) -> None:
            seen.append(context.to_dict())

    run = runner.submit("flow")
    for number in range(3):
        runner.send(run.id, "tick", number)
    runner.send(run.id, "other", "unread")
    go.set()

    assert run.result(WAIT).status == "Completed"
    assert seen == [{"one": 0, "two": 1}]


def test_of_two_nodes_that_wait_the_first_in_definition_order_gets_the_event(
    runner: cloaca.DefaultRunner,
) -> None:
    with cloaca.WorkflowBuilder("flow"):
        cloaca.wait_for("b", "tick")
        cloaca.wait_for("a", "tick")
    run = runner.submit("flow")
    until(lambda: set(statuses(run).values()) == {"Waiting"})
    runner.send(run.id, "tick", 1)
    until(lambda: "Completed" in statuses(run).values())
    half = statuses(run)
    runner.send(run.id, "tick", 2)

    assert half == {"b": "Completed", "a": "Waiting"}
    assert run.result(WAIT).final_context.to_dict() == {"b": 1, "a": 2}


def test_a_wait_that_is_over_by_time_takes_its_default_or_fails(h: Harness) -> None:
    seen = node_then_task(lambda: cloaca.wait_for("paid", timeout=60, default=None), "kept")
    node_then_task(lambda: cloaca.wait_for("paid", timeout=60), "failing")

    kept, failing = h.run("kept"), h.run("failing")
    h.clock.advance(seconds=60)

    assert (kept.status, seen) == ("Completed", [{"paid": None}])
    assert failing.status == "Failed"
    assert "EventTimeoutError: task 'paid' waited 60s for the event 'paid'" in (failing.error or "")


def test_the_first_event_of_a_run_is_sent_with_it(runner: cloaca.DefaultRunner) -> None:
    seen = node_then_task(lambda: cloaca.wait_for("greeting"))

    run = runner.submit("flow", send=("greeting", "hello"))

    assert run.result(WAIT).status == "Completed"
    assert seen == [{"greeting": "hello"}]


# -- people --------------------------------------------------------------------------------------


@dataclass
class Terms:
    """What goes with a decision."""

    limit: int
    note: str = ""


def approval_flow(**options: Any) -> list[dict[str, Any]]:
    """An approval, a task below it, one that runs by its last choice, and one below the first."""
    seen: list[dict[str, Any]] = []
    last = options.get("choices", ("approve", "reject"))[-1]
    with cloaca.WorkflowBuilder("flow"):
        signed = cloaca.approval("signed", "Shall we?", **options)

        @cloaca.task(dependencies=[signed])
        def go(context: Context) -> None:
            seen.append(context["signed"])

        @cloaca.task(dependencies=[signed], trigger_rules=cloaca.chosen(signed, last))
        def stop(context: Context) -> None:
            seen.append({"stopped": context["signed"]["choice"]})

        cloaca.task(id="below", dependencies=["go"])(lambda context: None)

    return seen


def open_approval(runner: cloaca.DefaultRunner, run: cloaca.RunHandle) -> cloaca.OpenApproval:
    until(lambda: bool(runner.waiting_for_people()))
    (found,) = runner.waiting_for_people()
    assert found.run_id == run.id
    return found


def test_a_person_decides_and_the_run_goes_on_with_what_they_said(
    runner: cloaca.DefaultRunner,
) -> None:
    seen = approval_flow(schema=Terms)
    run = runner.submit("flow")
    found = open_approval(runner, run)

    run.approve("signed", data=Terms(limit=5), note="fine", by="ann")
    result = run.result(WAIT)

    assert (found.task_id, found.prompt, found.choices) == (
        "signed",
        "Shall we?",
        ("approve", "reject"),
    )
    assert result.status == "Completed"
    (decided,) = seen
    assert decided.pop("at").startswith("20")
    assert decided == {
        "choice": "approve",
        "by": "ann",
        "note": "fine",
        "data": {"limit": 5, "note": ""},
    }
    assert statuses(run) == {
        "signed": "Completed",
        "go": "Completed",
        "stop": "Skipped",
        "below": "Completed",
    }
    assert runner.waiting_for_people() == []


def test_what_depends_on_a_rejected_approval_is_skipped_but_for_what_has_a_rule(
    h: Harness,
) -> None:
    seen = approval_flow()
    run = h.run("flow")

    h.approve(run, "signed", "reject")

    assert (run.status, seen) == ("Completed", [{"stopped": "reject"}])
    h.assert_path(run, ["stop"], skipped=["go", "below"])


def test_a_rejection_may_fail_the_run(h: Harness) -> None:
    approval_flow(reject_policy="fail")
    run = h.run("flow")

    h.approve(run, "signed", "reject", note="too dear", by="ann")

    assert run.status == "Failed"
    assert "rejected by ann: too dear" in (run.error or "")


def test_only_one_decision_counts_and_only_an_offered_one(runner: cloaca.DefaultRunner) -> None:
    approval_flow(choices=("yes", "no"), schema=Terms)
    run = runner.submit("flow")
    open_approval(runner, run)

    with pytest.raises(ValueError, match="'yes'"):
        run.approve("signed", "maybe")
    with pytest.raises(ValueError, match="limit"):
        run.approve("signed", "yes", data={"limit": "five"})
    run.approve("signed", "yes", data={"limit": 5})
    with pytest.raises(cloaca.AlreadyDecidedError):
        run.approve("signed", "no")
    assert run.result(WAIT).status == "Completed"


def test_time_decides_where_no_person_has(h: Harness) -> None:
    seen = approval_flow(timeout=600, default="approve")
    run = h.run("flow")
    (found,) = h.runner.waiting_for_people()
    h.clock.advance(seconds=600)

    assert found.expires_at == "2026-03-10T12:10:00.000000+00:00"
    assert run.status == "Completed"
    (decided,) = seen
    assert (decided["choice"], decided["by"]) == ("approve", None)


# -- bodies --------------------------------------------------------------------------------------


@pytest.mark.parametrize("evict", [0, 10], ids=["leaves", "stays"])
def test_a_body_waits_and_pays_for_nothing_twice(open_runner: OpenRunner, evict: float) -> None:
    paid: list[int] = []
    bodies: list[int] = []

    def body(context: Context, handle: Handle) -> dict[str, Any]:
        bodies.append(handle.attempt)
        handle.step("pay", lambda: paid.append(1))
        first = handle.wait_for("answer")
        handle.sleep(0.01)
        second = handle.wait_for("answer")
        return {"answers": [first, second]}

    define(body)
    with open_runner(evict_after_seconds=evict) as runner:
        run = runner.submit("flow")
        for number in (1, 2):
            if evict == 0:
                until(lambda: waits(runner, run.id))
            runner.send(run.id, "answer", number)
            if evict == 0 and number == 1:
                until(lambda: len(bodies) >= 2)
        result = run.result(WAIT)

    assert result.final_context.to_dict() == {"answers": [1, 2]}
    assert paid == [1]
    assert set(bodies) == {1}
    assert (len(bodies) == 1) is (evict == 10)


@pytest.mark.parametrize("evict", [0, 10], ids=["leaves", "stays"])
def test_an_async_body_waits(open_runner: OpenRunner, evict: float) -> None:
    async def body(context: Context, handle: AsyncHandle) -> dict[str, Any]:
        answer = await handle.wait_for("answer")
        await handle.sleep(0.01)
        return {"answer": answer}

    define(body)
    with open_runner(evict_after_seconds=evict) as runner:
        run = runner.submit("flow")
        if evict == 0:
            until(lambda: waits(runner, run.id))
        runner.send(run.id, "answer", "yes")

        assert run.result(WAIT).final_context.to_dict() == {"answer": "yes"}


@pytest.mark.parametrize("evict", [0, 10], ids=["leaves", "stays"])
def test_a_body_that_waits_before_and_after_a_child_makes_one(
    open_runner: OpenRunner, evict: float
) -> None:
    opened: list[cloaca.DefaultRunner] = []

    def body(context: Context, handle: Handle) -> None:
        handle.sleep(0.02)
        child = opened[0].execute("child", {"n": handle.wait_for("number")})
        context["found"] = [child.final_context["n"], handle.wait_for("last")]

    define(body)
    with cloaca.WorkflowBuilder("child"):
        cloaca.sleep("nap", seconds=0.02)
    with open_runner(evict_after_seconds=evict) as runner:
        opened.append(runner)
        run = runner.submit("flow", send=("number", 7))
        until(lambda: runner.count_runs(workflow_name="child", status="Completed") == 1)
        runner.send(run.id, "last", 8)

        assert run.result(WAIT).final_context.to_dict() == {"found": [7, 8]}
        assert runner.count_runs(workflow_name="child") == 1


def asked(runner: cloaca.Client, name: str) -> cloaca.OpenApproval:
    """The approval of this name, once it is open."""
    until(lambda: name in [each.name for each in runner.waiting_for_people()])
    return next(each for each in runner.waiting_for_people() if each.name == name)


@pytest.mark.parametrize("evict", [0, 10], ids=["leaves", "stays"])
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_a_body_asks_a_person(open_runner: OpenRunner, evict: float, is_async: bool) -> None:
    """Twice by one name. A rejection skips nothing: the body decides."""
    paid: list[int] = []

    def body(context: Context, handle: Handle) -> None:
        handle.step("pay", lambda: paid.append(1))
        first = handle.approval("refund", "Pay 7?", schema=Terms)
        again = handle.approval("refund", "Really?", choices=["yes", "reject"])
        context.set("decided", [first, again])

    async def coroutine(context: Context, handle: AsyncHandle) -> None:
        async def pay() -> None:
            paid.append(1)

        await handle.step("pay", pay)
        first = await handle.approval("refund", "Pay 7?", schema=Terms)
        again = await handle.approval("refund", "Really?", choices=["yes", "reject"])
        context.set("decided", [first, again])

    define(coroutine if is_async else body)
    with open_runner(evict_after_seconds=evict) as runner:
        run = runner.submit("flow")
        first = asked(runner, "refund")
        assert (first.task_id, first.prompt, first.choices) == (
            "t",
            "Pay 7?",
            ("approve", "reject"),
        )
        wait = run.info().waits_for
        assert wait is not None
        assert (wait.kind, wait.name) == ("approval", "refund")
        if evict == 0:
            until(lambda: waits(runner, run.id))
        with pytest.raises(ValueError, match=r"^data\.limit must be an integer"):
            run.approve("refund", data={"limit": "7"})
        run.approve("refund", data=Terms(7), note="fine", by="ann")
        until(lambda: [each.prompt for each in runner.waiting_for_people()] == ["Really?"])
        run.approve("refund", "reject", by="bob")
        result = run.result(WAIT)
        with pytest.raises(cloaca.AlreadyDecidedError) as late:
            run.approve("refund", "yes", by="cat")

    one, two = result.final_context["decided"]
    assert (one["choice"], one["by"], one["note"]) == ("approve", "ann", "fine")
    assert one["data"]["limit"] == 7
    assert (two["choice"], two["by"], two["data"]) == ("reject", "bob", None)
    assert late.value.by == "bob"
    assert paid == [1]


@pytest.mark.parametrize("evict", [None, "always"])
def test_a_body_that_asks_in_vain(database_url: str, evict: Any) -> None:
    """A default decides, at an instant that stays; without one it is an error in the body."""
    seen: list[Any] = []

    def body(context: Context, handle: Handle) -> dict[str, Any]:
        decided = handle.approval("refund", "Pay?", timeout=60, default="reject")
        seen.append(decided)
        with pytest.raises(cloaca.EventTimeoutError, match=r"waited 120s for a decision 'sign'$"):
            handle.approval("sign", "Sign?", timeout=120)
        return {"decided": decided}

    define(body)
    with harness(url=database_url, evict=evict) as h:
        h.clock.to(NOON)
        run = h.run("flow")
        h.clock.advance(minutes=3)

        assert run.context == {
            "decided": {
                "choice": "reject",
                "by": None,
                "at": "2026-03-10T12:01:00+00:00",
                "note": None,
                "data": None,
            }
        }
        assert seen == [run.context["decided"]] * len(seen)


def test_a_decision_is_remembered_in_the_next_round(runner: cloaca.DefaultRunner) -> None:
    tries: list[int] = []

    def body(context: Context, handle: Handle) -> None:
        context["choice"] = handle.approval("refund", "Pay?")["choice"]
        tries.append(1)
        if len(tries) == 1:
            raise ValueError("no money")

    define(body, retry_attempts=1)
    run = runner.submit("flow")
    asked(runner, "refund")
    run.approve("refund")
    assert run.result(WAIT).status == "Failed"

    assert runner.retry(run.id).result(WAIT).final_context["choice"] == "approve"
    assert runner.waiting_for_people() == []


def test_people_can_tell_the_approvals_of_a_run_apart(runner: cloaca.DefaultRunner) -> None:
    def asks(context: Context, handle: Handle) -> None:
        handle.approval("mine", "Mine?")

    def asks_as(name: str) -> Callable[[Context, Handle], None]:
        def body(context: Context, handle: Handle) -> None:
            with pytest.raises(cloaca.DefinitionError, match=f"approval '{name}', by which task"):
                handle.approval(name, "Yours?")

        return body

    with cloaca.WorkflowBuilder("flow"):
        cloaca.task(id="first")(asks)
        begun = cloaca.wait_for("begun")
        cloaca.task(id="as_another", dependencies=[begun])(asks_as("mine"))
        cloaca.task(id="as_a_node", dependencies=[begun])(asks_as("begun"))
    run = runner.submit("flow")
    asked(runner, "mine")
    run.send("begun")
    until(lambda: [statuses(run)[n] for n in ("as_another", "as_a_node")] == ["Completed"] * 2)
    run.approve("mine")

    assert run.result(WAIT).status == "Completed"


@pytest.mark.parametrize("evict", [None, "always"])
def test_a_body_waits_in_vain(database_url: str, evict: Any) -> None:
    def body(context: Context, handle: Handle) -> dict[str, Any]:
        instead = handle.wait_for("answer", timeout=60, default="none")
        with pytest.raises(cloaca.EventTimeoutError):
            handle.wait_for("answer", timeout=timedelta(minutes=2))
        return {"instead": instead}

    define(body)
    with harness(url=database_url, evict=evict) as h:
        run = h.run("flow")
        h.clock.advance(minutes=3)

        assert (run.status, run.context) == ("Completed", {"instead": "none"})


def test_waits_of_several_tasks_of_one_body_keep_it_in_memory(open_runner: OpenRunner) -> None:
    bodies: list[int] = []

    async def body(context: Context, handle: AsyncHandle) -> dict[str, Any]:
        bodies.append(1)
        found = await asyncio.gather(
            handle.wait_for("a"), handle.wait_for("b"), handle.sleep(0.01), handle.sleep(0.02)
        )
        return {"found": found[:2]}

    define(body)
    with open_runner(evict_after_seconds=0) as runner:
        run = runner.submit("flow")
        until(lambda: statuses(run)["t"] == "Waiting")
        runner.send(run.id, "b", 2)
        runner.send(run.id, "a", 1)

        assert run.result(WAIT).final_context.to_dict() == {"found": [1, 2]}
    assert bodies == [1]


def test_a_thread_of_a_body_waits_in_memory(open_runner: OpenRunner) -> None:
    bodies: list[int] = []

    def body(context: Context, handle: Handle) -> dict[str, Any]:
        bodies.append(1)
        with ThreadPoolExecutor(2) as pool:
            found = list(pool.map(handle.wait_for, ["a", "b"]))
        return {"found": found}

    define(body)
    with open_runner(evict_after_seconds=0) as runner:
        run = runner.submit("flow")
        until(lambda: statuses(run)["t"] == "Waiting")
        runner.send(run.id, "a", 1)
        runner.send(run.id, "b", 2)

        assert run.result(WAIT).final_context.to_dict() == {"found": [1, 2]}
    assert bodies == [1]


@pytest.mark.parametrize("how", ["returned", "raised"])
def test_a_body_that_swallows_the_signal_fails_by_its_name(
    open_runner: OpenRunner, how: str
) -> None:
    def body(context: Context, handle: Handle) -> None:
        try:
            handle.wait_for("answer")
        except BaseException:
            if how == "raised":
                raise RuntimeError("swallowed") from None

    define(body, retry_attempts=1)
    with open_runner(evict_after_seconds=0) as runner:
        result = runner.execute("flow")

    assert result.status == "Failed"
    assert f"BodySuspended: the body {how} " in (result.error_message or "")


def test_a_body_that_waits_gives_its_slot_to_others(open_runner: OpenRunner) -> None:
    define(lambda context, handle: handle.wait_for("answer"), "waiting")
    define(lambda context: None, "other")
    with open_runner(max_concurrent_tasks=1) as runner:
        runs = [runner.submit("waiting") for _ in range(3)]
        until(lambda: all(statuses(run)["t"] == "Waiting" for run in runs))

        assert runner.execute("other").status == "Completed"
        for run in runs:
            runner.send(run.id, "answer", None)
        assert {run.result(WAIT).status for run in runs} == {"Completed"}


def test_a_condition_is_asked_until_it_is_true(runner: cloaca.DefaultRunner) -> None:
    asked: list[int] = []

    def is_there() -> bool:
        asked.append(1)
        return len(asked) % 3 == 0

    async def is_there_later() -> bool:
        return is_there()

    def body(context: Context, handle: Handle) -> None:
        handle.defer_until(is_there, poll_interval_ms=1)

    async def coroutine(context: Context, handle: AsyncHandle) -> None:
        await handle.defer_until(is_there_later, poll_interval_ms=1)

    define(body, "sync")
    define(coroutine, "async")

    assert runner.execute("sync").status == "Completed"
    assert runner.execute("async").status == "Completed"
    assert len(asked) == 6


# -- steered -------------------------------------------------------------------------------------


@pytest.mark.parametrize("evict", [0, 10], ids=["out of memory", "in memory"])
@pytest.mark.parametrize("kind", ["node", "body", "coroutine"])
def test_a_run_that_waits_is_cancelled(open_runner: OpenRunner, kind: str, evict: float) -> None:
    async def coroutine(context: Context, handle: AsyncHandle) -> None:
        await handle.wait_for("answer")

    if kind == "node":
        node_then_task(lambda: cloaca.wait_for("t", "answer"))
    elif kind == "body":
        define(lambda context, handle: handle.wait_for("answer"))
    else:
        define(coroutine)
    with open_runner(evict_after_seconds=evict) as runner:
        run = runner.submit("flow")
        until(lambda: statuses(run)["t"] == "Waiting")
        if evict == 0:
            until(lambda: waits(runner, run.id))

        run.cancel(reason="late", by="ann")
        result = run.result(WAIT)

        assert (result.status, result.error_message) == ("Cancelled", "cancelled by ann: late")
        assert statuses(run)["t"] == "Cancelled"
        with pytest.raises(cloaca.RunEndedError):
            runner.send(run.id, "answer", 1)


@pytest.mark.parametrize("evict", [0, 10], ids=["out of memory", "in memory"])
def test_a_paused_run_keeps_its_messages(open_runner: OpenRunner, evict: float) -> None:
    seen = node_then_task(lambda: cloaca.wait_for("answer"))
    with open_runner(evict_after_seconds=evict) as runner:
        run = runner.submit("flow")
        until(lambda: statuses(run)["answer"] == "Waiting")
        run.pause()
        runner.send(run.id, "answer", 1)
        assert run.info().status == "Paused"
        run.resume()

        assert run.result(WAIT).status == "Completed"
    assert seen == [{"answer": 1}]


def test_a_run_that_has_failed_while_it_waited_waits_anew_in_its_next_round(
    runner: cloaca.DefaultRunner,
) -> None:
    node_then_task(lambda: cloaca.wait_for("answer", timeout=0.2))
    run = runner.submit("flow")
    assert run.result(WAIT).status == "Failed"

    runner.stop()  # else the answer may come too late again
    again = runner.retry(run.id)
    runner.send(run.id, "answer", 1)
    runner.start()

    assert again.result(WAIT).final_context.to_dict() == {"answer": 1}


def test_the_events_tell_when_a_node_has_waited_and_what_ended_that(
    runner: cloaca.DefaultRunner,
) -> None:
    approval_flow()
    run = runner.submit("flow")
    open_approval(runner, run)

    assert told(run) == ["created", "started", "task_started signed"]

    run.approve("signed", by="ann")
    run.wait(WAIT)

    assert told(run)[3:5] == ["approved signed", "task_completed signed"]
    assert (told(run)[-1], told(run).count("task_started signed")) == ("ended", 1)


def told(run: cloaca.RunHandle) -> list[str]:
    """The events of a run, with their tasks."""
    return [f"{each.kind} {each.task_id or ''}".strip() for each in run.events()]
