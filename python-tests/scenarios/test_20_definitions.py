"""20: names, versions and registries: which definition runs when there are several."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

import cloaca

WAIT = 60


@pytest.fixture
def registry() -> cloaca.Registry:
    return cloaca.Registry()


@pytest.fixture
def own_runner(database_url: str, registry: cloaca.Registry) -> Iterator[cloaca.DefaultRunner]:
    with cloaca.DefaultRunner(database_url, registry=registry) as runner:
        yield runner


def define(registry: cloaca.Registry, answer: Any = 1, **names: str) -> cloaca.Workflow:
    builder = cloaca.WorkflowBuilder("job", registry=registry, **names)
    with builder:
        cloaca.task(id="only")(lambda context: {"answer": answer})
    return builder.workflow


# -- registries ----------------------------------------------------------------------------------


@pytest.mark.each_backend
def test_a_registry_of_ones_own_knows_nothing_of_the_programs(
    own_runner: cloaca.DefaultRunner, registry: cloaca.Registry, runner: cloaca.DefaultRunner
) -> None:
    define(registry)
    with cloaca.WorkflowBuilder("programs own"):
        cloaca.task(id="only")(lambda context: None)
    assert own_runner.execute("job").status == "Completed"
    with pytest.raises(cloaca.WorkflowNotFoundError):
        own_runner.execute("programs own")
    with pytest.raises(cloaca.WorkflowNotFoundError):
        runner.execute("job")


def test_the_programs_registry_can_be_looked_at() -> None:
    with cloaca.WorkflowBuilder("looked at") as builder:
        cloaca.task(id="only")(lambda context: None)
    assert cloaca.get_workflow("looked at") is builder.workflow
    assert cloaca.get_workflow("public::embedded::looked at") is builder.workflow
    assert builder.workflow in cloaca.list_workflows()
    with pytest.raises(ValueError, match="Workflow not found in registry: looked for"):
        cloaca.get_workflow("looked for")


def test_a_cleared_registry_is_empty(
    own_runner: cloaca.DefaultRunner, registry: cloaca.Registry
) -> None:
    define(registry)
    registry.clear()
    with pytest.raises(cloaca.WorkflowNotFoundError):
        own_runner.execute("job")


# -- names ---------------------------------------------------------------------------------------


def test_the_same_name_in_two_tenants_is_two_workflows(
    own_runner: cloaca.DefaultRunner, registry: cloaca.Registry
) -> None:
    define(registry, "a", tenant="a")
    define(registry, "b", tenant="b", package="p")
    assert own_runner.execute("a::embedded::job").final_context["answer"] == "a"
    assert own_runner.execute("b::p::job").final_context["answer"] == "b"
    with pytest.raises(ValueError, match=r"a::embedded::job.*b::p::job") as caught:
        own_runner.execute("job")
    assert isinstance(caught.value, cloaca.AmbiguousWorkflowError)
    assert caught.value.candidates == ("a::embedded::job", "b::p::job")


def test_a_constructor_is_called_at_once_and_makes_an_alias(
    runner: cloaca.DefaultRunner,
) -> None:
    called: list[int] = []

    def construct() -> cloaca.Workflow:
        called.append(1)
        with cloaca.WorkflowBuilder("constructed") as builder:
            cloaca.task(id="only")(lambda context: {"made": True})
            return builder.build()

    cloaca.register_workflow_constructor("alias", construct)
    assert called == [1]
    for name in ("alias", "constructed", "public::embedded::constructed"):
        assert runner.execute(name).final_context.to_dict() == {"made": True}


def test_a_constructor_that_fails_says_why() -> None:
    def construct() -> cloaca.Workflow:
        raise KeyError("no such table")

    with pytest.raises(ValueError, match=r"Failed to call workflow constructor: .*no such table"):
        cloaca.register_workflow_constructor("never constructed", construct)
    with pytest.raises(ValueError, match="Failed to call workflow constructor: "):
        cloaca.register_workflow_constructor("never constructed", lambda: None)  # type: ignore[arg-type, return-value]  # refused
    with pytest.raises(cloaca.WorkflowNotFoundError):
        cloaca.get_workflow("never constructed")


def test_an_alias_cannot_be_the_name_of_another_workflow() -> None:
    def construct(name: str) -> Callable[[], cloaca.Workflow]:
        def make() -> cloaca.Workflow:
            with cloaca.WorkflowBuilder(name) as builder:
                cloaca.task(id="only")(lambda context: None)
                return builder.build()

        return make

    cloaca.register_workflow_constructor("taken", construct("taken"))
    with pytest.raises(ValueError, match="taken"):
        cloaca.register_workflow_constructor("taken", construct("another"))


def test_namespaces_are_values() -> None:
    task = cloaca.TaskNamespace.from_string("t::p::w::a")
    assert task == cloaca.TaskNamespace("t", "p", "w", "a")
    assert str(task) == "t::p::w::a"
    assert (task.tenant_id, task.package_name, task.workflow_id, task.task_id) == (
        *("t", "p", "w", "a"),
    )
    assert len({task, cloaca.TaskNamespace("t", "p", "w", "a")}) == 1
    assert task.is_sibling_of(cloaca.TaskNamespace("t", "p", "w", "b"))
    assert not task.is_sibling_of(cloaca.TaskNamespace("t", "p", "x", "b"))
    for text in ("", "a::b::c", "a::b::c::d::e", "a:b:c:d"):
        with pytest.raises(ValueError, match="Invalid namespace format"):
            cloaca.TaskNamespace.from_string(text)
    workflow = cloaca.WorkflowContext("t", "p", "w")
    assert workflow.task_namespace("a") == task
    assert workflow.contains_namespace(task)
    assert workflow.workflow_namespace() == task.parent()
    assert str(workflow) == "t::p::w"


# -- versions ------------------------------------------------------------------------------------


def test_equal_definitions_have_equal_versions_and_others_others(
    registry: cloaca.Registry,
) -> None:
    def build(
        constant: int = 1, *, name: str = "v", text: str = "", tag: str = "", **options: Any
    ) -> str:
        builder = cloaca.WorkflowBuilder(name, registry=registry).description(text)
        if tag:
            builder.tag("tag", tag)
        with builder:
            if constant == 1:
                cloaca.task(id="only", **options)(lambda context: {"x": 1})
            else:
                cloaca.task(id="only", **options)(lambda context: {"x": 2})
        return builder.workflow.version

    assert build() == build()
    versions = [
        build(),
        build(2),
        build(text="described"),
        build(tag="tagged"),
        build(retry_attempts=7),
        build(trigger_rules=cloaca.always()),
    ]
    assert len(set(versions)) == len(versions)


def test_a_version_is_the_same_in_every_process() -> None:
    program = (
        "import cloaca\n"
        "b = cloaca.WorkflowBuilder('stable').tag('a', '1').tag('b', '2')\n"
        "with b:\n"
        "    @cloaca.task(retry_attempts=2)\n"
        "    def body(context, handle=None):\n"
        "        def inner(x): return x in {'a', 'b', 'c', 'd', 'e'}\n"
        "        context['x'] = [inner(y) for y in ('a', 'z')]\n"
        "print(b.workflow.version)\n"
    )
    versions = {
        subprocess.run(
            [sys.executable, "-c", "\n" * lines + program],
            capture_output=True, text=True, check=True,
        ).stdout
        for lines in (0, 5)
    }  # fmt: skip
    assert len(versions) == 1


@dataclass
class Node:
    """Part of a tree; its cache is not there before its first use."""

    name: str
    parent: Node | None = None
    children: list[Node] = field(default_factory=list)
    cache: Any = field(init=False)


def test_what_a_body_is_given_may_hold_itself(
    own_runner: cloaca.DefaultRunner, registry: cloaca.Registry
) -> None:
    def body(tree: Node, context: cloaca.Context) -> dict[str, Any]:
        return {"names": [child.name for child in tree.children]}

    def define(*names: str) -> str:
        tree = Node("root")
        tree.children.extend(Node(name, tree) for name in names)
        with cloaca.WorkflowBuilder("job", registry=registry) as builder:
            cloaca.task(id="only")(partial(body, tree))
        return builder.workflow.version

    assert define("a", "c") != define("a", "b") == define("a", "b")
    assert own_runner.execute("job").final_context.to_dict() == {"names": ["a", "b"]}


def test_a_run_records_the_version_that_it_ran(
    own_runner: cloaca.DefaultRunner, registry: cloaca.Registry
) -> None:
    first = define(registry)
    old = own_runner.execute("job")
    with cloaca.WorkflowBuilder("job", registry=registry) as builder:
        cloaca.task(id="another")(lambda context: {"answer": "new"})
    new = own_runner.execute("job")
    assert (old.version, new.version) == (first.version, builder.workflow.version)
    assert old.version != new.version
    assert [run.version for run in own_runner.list_runs()] == [new.version, old.version]
    assert new.final_context.to_dict() == {"answer": "new"}


def test_a_run_in_flight_keeps_the_definition_that_it_started_with(
    own_runner: cloaca.DefaultRunner, registry: cloaca.Registry
) -> None:
    inside, release = threading.Event(), threading.Event()

    def wait(context: cloaca.Context) -> None:
        inside.set()
        assert release.wait(WAIT)

    with cloaca.WorkflowBuilder("job", registry=registry):
        cloaca.task(id="wait")(wait)
        cloaca.task(id="after", dependencies=["wait"])(lambda context: {"definition": "old"})
    old = own_runner.submit("job")
    assert inside.wait(WAIT)
    with cloaca.WorkflowBuilder("job", registry=registry):
        cloaca.task(id="after")(lambda context: {"definition": "new"})
    assert own_runner.execute("job").final_context.to_dict() == {"definition": "new"}
    release.set()
    assert old.result(WAIT).final_context.to_dict() == {"definition": "old"}
    assert list(old.result().task_results) == ["wait", "after"]


def test_a_block_that_fails_leaves_the_earlier_definition(
    own_runner: cloaca.DefaultRunner, registry: cloaca.Registry
) -> None:
    define(registry, "first")

    def define_half() -> None:
        with cloaca.WorkflowBuilder("job", registry=registry):
            cloaca.task(id="only")(lambda context: {"answer": "second"})
            raise RuntimeError("in the block")

    with pytest.raises(RuntimeError, match="in the block"):
        define_half()
    assert own_runner.execute("job").final_context["answer"] == "first"


def test_waiting_runs_are_picked_up_when_their_workflow_is_registered(
    database_url: str, registry: cloaca.Registry, own_runner: cloaca.DefaultRunner
) -> None:
    elsewhere = cloaca.Registry()
    define(elsewhere)
    with cloaca.DefaultRunner(database_url, registry=elsewhere, start=False) as submitter:
        handle = submitter.submit("job")
    assert own_runner.get_run(handle.id).status() == "Pending"
    define(registry, "registered later")
    result = own_runner.get_run(handle.id).result(WAIT)
    assert result.final_context.to_dict() == {"answer": "registered later"}
