"""Nodes in a block: they are referred to as tasks are, and count in the version."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tables import each_row

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.nodes.approval import approval
from cloaca_core.definition.nodes.sleep import sleep
from cloaca_core.definition.nodes.wait_for import wait_for
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task
from cloaca_core.definition.workflow import Workflow
from cloaca_core.definition.written_rules import (
    chosen,
    task_success,
)
from cloaca_core.errors import DefinitionError, DefinitionTypeError, WorkflowValidationError
from cloaca_core.values.node import Node


def built(declare: Callable[[], object]) -> Workflow:
    builder = WorkflowBuilder("w", registry=Registry())
    with builder:
        declare()
    return builder.workflow


def test_a_node_stands_in_dependencies_and_conditions() -> None:
    def declare() -> None:
        ok = approval("ok", "Pay?", dependencies=["pay"])
        rest = sleep("rest", seconds=1, dependencies=[ok, "ok"])

        @task(dependencies=[rest, ok], trigger_rules=chosen(ok, "approve"))
        def ship(context: object) -> None:
            pass

        @task(id="pay")
        def pays(context: object) -> None:
            pass

        wait_for("receipt", dependencies=[pays])

    workflow = built(declare)

    assert {each.id: each.dependencies for each in workflow.tasks} == {
        "ok": ("pay",),
        "rest": ("ok",),
        "ship": ("rest", "ok"),
        "pay": (),
        "receipt": ("pay",),
    }


def test_the_function_that_stands_for_its_body_is_no_reference() -> None:
    """Not even by its name, which a function of the user's may have."""

    def _no_body(context: object) -> None:
        pass

    def declare() -> None:
        sleep("rest", seconds=1)
        task(id="a", dependencies=[_no_body])(lambda context: None)

    with pytest.raises(WorkflowValidationError) as raised:
        built(declare)
    assert raised.value.missing == "_no_body"


def test_an_id_that_is_taken_is_refused() -> None:
    def declare() -> None:
        task(id="rest")(lambda context: None)
        sleep("rest", seconds=1)

    with pytest.raises(DefinitionError, match="Duplicate task"):
        built(declare)


@each_row("given", [Node("rest"), "rest"])
def test_one_dependency_is_a_list_of_one(given: object) -> None:
    with pytest.raises(DefinitionTypeError, match=r"one dependency is written \['rest'\]"):
        built(lambda: sleep("b", seconds=1, dependencies=given))  # type: ignore[arg-type] # refused


def test_a_later_block_takes_a_node_in() -> None:
    registry = Registry()
    with WorkflowBuilder("w", registry=registry):
        rest = sleep("rest", seconds=5)
    builder = WorkflowBuilder("w", registry=registry)
    with builder:
        builder.add_task(rest)

    assert builder.workflow.task("rest") == registry.find("w").task("rest")
    with pytest.raises(DefinitionError, match="Task 'other' not found"):
        builder.add_task(Node("other"))


EQUAL: list[Callable[[], object]] = [
    lambda: sleep("n", seconds=1),
    lambda: sleep("n", seconds=2),
    lambda: sleep("n", until="2026-01-01T00:00:00+00:00"),
    lambda: sleep("n", until_key="due"),
    lambda: wait_for("n"),
    lambda: wait_for("n", "other"),
    lambda: wait_for("n", timeout=5),
    lambda: wait_for("n", timeout=6),
    lambda: wait_for("n", timeout=5, default=None),
    lambda: wait_for("n", timeout=5, default=[1]),
    lambda: approval("n", "Pay?"),
    lambda: approval("n", "Pay now?"),
    lambda: approval("n", "Pay?", choices=["approve"]),
    lambda: approval("n", "Pay?", reject_policy="fail"),
    lambda: approval("n", "Pay?", timeout=5),
    lambda: approval("n", "Pay?", timeout=5, default="reject"),
    lambda: task(id="n")(lambda context: None),
]


def test_every_option_counts_in_the_version() -> None:
    versions = [built(declare).version for declare in EQUAL]

    assert len(set(versions)) == len(EQUAL)
    assert versions == [built(declare).version for declare in EQUAL]


def test_a_rule_may_name_a_node() -> None:
    assert task_success(Node("ok")) == task_success("ok")
