"""Graphs, runs and attempts for tests of the engine's parts, without an engine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.context import Context
from cloaca_core.definition.handles.child_calls import BegunChild, ChildCall
from cloaca_core.definition.handles.wait_calls import BodyCalls, WaitCall
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task
from cloaca_core.engine.execute.attempt import Attempt, AttemptTools
from cloaca_core.engine.execute.executor import MakeAttempt
from cloaca_core.engine.observe.completion import Ended
from cloaca_core.engine.submit.request import owned_row
from cloaca_core.features.task_logs.task_log import TaskLog
from cloaca_core.run.active_run import ActiveRun
from cloaca_core.run.graph import PlanGraph, plan_graph
from cloaca_core.run.reasons import Reason
from cloaca_core.run.restore import Resume, restore
from cloaca_core.run.rows import AttemptRow, RunRow
from cloaca_core.values.log_levels import OFF, least_number
from cloaca_core.values.payloads.json_values import JsonValue, encode
from cloaca_core.values.payloads.redaction import LineRedact, unchanged
from cloaca_core.values.states import ReasonCode
from cloaca_core.values.times.clock import SYSTEM_CLOCK
from cloaca_core.values.waits import NEVER
from cloaca_testing.conformance.rows import attempt, new_run


def nothing(context: Context) -> None:
    """A body that does nothing."""


def graph_of(**tasks: Mapping[str, Any]) -> PlanGraph:
    """The graph of these tasks, each by the arguments of ``task``; ``body`` is what it does."""
    builder = WorkflowBuilder("w", registry=Registry())
    with builder:
        for name, options in tasks.items():
            arguments = {key: value for key, value in options.items() if key != "body"}
            task(id=name, **arguments)(options.get("body", nothing))
    assert builder.workflow is not None
    has_queues = any(each.queue is not None for each in builder.workflow.tasks)
    return plan_graph(builder.workflow)._replace(has_queues=has_queues)


def active_run(
    graph: PlanGraph,
    data: dict[str, JsonValue] | None = None,
    past: Iterable[AttemptRow] = (),
    **fields: Any,
) -> ActiveRun:
    """A run ``r`` with this input and what is known of its past; ``fields`` are its row's. It has
    been begun just now.
    """
    data = data or {}
    fields = {"started_at": time.time_ns() // 1000, **fields}
    row = owned_row(new_run("r")._replace(input=encode(data)))._replace(**fields)
    return ActiveRun(row, graph, data, restore(graph, past), default_rule="none_failed")


def cancel(run: ActiveRun) -> None:
    """Its life is told that the run is to end; nobody acts on that."""
    run.life.cancel_requested(Reason(ReasonCode.CANCELLED, "cancelled"), NEVER)


class NoSteps:
    """Of a body that makes none, and waits for nothing."""

    def step(self, *call: object) -> object:
        raise AssertionError(call)

    async def step_async(self, *call: object) -> object:
        raise AssertionError(call)

    def with_options(self, retry: object, returns: object, *, is_async: bool) -> Any:
        raise AssertionError(retry, returns, is_async)

    def submit(self, *call: object) -> object:
        raise AssertionError(call)

    async def submit_async(self, *call: object) -> object:
        raise AssertionError(call)

    def results(self, task: str) -> object:
        raise AssertionError(task)

    def submit_many(self, *call: object) -> object:
        raise AssertionError(call)

    async def submit_many_async(self, *call: object) -> object:
        raise AssertionError(call)

    def start_workflow(self, asked: ChildCall) -> BegunChild:
        raise AssertionError(asked)

    async def start_workflow_async(self, asked: ChildCall) -> BegunChild:
        raise AssertionError(asked)

    def child_result(self, child: BegunChild, seconds: float | None) -> Context:
        raise AssertionError(child, seconds)

    async def child_result_async(self, child: BegunChild, seconds: float | None) -> Context:
        raise AssertionError(child, seconds)

    def wait(self, call: WaitCall) -> object:
        raise AssertionError(call)

    async def wait_async(self, call: WaitCall) -> object:
        raise AssertionError(call)

    def defer(self, condition: Callable[[], object], seconds: float) -> None:
        raise AssertionError(condition, seconds)

    async def defer_async(self, condition: Callable[[], object], seconds: float) -> None:
        raise AssertionError(condition, seconds)


class NoCalls:
    """For attempts whose bodies make no steps and do not wait."""

    def body_calls(self, _: Attempt) -> BodyCalls:
        return NoSteps()


class NoLogs:
    """For attempts whose bodies log nothing."""

    redact: LineRedact = unchanged

    def open(self, _: ActiveRun, __: str, ___: int) -> TaskLog:
        return TaskLog(least_number(OFF), SYSTEM_CLOCK.wall, unchanged)


TOOLS = AttemptTools(SYSTEM_CLOCK, 3600, 1 << 20, lambda _: None, NoCalls(), NoLogs())


def attempt_of(
    run: ActiveRun,
    index: int = 0,
    number: int = 1,
    *,
    make: MakeAttempt = Attempt,
    given: dict[str, JsonValue] | None = None,
    begun_at: int | None = None,
    **fields: Any,
) -> Attempt:
    """An attempt of a task of the run, which ``make`` makes; ``fields`` are those of what it
    resumes and of its tools.
    """
    resume = {name: fields.pop(name) for name in Resume._fields if name in fields}
    tools = replace(TOOLS, **fields)
    made = make(run, index, given or {}, Resume(number, **resume), tools, None)
    made.begun_at = begun_at
    return made


def ended(run_id: str, text: str = "{}", tasks: int = 0, **fields: Any) -> Ended:
    """A run that has ended, and this number of its attempts; ``fields`` are its row's."""
    row = RunRow(
        id=run_id,
        workflow="w",
        version="v",
        status="Completed",
        owner="r1",
        epoch=1,
        recoveries=0,
        input="",
        tags="{}",
        parent_id=None,
        final_context=text,
        error_message=None,
        created_at=1,
        started_at=1,
        ended_at=2,
    )._replace(**fields)
    return Ended(row, tuple(attempt(run_id, f"t{number}") for number in range(tasks)))
