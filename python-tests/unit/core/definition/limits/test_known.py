"""Which limits a program defines, and which it only names."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.limits.known import UnknownLimit, refused_limits, unknown_limits
from cloaca_core.definition.limits.limit import Limit, LimitLike, limit_uses
from cloaca_core.definition.recorded import RecordedWorkflow, content
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task
from cloaca_core.definition.workflow import Workflow
from cloaca_core.errors import DefinitionError, DefinitionTypeError
from cloaca_core.run.active_run import ActiveRunFactory
from cloaca_core.values.definition_rows import DefinitionRow

API = Limit("openai", total=20)
OTHER = Limit("openai", total=30)


def nothing(_: object) -> None:
    """A body that does nothing."""


def workflow(name: str, *tasks: list[LimitLike], of_runs: tuple[LimitLike, ...] = ()) -> Workflow:
    """A workflow with a task for each list of limits."""
    with WorkflowBuilder(name, registry=Registry()) as builder:
        for number in range(len(tasks) or 1):
            task(id=f"t{number}")(nothing)
    plain = builder.workflow.tasks
    return Workflow(
        namespace=builder.workflow.namespace,
        name=name,
        tasks=[
            replace(each, limits=limit_uses("limits", limits))
            for each, limits in zip(plain, tasks or ([],), strict=True)
        ],
        limits=limit_uses("limits", of_runs),
    )


def test_a_workflow_defines_the_limits_that_it_uses() -> None:
    flow = workflow("a", [API.key("customer"), "gpu"], of_runs=(Limit("nightly", total=1),))
    assert flow.defined_limits == {"openai": API, "nightly": Limit("nightly", total=1)}
    assert workflow("b").defined_limits == {}


def test_a_registry_has_the_limits_of_its_workflows_and_its_own() -> None:
    registry = Registry()
    registry.register(workflow("a", [API], ["openai"]))
    registry.register(workflow("b", [Limit("openai", total=20).key("customer")]))
    registry.register_limit(gpu := Limit("gpu", total=1))
    registry.register_limit(Limit("openai", total=20))
    assert registry.limits() == [gpu, API]
    registry.clear()
    assert registry.limits() == []


def test_two_limits_of_one_name_in_a_workflow_are_refused() -> None:
    with pytest.raises(DefinitionError, match=r"^limit 'openai' is defined twice: ") as refused:
        workflow("a", ["openai"], [API], ["gpu"], [OTHER])
    assert str(refused.value) == (
        "limit 'openai' is defined twice: Limit('openai', total=20) by public::embedded::a::t1, "
        "and Limit('openai', total=30) by public::embedded::a::t3; define it once, and use that "
        "object or its name elsewhere"
    )


def test_two_limits_of_one_name_in_a_program_are_refused() -> None:
    registry = Registry()
    registry.register(workflow("a", [API]))
    twice = (
        r"^limit 'openai' is defined twice: Limit\('openai', total=20\) by workflow "
        r"public::embedded::a, and Limit\('openai', total=30\) by "
    )
    with pytest.raises(DefinitionError, match=twice + "workflow public::embedded::b; "):
        registry.register(workflow("b", of_runs=(OTHER,)))
    with pytest.raises(DefinitionError, match=twice + "register_limit; "):
        registry.register_limit(OTHER)
    assert registry.namespaces() == ["public::embedded::a"]
    assert registry.limits() == [API]

    # as a notebook does, whose cell is run again
    registry.register(workflow("a", [OTHER]))
    assert registry.limits() == [OTHER]

    registry.register_limit(OTHER)
    with pytest.raises(DefinitionError, match="by register_limit, and"):
        registry.register(workflow("a", [API]))


def test_another_object_is_no_limit() -> None:
    with pytest.raises(DefinitionTypeError, match=r"^limit must be a Limit, got str$"):
        Registry().register_limit("openai")  # type: ignore[arg-type]  # what is refused


def test_a_name_without_a_limit_is_unknown() -> None:
    workflows = [workflow("a", ["gpu", "openai"], ["gpu"], of_runs=("disk",)), workflow("b", [API])]
    gpu = UnknownLimit("gpu", ("public::embedded::a::t0", "public::embedded::a::t1"))
    assert unknown_limits(workflows, [API]) == (
        UnknownLimit("disk", ("public::embedded::a",)),
        gpu,
    )
    assert unknown_limits(workflows, [API, Limit("disk")]) == (gpu,)
    assert str(refused_limits([gpu], ["gpus", "openai"])) == (
        "limit 'gpu' of public::embedded::a::t0, public::embedded::a::t1 is not defined (did you "
        "mean 'gpus'?): define it with cloaca.Limit('gpu', ...)"
    )
    many = UnknownLimit("gpu", tuple("abcdefg"))
    assert "of a, b, c, d, e and 2 more is not defined: " in str(refused_limits([many], []))


def test_names_and_keys_are_part_of_the_version_and_settings_are_not() -> None:
    plain, by_name = workflow("a"), workflow("a", ["openai"])
    assert workflow("a", [API]).version == workflow("a", [OTHER]).version == by_name.version
    versions = [
        plain.version,
        by_name.version,
        workflow("a", ["gpu"]).version,
        workflow("a", [API.key("customer")]).version,
        workflow("a", of_runs=("openai",)).version,
    ]
    assert len(set(versions)) == len(versions)
    with WorkflowBuilder("a", registry=Registry()) as before:
        task(id="t0")(nothing)
    assert before.workflow.version == plain.version


def test_a_record_has_the_names_and_keys_of_limits() -> None:
    flow = workflow("a", [API.key(("order", "customer")), "gpu"], of_runs=(API,))
    row = DefinitionRow(flow.namespace, flow.version, flow.name, content(flow), 1)
    recorded = RecordedWorkflow.read(row)
    assert recorded.limits == flow.limits
    assert recorded.tasks[0].limits == flow.tasks[0].limits
    assert "total" not in row.content
    assert '"limits"' not in content(workflow("a"))


def test_a_graph_says_whether_runs_or_tasks_are_limited() -> None:
    factory = ActiveRunFactory("none_failed")
    of_task, of_run = workflow("a", [API]), workflow("b", of_runs=(API,))
    graph = factory.graph_of(of_task)
    assert (graph.has_limits, graph.limits) == (True, ())
    assert graph.tasks[0].limits == of_task.tasks[0].limits
    graph = factory.graph_of(of_run)
    assert (graph.has_limits, graph.limits) == (True, of_run.limits)
    assert not factory.graph_of(workflow("c")).has_limits
