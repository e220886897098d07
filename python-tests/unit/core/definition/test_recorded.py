"""A recorded workflow has all of its definition but the code, and stays readable."""

from __future__ import annotations

import json
from typing import Any

from tables import each_row

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.inputs.params import workflow_params
from cloaca_core.definition.maps.options import RecordedMap
from cloaca_core.definition.nodes.approval import approval
from cloaca_core.definition.recorded import (
    RecordedRetry,
    RecordedWorkflow,
    content,
    when_ended_rows,
)
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.retries.condition import RetryCondition
from cloaca_core.definition.retries.policy import BackoffStrategy, RetryPolicy
from cloaca_core.definition.task import task
from cloaca_core.definition.version_change import fingerprints
from cloaca_core.definition.workflow import Workflow
from cloaca_core.definition.written_rules import (
    context_value,
    none_of,
    parse_rule,
    task_failed,
)
from cloaca_core.features.cloacina.builder import ComputationGraphBuilder, node
from cloaca_core.values.definition_rows import DefinitionRow, WhenEndedRow
from cloaca_core.values.times.no_limit import NO_LIMIT


def nothing(_: object) -> None:
    """A body that does nothing."""


async def later(_: object) -> None:
    """A body that does nothing on the loop."""


def built(**options: Any) -> Workflow:
    """A workflow whose task ``b`` has these options."""
    builder = WorkflowBuilder("flow", tenant="t", registry=Registry())
    builder.description("Adds up.").tag("team", "x")
    with builder:
        task(id="b", dependencies=["a"], **options)(nothing)
        task(id="a")(later)
    return builder.workflow


def again(workflow: Workflow, text: str | None = None) -> RecordedWorkflow:
    """The workflow as it is read from its record."""
    names = (workflow.namespace, workflow.version, workflow.name)
    return RecordedWorkflow.read(DefinitionRow(*names, text or content(workflow), 1))


def test_a_record_has_the_graph_and_what_people_read() -> None:
    workflow = built()

    found = again(workflow)

    assert (found.namespace, found.name) == ("t::embedded::flow", "flow")
    assert (found.version, found.description) == (workflow.version, "Adds up.")
    assert dict(found.tags) == {"team": "x"}
    assert found.graph == {"b": ("a",), "a": ()}
    assert [(each.kind, each.is_async) for each in found.tasks] == [("task", False), ("task", True)]


def test_a_record_has_the_policy_of_exhausted_tasks() -> None:
    builder = WorkflowBuilder("flow", registry=Registry()).exhausted_policy("pause")
    with builder:
        task(id="a")(nothing)
    before = json.loads(content(built()))
    del before["exhausted_policy"]  # as in a record of an earlier version

    assert again(builder.workflow).exhausted_policy == "pause"
    assert again(built()).exhausted_policy == "fail"
    assert again(built(), json.dumps(before)) == again(built())


def test_a_record_tells_which_tasks_are_the_same() -> None:
    workflow = built()
    before = json.loads(content(workflow))
    del before["tasks"][0]["fingerprint"]  # as in a record of an earlier version

    assert again(workflow).fingerprints == fingerprints(workflow)
    assert again(workflow, json.dumps(before)).fingerprints is None


@each_row("seconds", [None, 2.5, NO_LIMIT])
def test_a_time_limit_is_that_of_the_task(seconds: Any) -> None:
    assert again(built(timeout_seconds=seconds)).tasks[0].timeout_seconds == seconds


def test_a_rule_is_the_rule_again() -> None:
    rule = none_of(task_failed("a"), context_value("n", ">", 3))

    assert again(built(trigger_rules=rule)).tasks[0].rule == parse_rule(rule)
    assert again(built()).tasks[0].rule is None


def refuse(_: BaseException) -> bool:
    return False


