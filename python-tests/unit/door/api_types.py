"""How type checkers see the public API: read by mypy in ``invoke check``, never run.

``assert_type`` says what a reader of a value may rely on. Each ``type: ignore`` is the assertion:
the line is refused while it is written, and strict mypy complains of an ignore without an error.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from datetime import timedelta
from typing import Literal, TypeAlias, assert_type

import cloaca

Unfinished: TypeAlias = Literal["Pending", "Running", "Waiting", "Paused", "Cancelling"]


def what_options_take() -> None:
    """Words, each from its own list."""

    def body(context: cloaca.Context) -> dict[str, int]:
        return {"n": 1}

    plain = cloaca.task(retry_backoff="linear", retry_condition="transient")(body)
    assert_type(plain(cloaca.Context()), dict[str, int])
    cloaca.task(retry_condition=(ValueError, OSError))(body)
    cloaca.task(retry_condition=lambda error: bool(error.args))(body)
    cloaca.task(retry_backoff="expo")(body)  # type: ignore[call-overload]
    cloaca.task(retry_condition="always")(body)  # type: ignore[arg-type]
    cloaca.context_value("n", "greater_than", 1)
    cloaca.context_value("n", ">=", 1)  # type: ignore[arg-type]
    cloaca.DefaultRunnerConfig(default_trigger_rule="always")
    cloaca.DefaultRunnerConfig(default_trigger_rule="all_success")  # type: ignore[arg-type]


def what_a_computation_graph_takes(body: Callable[[cloaca.Context], None]) -> None:
    """A decorated node stays what it is; a task invokes a graph, or an object with its name."""
    with cloaca.ComputationGraphBuilder("g", graph={"a": {"next": "b"}, "b": {}}) as graph:
        assert_type(graph, cloaca.ComputationGraphBuilder)
        assert_type(cloaca.node(body)(cloaca.Context()), None)
    assert_type(graph.NAME, str)
    cloaca.task(invokes=graph, post_invocation=body)(body)
    cloaca.task(invokes="g")(body)  # type: ignore[call-overload]
    cloaca.task(invokes=graph, post_invocation=3)(body)  # type: ignore[call-overload]
    cloaca.ComputationGraphBuilder("g", graph=["a"])  # type: ignore[arg-type]
    assert_type(cloaca.var("REGION"), str)
    assert_type(cloaca.var_or("REGION", "eu"), str)
    cloaca.var_or("REGION", None)  # type: ignore[arg-type]
    cloaca.reactor(name="r", accumulators=["a"], mode="zz")  # type: ignore[arg-type]


def what_annotations_may_say() -> None:
    """Each list has a name, for programs that hand a word on."""
    backoff: cloaca.RetryBackoffName = "fixed"
    condition: cloaca.RetryConditionName = "never"
    operator: cloaca.OperatorName = "=="
    rule: cloaca.TriggerRuleName = "none_failed"
    policy: cloaca.VersionPolicyName = "fail"
    cloaca.task(retry_backoff=backoff, retry_condition=condition)
    cloaca.context_value("n", operator, 1)
    cloaca.WorkflowBuilder("w").version_policy(policy).time_limit(30)
    cloaca.WorkflowBuilder("w").version_policy("pin")  # type: ignore[arg-type]
    cloaca.WorkflowBuilder("w").when_ended("Failed", "x").when_ended(["Completed"], submit="y")
    cloaca.WorkflowBuilder("w").when_ended("Ended", submit="x")  # type: ignore[arg-type]
    exhausted: cloaca.ExhaustedPolicyName = "pause"
    cloaca.WorkflowBuilder("w").exhausted_policy(exhausted)
    cloaca.WorkflowBuilder("w").exhausted_policy("stop")  # type: ignore[arg-type]
    merging: cloaca.MergeRuleName = "sum"
    cloaca.WorkflowBuilder("w").merge("total", merging).merge("found", "append")
    cloaca.WorkflowBuilder("w").merge("total", "add")  # type: ignore[arg-type]
    cloaca.DefaultRunnerConfig(default_trigger_rule=rule)


def what_nodes_take(body: Callable[[cloaca.Context], None]) -> None:
    """A node stands where a function or an id does."""
    ok = cloaca.approval("ok", "Pay?", choices=["approve", "reject"], reject_policy="fail")
    assert_type(ok, cloaca.Node)
    cloaca.approval("ok", "Pay?", reject_policy="stop")  # type: ignore[arg-type]
    cloaca.approval("ok", "Pay?", timeout=5, default=None)  # type: ignore[arg-type]
    cloaca.wait_for("paid", timeout=timedelta(days=1), default=None, dependencies=[ok, "a", body])
    cloaca.sleep("rest", until_key=("order", "due"), dependencies=[ok])
    cloaca.sleep("rest", 5)  # type: ignore[call-arg]
    cloaca.task(dependencies=[ok], trigger_rules=cloaca.chosen(ok, "approve"))(body)
    cloaca.WorkflowBuilder("w").add_task(ok)
    default: int | cloaca.Missing = cloaca.MISSING
    cloaca.wait_for("paid", timeout=5, default=default)


def how_no_limit_is_written(limit: float | cloaca.NoLimit | None) -> None:
    """Where a time is set; it is read as None."""
    cloaca.task(timeout_seconds=limit)
    cloaca.task(timeout_seconds=cloaca.NO_LIMIT)
    config = cloaca.DefaultRunnerConfig(
        task_timeout_seconds=cloaca.NO_LIMIT, workflow_timeout_seconds=cloaca.NO_LIMIT
    )
    config.pipeline_timeout_seconds = cloaca.NO_LIMIT
    assert_type(config.task_timeout_seconds, int | None)
    config.task_timeout_seconds = None
    assert_type(config.pipeline_timeout_seconds, int | None)
    assert_type(config.workflow_timeout_seconds, int | None)
    config.max_active_runs = cloaca.NO_LIMIT  # type: ignore[assignment]
    if limit is not cloaca.NO_LIMIT:
        assert_type(limit, float | None)


def what_a_runner_is_told(runner: cloaca.DefaultRunner) -> None:
    """Policies and states are words as well."""
    catchup: cloaca.CatchupPolicyName = "run_all"
    overlap: cloaca.OverlapPolicyName = "queue"
    runner.schedule("s", "w", "* * * * *", "UTC", catchup_policy=catchup, overlap_policy=overlap)
    runner.schedule("s", "w", "* * * * *", "UTC", catchup_policy="all")  # type: ignore[arg-type]
    runner.schedule("s", "w", "* * * * *", "UTC", overlap_policy="wait")  # type: ignore[arg-type]
    runner.list_runs(status="Failed")
    runner.list_runs(status="failed")  # type: ignore[arg-type]
    cloaca.DefaultRunner(":memory:", start=False)


def where_bodies_run(pool: Executor, made: Callable[[], Executor]) -> None:
    """An executor, a function that makes one, or either of them by value."""
    assert_type(cloaca.executors.process(workers=4)().workers, int)
    assert_type(cloaca.executors.by_value(pool), cloaca.executors.ByValue)
    ready: cloaca.executors.ExecutorLike = cloaca.executors.process(workers=4)
    several = {"cpu": ready, "mine": pool, "made": made, "all": cloaca.executors.by_value(made)}
    cloaca.DefaultRunner(":memory:", executors=several, executor_slots={"mine": 2})
    cloaca.AsyncRunner(":memory:", executors={"cpu": cloaca.executors.process()})
    cloaca.DefaultRunner(":memory:", executors={"cpu": 4})  # type: ignore[dict-item]
    cloaca.DefaultRunner(":memory:", executor_slots={"cpu": "4"})  # type: ignore[dict-item]
    cloaca.task(executor="cpu")
    cloaca.task(executor=pool)  # type: ignore[call-overload]


def what_it_answers(runner: cloaca.DefaultRunner) -> None:
    """States are known by name."""
    handle = runner.submit("w", {"n": 1})
    assert_type(handle, cloaca.RunHandle)
    assert_type(handle.status(), cloaca.RunStatus)
    assert_type(handle.status(), Unfinished | Literal["Completed", "Failed", "Cancelled"])
    assert_type(handle.result().status, cloaca.RunStatus)
    assert_type(handle.tasks()["t"].status, cloaca.TaskStatus)
    assert_type(runner.list_runs()[0].status, cloaca.RunStatus)
    assert_type(handle.cancel(reason="late", grace=1.5), cloaca.Steered)
    assert_type(handle.pause().status, cloaca.RunStatus)
    assert_type(handle.resume().changed, bool)
    assert_type(runner.cancel("r", grace=1.5), cloaca.Steered)
    assert_type(runner.pause("r", children=False), cloaca.Steered)
    assert_type(runner.resume("r"), cloaca.Steered)


def what_a_client_answers(client: cloaca.Client, runner: cloaca.DefaultRunner) -> None:
    """A runner may stand for a client, and not the other way round."""
    assert_type(client.submit("w", {"n": 1}), cloaca.RunHandle)
    assert_type(client.execute("w").status, cloaca.RunStatus)
    client.start()  # type: ignore[attr-defined]
    client = runner
    runner = client
    runner = cloaca.Client("work.db")  # type: ignore[assignment]


async def what_an_async_runner_answers(runner: cloaca.AsyncRunner) -> None:
    """The same, awaited."""
    handle = await runner.submit("w")
    assert_type(handle, cloaca.AsyncRunHandle)
    assert_type(await handle.status(), cloaca.RunStatus)
    assert_type(await handle.cancel(), cloaca.Steered)
    await runner.schedule("s", "w", "* * * * *", "UTC", overlap_policy="skip")
    await runner.list_runs(status="done")  # type: ignore[arg-type]
    cloaca.AsyncRunner(":memory:", start=False)


def what_steps_return(handle: cloaca.TaskHandle) -> None:
    """What their function returns, unless ``returns`` says more."""

    def price(part: str, *, pieces: int = 1) -> float:
        return 1.5 * pieces

    assert_type(handle.step("price", price, "bolt", pieces=2), float)
    assert_type(handle.with_options(retry=cloaca.RetryPolicy()).step("price", price, "bolt"), float)
    assert_type(handle.with_options(returns=dict).step("any", print), dict)  # type: ignore[type-arg]
    handle.step("price", price, 3)  # type: ignore[arg-type]
    handle.step("price", price, "bolt", piece=2)  # type: ignore[call-arg]
    handle.with_options(retry=3)  # type: ignore[call-overload]


async def what_awaited_steps_return(handle: cloaca.AsyncTaskHandle) -> None:
    """What their coroutine function returns."""

    async def price(part: str) -> float:
        return 1.5

    assert_type(await handle.step("price", price, "bolt"), float)
    assert_type(await handle.with_options(returns=int).step("price", price, "bolt"), int)
    handle.step("now", len, "bolt")  # type: ignore[arg-type,unused-coroutine]


def what_a_body_submits(handle: cloaca.TaskHandle) -> None:
    """Handles of runs, as from a runner."""
    run = handle.submit("w", {"n": 1}, idempotency_key="k", priority=1, detached=True)
    assert_type(run, cloaca.RunHandle)
    assert_type(handle.submit_many("w", [{"n": 1}], delay=1.5), list[cloaca.RunHandle])
    handle.submit("w", failed_policy="again")  # type: ignore[arg-type]
    handle.submit_many("w", [{"n": 1}], idempotency_key="k")  # type: ignore[call-arg]


async def what_an_async_body_submits(handle: cloaca.AsyncTaskHandle) -> None:
    """The same, awaited."""
    assert_type(await handle.submit("w"), cloaca.AsyncRunHandle)
    assert_type(await handle.submit_many("w", ()), list[cloaca.AsyncRunHandle])
