"""96: a task invokes a computation graph, as programs of 0.12 do, and it is one attempt with it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner
from scenarios import graphed
from scenarios.steering import WAIT, until
from scenarios.test_74_workflow_pages import Web

import cloaca
from cloaca.executors import ProcessExecutor
from cloaca_tools.cli.root import cli

ONCE: dict[str, Any] = {"retry_attempts": 1}


def graph_of(
    name: str, shape: dict[str, Any], *functions: Callable[..., object]
) -> cloaca.ComputationGraphBuilder:
    with cloaca.ComputationGraphBuilder(name, graph=shape) as graph:
        for each in functions:
            cloaca.node(each)
    return graph


def load(context: cloaca.Context) -> int:
    return int(context["amount"])


def choose(amount: int) -> tuple[str, int]:
    return ("large" if amount > 100 else "small"), amount


def large(amount: int) -> dict[str, int]:
    return {"to_pay": amount - 10}


def small(amount: int) -> dict[str, int]:
    return {"to_pay": amount}


def pricing() -> cloaca.ComputationGraphBuilder:
    shape = {
        "load": {"next": "choose"},
        "choose": {"routes": {"large": "large", "small": "small"}},
        "large": {},
        "small": {},
    }
    return graph_of("pricing", shape, load, choose, large, small)


@pytest.mark.each_backend
def test_the_value_of_the_terminal_that_is_reached_goes_on_with_the_context(
    runner: cloaca.DefaultRunner,
) -> None:
    told: list[object] = []

    def summed_up(context: cloaca.Context) -> None:
        context["is_priced"] = "large" in context

    with cloaca.WorkflowBuilder("orders"):

        @cloaca.task(
            invokes=pricing(),
            post_invocation=summed_up,
            on_success=lambda _, context: told.append(context.to_dict()),
        )
        def price(context: cloaca.Context) -> dict[str, int]:
            return {"amount": context["order"] * 2}

        @cloaca.task(dependencies=[price])
        def ship(context: cloaca.Context) -> None:
            told.append(context["large"]["to_pay"])

    result = runner.execute("orders", {"order": 100}, timeout=WAIT)

    priced = {"order": 100, "amount": 200, "large": {"to_pay": 190}, "is_priced": True}
    assert (result.status, result.final_context.to_dict()) == ("Completed", priced)
    assert told == [priced, 190]


def test_a_context_that_is_returned_is_the_output_as_a_whole(runner: cloaca.DefaultRunner) -> None:
    with cloaca.WorkflowBuilder("orders"):
        cloaca.task(id="body", invokes=pricing())(lambda _: cloaca.Context({"amount": 5}))

    assert runner.execute("orders", {"n": 1}, timeout=WAIT).final_context.to_dict() == {
        "amount": 5,
        "small": {"to_pay": 5},
    }

    with cloaca.WorkflowBuilder("orders"):
        cloaca.task(
            id="post", invokes=pricing(), post_invocation=lambda _: cloaca.Context({"only": 1})
        )(lambda _: {"amount": 5})

    final = runner.execute("orders", {"n": 1}, timeout=WAIT).final_context
    assert final.to_dict() == {"only": 1}


@pytest.mark.parametrize("fails", ["node", "post_invocation"])
def test_an_error_fails_the_attempt_and_the_next_runs_the_body_again(
    runner: cloaca.DefaultRunner, fails: str
) -> None:
    bodies: list[int] = []

    def flaky(at: str) -> None:
        if at == fails and len(bodies) < 2:
            raise ConnectionError("refused")

    def only(_: object) -> int:
        flaky("node")
        return 7

    with cloaca.WorkflowBuilder("orders"):

        @cloaca.task(
            invokes=graph_of("flaky", {"only": {}}, only),
            post_invocation=lambda _: flaky("post_invocation"),
            retry_condition=ConnectionError,
            retry_delay_ms=1,
        )
        def body(_: cloaca.Context) -> None:
            bodies.append(1)

    run = runner.submit("orders")

    assert run.result(WAIT).final_context.to_dict() == {"only": 7}
    assert len(bodies) == 2
    first = run.attempts()[0]
    assert (first.error or "").startswith("ConnectionError: refused")
    expected = "in node 'only' of computation graph 'flaky'" if fails == "node" else "flaky("
    assert expected in (first.traceback or "")


def test_a_value_that_json_does_not_have_fails_the_attempt_with_its_place(
    runner: cloaca.DefaultRunner,
) -> None:
    def only(_: object) -> dict[str, object]:
        return {"ids": {1, 2}}

    with cloaca.WorkflowBuilder("orders"):
        cloaca.task(id="t", invokes=graph_of("odd", {"only": {}}, only), **ONCE)(lambda _: None)

    result = runner.execute("orders", timeout=WAIT)

    assert result.status == "Failed"
    assert "only.ids" in (result.error_message or "")


def test_a_coroutine_and_a_thread_run_nodes_of_both_kinds(runner: cloaca.DefaultRunner) -> None:
    async def first(context: cloaca.Context) -> int:
        return int(context["n"])

    def second(value: int) -> int:
        return value + 1

    async def post(context: cloaca.Context) -> None:
        context["n"] = context["second"]

    mixed = graph_of("mixed", {"first": {"next": "second"}, "second": {}}, first, second)
    with cloaca.WorkflowBuilder("orders"):

        @cloaca.task(invokes=mixed, post_invocation=post)
        def on_a_thread(context: cloaca.Context) -> None:
            context["n"] += 10

        @cloaca.task(invokes=mixed, post_invocation=post, dependencies=[on_a_thread])
        async def on_the_loop(context: cloaca.Context) -> None:
            context["n"] += 10

    final = runner.execute("orders", {"n": 0}, timeout=WAIT).final_context
    assert final.to_dict() == {"n": 22, "second": 22}


def test_each_item_of_a_map_runs_the_graph(runner: cloaca.DefaultRunner) -> None:
    with cloaca.WorkflowBuilder("orders"):

        @cloaca.task(map="orders", invokes=pricing())
        def price(_: cloaca.Context, item: int) -> dict[str, int]:
            return {"amount": item}

    final = runner.execute("orders", {"orders": [50, 500]}, timeout=WAIT).final_context

    assert final["price"] == [
        {"amount": 50, "small": {"to_pay": 50}},
        {"amount": 500, "large": {"to_pay": 490}},
    ]


def test_the_result_of_an_item_must_be_an_object(runner: cloaca.DefaultRunner) -> None:
    with cloaca.WorkflowBuilder("orders"):

        @cloaca.task(map="orders", invokes=pricing(), **ONCE)
        def price(_: cloaca.Context, item: int) -> int:
            return item

    result = runner.execute("orders", {"orders": [50]}, timeout=WAIT)

    assert "an item of a map whose task invokes a graph returns" in (result.error_message or "")


def test_once_the_run_is_being_cancelled_no_further_node_begins(
    runner: cloaca.DefaultRunner,
) -> None:
    handles: list[cloaca.TaskHandle] = []
    called: list[str] = []

    def first(_: object) -> None:
        called.append("first")
        runner.get_run(handles[0].run_id).cancel()
        until(lambda: handles[0].cancelled)

    def second(_: object) -> None:
        called.append("second")

    long = graph_of("long", {"first": {"next": "second"}, "second": {}}, first, second)
    with cloaca.WorkflowBuilder("orders"):

        @cloaca.task(invokes=long)
        def body(_: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            handles.append(handle)

    run = runner.submit("orders")

    assert run.result(WAIT).status == "Cancelled"
    assert called == ["first"]
    assert run.tasks()["body"].status == "Cancelled"


def test_a_graph_runs_where_its_body_does(database_url: str) -> None:
    with (
        ProcessExecutor(1) as executor,
        cloaca.DefaultRunner(
            database_url, registry=graphed.REGISTRY, executors={"there": executor}
        ) as runner,
    ):
        final = runner.execute("graphed", {"n": 1}, timeout=WAIT).final_context.to_dict()

    assert final["place"].pop("pid") != os.getpid()
    assert final == {"n": 2, "place": {"value": 4}, "after": 4}


def test_a_node_that_no_worker_can_import_is_refused_when_the_runner_opens(
    database_url: str,
) -> None:
    registry = cloaca.Registry()
    local = graph_of("local", {"<lambda>": {}}, lambda _: 1)
    with cloaca.WorkflowBuilder("orders", registry=registry):
        cloaca.task(id="t", executor="there", invokes=local)(graphed.work)

    with ProcessExecutor(1) as executor, pytest.raises(cloaca.ConfigError, match=r"'t'.*lambda"):
        cloaca.DefaultRunner(database_url, registry=registry, executors={"there": executor})


def test_what_a_graph_calls_counts_in_the_version_of_its_workflow() -> None:
    def version(node: Callable[..., object], shape: Any = None, post: Any = None) -> str:
        node.__name__ = "only"
        graph = graph_of("versioned", shape or {"only": {}}, node)
        with cloaca.WorkflowBuilder("orders", registry=cloaca.Registry()) as builder:
            cloaca.task(id="t", invokes=graph, post_invocation=post)(graphed.work)
        assert builder.workflow is not None
        return builder.workflow.version

    versions = [
        version(lambda _: 1),
        version(lambda _: 2),
        version(lambda _: 1, {"only": {"routes": {}}}),
        version(lambda _: 1, post=lambda _: 1),
        version(lambda _: 1, post=lambda _: 2),
    ]

    assert version(lambda _: 1) == versions[0]
    assert len(set(versions)) == 4
    assert versions[2] == versions[0]  # no routes are none


def test_people_see_which_graph_a_task_invokes(
    runner: cloaca.DefaultRunner, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with cloaca.WorkflowBuilder("orders"):
        cloaca.task(id="price", invokes=pricing())(lambda _: {"amount": 5})
    runner.execute("orders", timeout=WAIT).raise_for_status()
    monkeypatch.setenv("CLOACA_DATABASE_URL", database_url)

    def told(*words: str) -> str:
        return CliRunner().invoke(cli, ["workflows", *words, "orders"]).stdout

    assert "price invokes the computation graph pricing\n" in told("show")
    assert "price<br/>invokes pricing" in told("graph")
    page = Web(runner).text("/workflow", name="orders", task="price")
    assert "invokes the graph pricing" in page