@each_row(
    ("condition", "errors", "names"),
    [
        (RetryCondition.never(), "never", ()),
        (RetryCondition.error_pattern(["a", "ü"]), "pattern", ("a", "ü")),
        # Code is not recorded: classes by their names, of a function only that it is one.
        ((ValueError, json.JSONDecodeError), "classes", ("ValueError", "JSONDecodeError")),
        (refuse, "function", ()),
    ],
)
def test_a_retry_policy_is_recorded_without_its_code(
    condition: Any, errors: Any, names: tuple[str, ...]
) -> None:
    policy = RetryPolicy(7, 0.5, 9.0, False, BackoffStrategy.linear(2), condition)

    found = again(built(retry=policy)).tasks[0].retry

    backoff = BackoffStrategy.linear(2)
    assert found == RecordedRetry(7, 0.5, 9.0, False, backoff, errors, names)


def test_a_record_has_the_schema_of_the_input_if_there_is_one() -> None:
    builder = WorkflowBuilder("flow", registry=Registry())
    with builder.input(workflow_params(n=(int, 1))):
        task(id="a")(nothing)
    assert again(builder.workflow).input_schema == {
        "type": "object",
        "properties": {"n": {"type": "integer", "default": 1}},
    }
    assert "input" not in json.loads(content(built()))
    assert again(built()).input_schema is None


def test_members_of_a_later_version_are_left_out() -> None:
    workflow = built()
    text = json.loads(content(workflow))
    text["later"] = 1
    text["tasks"][0]["later"] = {"a": 1}

    assert again(workflow, json.dumps(text)) == again(workflow)


def test_equal_definitions_have_equal_records() -> None:
    assert content(built()) == content(built())


def test_what_follows_the_ends_of_runs_is_a_row_for_each_state() -> None:
    builder = WorkflowBuilder("flow", tenant="t", registry=Registry())
    builder.when_ended(["Failed", "Cancelled"], "alert", {"to": "Änne", "n": 2**64 - 1})
    builder.when_ended("Completed", "public::embedded::next")
    with builder:
        task(id="a")(nothing)
    version = builder.workflow.version

    flow, next_ = "t::embedded::flow", "public::embedded::next"
    told = '{"to":"Änne","n":18446744073709551615,"workflow_name":"flow"}'
    assert when_ended_rows(builder.workflow) == (
        WhenEndedRow(flow, version, 0, "Failed", "t::embedded::alert", told),
        WhenEndedRow(flow, version, 0, "Cancelled", "t::embedded::alert", told),
        WhenEndedRow(flow, version, 1, "Completed", next_, '{"workflow_name":"flow"}'),
    )
    assert when_ended_rows(built()) == ()


def test_a_record_has_the_nodes_that_wait() -> None:
    builder = WorkflowBuilder("flow", registry=Registry())
    with builder:
        task(id="a")(nothing)
        approval("ok", "Pay?", timeout=5, default="reject", dependencies=["a"])

    first, second = again(builder.workflow).tasks

    assert (first.kind, first.wait) == ("task", None)
    assert (second.kind, second.wait) == ("approval", builder.workflow.task("ok").wait)
    assert "wait" not in json.loads(content(builder.workflow))["tasks"][0]


def test_a_kind_of_a_newer_version_is_read_without_its_options() -> None:
    written = json.loads(content(built()))
    written["tasks"][0] |= {"kind": "map", "wait": {"items": "chunks"}}

    [first, _] = again(built(), json.dumps(written)).tasks

    assert (first.kind, first.wait) == ("map", None)


def test_a_record_has_the_options_of_a_map_and_not_its_items() -> None:
    by_path = again(built(map=("data", "files"), label="name", max_parallel=3, results="rows"))
    inline = again(built(map=["secret", "other"], item_policy="stop"))

    assert by_path.tasks[0].map == RecordedMap(("data", "files"), None, "name", 3, "finish", "rows")
    assert inline.tasks[0].map == RecordedMap(None, 2, None, None, "stop", "list")
    assert by_path.tasks[1].map is None
    assert "secret" not in content(built(map=["secret", "other"]))


def test_a_record_has_the_name_of_a_computation_graph_and_only_where_there_is_one() -> None:
    with ComputationGraphBuilder("pricing", graph={"nothing": {}}) as graph:
        node(nothing)

    assert [each.invokes for each in again(built(invokes=graph)).tasks] == ["pricing", None]
    assert "invokes" not in content(built())
