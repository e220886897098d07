"""The workflow: what it says about itself, what it refuses, its version and its drawings."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from tables import each_row

from cloaca_core.definition.fingerprint import fingerprint
from cloaca_core.definition.inputs.declared import input_of
from cloaca_core.definition.inputs.params import workflow_params
from cloaca_core.definition.limits.limit import LimitUse
from cloaca_core.definition.retries.policy import RetryPolicy
from cloaca_core.definition.task import Task
from cloaca_core.definition.waits.kinds import Approval, Sleep
from cloaca_core.definition.when_ended import WhenEnded
from cloaca_core.definition.workflow import Workflow
from cloaca_core.definition.written_rules import (
    RuleDict,
    all_of,
    chosen,
    parse_rule,
    task_failed,
    task_success,
)
from cloaca_core.errors import (
    CloacaError,
    DefinitionTypeError,
    TaskNotFoundError,
    WorkflowValidationError,
)
from cloaca_core.values.times.no_limit import NO_LIMIT


def noop(context: object) -> None:
    """A task's function."""


def new_task(task_id: str, *dependencies: str, rule: object = None) -> Task:
    return Task(
        id=task_id,
        function=noop,
        dependencies=dependencies,
        retry=RetryPolicy.default(),
        timeout_seconds=None,
        rule=None if rule is None else parse_rule(rule),
        on_success=None,
        on_failure=None,
        on_cancel=None,
        is_async=False,
        wants_handle=False,
    )


def workflow_of(*tasks: Task, **facts: object) -> Workflow:
    given = {"namespace": "t::p::w", "name": "w", **facts}
    return Workflow(tasks=tasks, **given)  # type: ignore[arg-type] # facts are of many types


NODES = (
    new_task("a"),
    replace(new_task("ok"), wait=Approval("Pay?", ("approve", "no"))),
    replace(new_task("rest"), wait=Sleep(1.0)),
)
DIAMOND = (new_task("a"), new_task("c", "a"), new_task("b", "a"), new_task("d", "b", "c"))


class TestFacts:
    def test_its_repr_names_it_and_counts_its_tasks(self) -> None:
        assert repr(workflow_of(*DIAMOND, name="x")) == "Workflow(name='x', tasks=4)"

    def test_it_has_what_it_was_given(self) -> None:
        made = workflow_of(*DIAMOND, description="Sums.", tags={"team": "data"})
        assert made.namespace == "t::p::w"
        assert made.name == "w"
        assert made.description == "Sums."
        assert made.tags == {"team": "data"}
        assert made.tasks == DIAMOND

    def test_a_description_that_nobody_gave_is_empty(self) -> None:
        assert workflow_of(new_task("a")).description == ""

    def test_a_time_limit_that_nobody_gave_is_the_runners(self) -> None:
        assert workflow_of(new_task("a")).time_limit is None
        assert workflow_of(new_task("a"), time_limit=5.0).time_limit == 5.0

    @each_row("limit", [5.0, NO_LIMIT])
    def test_a_time_limit_is_part_of_its_version_and_none_leaves_that_as_it_was(
        self, limit: object
    ) -> None:
        plain, limited = workflow_of(new_task("a")), workflow_of(new_task("a"), time_limit=limit)

        assert limited.version != plain.version
        assert plain.version == fingerprint([plain.tasks, "", {}])

    def test_what_follows_its_runs_is_part_of_its_version(self) -> None:
        first = WhenEnded(("Failed",), "a::b::alert", {"n": 1})
        others = [
            (replace(first, statuses=("Failed", "Cancelled")),),
            (replace(first, submit="a::b::other"),),
            (replace(first, context={"n": 2}),),
            (first, first),
            (),
        ]
        told = workflow_of(new_task("a"), when_ended=(first,))

        same = workflow_of(new_task("a"), when_ended=[replace(first, context={"n": 1})])
        assert same.version == told.version
        for other in others:
            assert workflow_of(new_task("a"), when_ended=other).version != told.version

    def test_its_tags_cannot_be_changed(self) -> None:
        given = {"team": "data"}
        made = workflow_of(new_task("a"), tags=given)
        given["team"] = "other"
        assert made.tags == {"team": "data"}
        with pytest.raises(TypeError):
            made.tags["team"] = "other"  # type: ignore[index] # the point of the test

    @each_row("name", ["b", "t::p::w::b"])
    def test_a_task_is_had_by_its_id(self, name: str) -> None:
        assert workflow_of(*DIAMOND).task(name) is DIAMOND[2]

    def test_an_unknown_task_is_a_key_error(self) -> None:
        for kind in (KeyError, TaskNotFoundError, CloacaError):
            with pytest.raises(kind, match="No task 'x'"):
                workflow_of(*DIAMOND).task("x")

    def test_a_task_is_asked_for_by_text(self) -> None:
        with pytest.raises(DefinitionTypeError, match="task_id must be a str, got int"):
            workflow_of(*DIAMOND).task(3)  # type: ignore[arg-type] # the point of the test


class TestShape:
    def test_topological_sort_is_by_level_and_definition(self) -> None:
        assert workflow_of(*DIAMOND).topological_sort() == [
            "t::p::w::a",
            "t::p::w::c",
            "t::p::w::b",
            "t::p::w::d",
        ]

    def test_levels_are_what_can_run_at_the_same_time(self) -> None:
        assert workflow_of(*DIAMOND).get_execution_levels() == [
            ["t::p::w::a"],
            ["t::p::w::c", "t::p::w::b"],
            ["t::p::w::d"],
        ]

    def test_roots_and_leaves_are_its_ends(self) -> None:
        made = workflow_of(*DIAMOND, new_task("e"))
        assert made.get_roots() == ["t::p::w::a", "t::p::w::e"]
        assert made.get_leaves() == ["t::p::w::d", "t::p::w::e"]


class TestValidation:
    def test_one_that_could_be_made_is_valid(self) -> None:
        workflow_of(*DIAMOND).validate()

    def test_it_cannot_be_empty(self) -> None:
        with pytest.raises(ValueError, match=r"^Workflow cannot be empty$"):
            workflow_of()

    def test_every_dependency_has_to_be_there(self) -> None:
        message = (
            "^Missing dependency: task 't::p::w::a' depends on 't::p::w::x' which is not registered"
        )
        with pytest.raises(WorkflowValidationError, match=message) as caught:
            workflow_of(new_task("a", "x"))
        assert caught.value.missing == "x"

    def test_a_misspelt_dependency_is_told_what_it_may_be(self) -> None:
        with pytest.raises(WorkflowValidationError, match=r"not registered \(did you mean 'load'"):
            workflow_of(new_task("load"), new_task("a", "loads"))

    def test_a_dependency_in_another_workflow_is_named_in_full(self) -> None:
        with pytest.raises(WorkflowValidationError, match="depends on 't::p::other::x' which"):
            workflow_of(new_task("a", "t::p::other::x"))

    def test_a_cycle_is_refused_with_its_path(self) -> None:
        with pytest.raises(WorkflowValidationError) as caught:
            workflow_of(new_task("a", "c"), new_task("b", "a"), new_task("c", "b"))
        assert str(caught.value) == (
            'Circular dependency detected: ["t::p::w::a", "t::p::w::c", "t::p::w::b", "t::p::w::a"]'
        )

    def test_of_a_long_cycle_both_ends_are_shown(self) -> None:
        tasks = [new_task(f"t{n}", f"t{(n + 1) % 3_000}") for n in range(3_000)]
        with pytest.raises(WorkflowValidationError) as caught:
            workflow_of(*tasks)
        first = [f"t::p::w::t{n}" for n in range(5)]
        last = [f"t::p::w::t{n}" for n in (2_996, 2_997, 2_998, 2_999, 0)]
        shown = json.dumps([*first, "…", *last], ensure_ascii=False)
        assert str(caught.value) == f"Circular dependency detected: {shown} (3000 tasks)"

    @each_row("name", ["a", "b"])
    def test_a_rule_may_name_direct_and_transitive_dependencies(self, name: str) -> None:
        workflow_of(new_task("a"), new_task("b", "a"), new_task("c", "b", rule=task_failed(name)))

    @each_row(
        "name",
        [
            pytest.param("d", id="a dependent"),
            pytest.param("e", id="an unrelated task"),
            pytest.param("c", id="itself"),
            pytest.param("x", id="no task"),
            pytest.param("t::p::other::a", id="a task of another workflow"),
        ],
    )
    def test_a_rule_may_name_no_other(self, name: str) -> None:
        rule = all_of(task_success("a"), task_success(name))
        with pytest.raises(WorkflowValidationError) as caught:
            workflow_of(
                new_task("a"), new_task("c", "a", rule=rule), new_task("d", "c"), new_task("e")
            )
        assert str(caught.value).startswith(
            "@cloaca.task(trigger_rules=...): invalid trigger rule: task 't::p::w::c' names "
            f"'{name if '::' in name else 't::p::w::' + name}'"
        )

    @each_row(
        ("condition", "end"),
        [
            (chosen("ok", "maybe"), "'maybe' of 't::p::w::ok', which has the choices approve, no"),
            (chosen("a", "approve"), "'approve' of 't::p::w::a', which is no approval"),
            (chosen("rest", "approve"), "'approve' of 't::p::w::rest', which is no approval"),
        ],
    )
    def test_a_choice_that_cannot_be_made(self, condition: RuleDict, end: str) -> None:
        with pytest.raises(WorkflowValidationError) as caught:
            workflow_of(*NODES, new_task("b", "ok", "a", "rest", rule=all_of(condition)))
        assert str(caught.value) == (
            "@cloaca.task(trigger_rules=...): invalid trigger rule: task 't::p::w::b' asks for "
            f"the choice {end}"
        )

    def test_a_choice_of_an_approval_that_is_no_dependency(self) -> None:
        with pytest.raises(WorkflowValidationError, match="not one of its direct or transitive"):
            workflow_of(*NODES, new_task("b", "a", rule=chosen("ok", "approve")))

    def test_a_choice_may_be_that_of_an_approval_further_up(self) -> None:
        last = new_task("c", "b", rule=chosen("ok", "no"))
        assert workflow_of(*NODES, new_task("b", "ok"), last).task("c") is last


class TestVersion:
    def test_it_has_16_hex_digits(self) -> None:
        assert re.fullmatch("[0-9a-f]{16}", workflow_of(*DIAMOND).version)

    def test_equal_definitions_have_the_same(self) -> None:
        one = workflow_of(*DIAMOND, tags={"a": "1", "b": "2"})
        other = workflow_of(*DIAMOND, tags={"b": "2", "a": "1"})
        assert one.version == other.version

    def test_the_name_is_no_part_of_it(self) -> None:
        other = workflow_of(*DIAMOND, namespace="other::p::w", name="x")
        assert other.version == workflow_of(*DIAMOND).version

    @each_row(
        "change",
        [
            lambda task: dataclasses.replace(task, id="z"),
            lambda task: dataclasses.replace(task, function=print),
            lambda task: dataclasses.replace(task, retry=RetryPolicy(max_attempts=4)),
            lambda task: dataclasses.replace(task, retry=RetryPolicy(condition=(KeyError,))),
            lambda task: dataclasses.replace(task, timeout_seconds=1.0),
            lambda task: dataclasses.replace(task, rule=parse_rule({"type": "Always"})),
            lambda task: dataclasses.replace(task, on_success=print),
            lambda task: dataclasses.replace(task, on_failure=print),
        ],
    )
    def test_each_setting_of_a_task_is(self, change: Callable[[Task], Task]) -> None:
        assert workflow_of(change(new_task("a"))).version != workflow_of(new_task("a")).version

    def test_dependencies_and_their_order_are(self) -> None:
        ends = new_task("a"), new_task("b")
        versions = {
            workflow_of(*ends, new_task("c", *dependencies)).version
            for dependencies in ((), ("a",), ("a", "b"), ("b", "a"))
        }
        assert len(versions) == 4

    def test_the_order_of_definition_is(self) -> None:
        one, other = (
            workflow_of(new_task("a"), new_task("b")),
            workflow_of(new_task("b"), new_task("a")),
        )
        assert one.version != other.version

    def test_description_and_tags_are(self) -> None:
        versions = {
            workflow_of(new_task("a")).version,
            workflow_of(new_task("a"), description="x").version,
            workflow_of(new_task("a"), tags={"x": ""}).version,
        }
        assert len(versions) == 3

    def test_the_schema_of_an_input_counts_and_its_absence_does_not(self) -> None:
        def version(*inputs: object) -> str:
            given = [input_of(each) for each in inputs]
            return workflow_of(new_task("a"), **({"input_type": given[0]} if given else {})).version

        one = version(workflow_params(n=int))
        assert one == version(workflow_params(n=int))
        others = [version(workflow_params(n=(int, 1))), version(workflow_params(n=str)), version()]
        assert len({one, *others}) == 4
        facts: list[object] = [(new_task("a"),), "", {}]
        assert version() == fingerprint(facts)

    def test_a_node_an_executor_a_queue_and_limits_count_and_their_absence_does_not(self) -> None:
        """Workflows without them have the versions that they had before there were any."""
        plain, node = new_task("a"), dataclasses.replace(new_task("a"), wait=Sleep(1.0))
        other = dataclasses.replace(node, wait=Sleep(2.0))
        sent = dataclasses.replace(plain, executor="cpu")
        queued = dataclasses.replace(plain, queue="gpu")
        limited = dataclasses.replace(plain, limits=(LimitUse("gpu"),))
        booking = dataclasses.replace(plain, transactional=True)
        each_other = (plain, node, other, sent, queued, limited, booking)
        assert len({workflow_of(each).version for each in each_other}) == 7
        later = {"wait", "executor", "map", "queue", "limits", "invokes", "transactional"}
        names = [each.name for each in dataclasses.fields(Task) if each.name not in later]
        before = dataclasses.make_dataclass("Task", names, frozen=True)
        facts = {name: getattr(plain, name) for name in names}
        assert fingerprint(before(**facts)) == fingerprint(plain)


class TestDrawings:
    def test_nodes_that_wait_have_another_shape(self) -> None:
        made = workflow_of(*NODES)
        assert '    t0["a"]\n    t1{{"ok"}}\n' in made.to_mermaid()
        assert '    t0 [label="a"];\n    t1 [label="ok", shape=hexagon];\n' in made.to_dot()

    def test_mermaid(self) -> None:
        assert workflow_of(*DIAMOND).to_mermaid() == (
            "flowchart TD\n"
            '    t0["a"]\n    t1["c"]\n    t2["b"]\n    t3["d"]\n'
            "    t0 --> t1\n    t0 --> t2\n    t2 --> t3\n    t1 --> t3\n"
        )

    def test_dot(self) -> None:
        assert workflow_of(*DIAMOND).to_dot() == (
            'digraph "w" {\n'
            '    t0 [label="a"];\n    t1 [label="c"];\n    t2 [label="b"];\n    t3 [label="d"];\n'
            "    t0 -> t1;\n    t0 -> t2;\n    t2 -> t3;\n    t1 -> t3;\n"
            "}\n"
        )

    def test_names_cannot_break_out_of_their_labels(self) -> None:
        made = workflow_of(new_task('say "#1"\\'))
        assert '    t0["say #quot;#35;1#quot;\\"]\n' in made.to_mermaid()
        assert '    t0 [label="say \\"#1\\"\\\\"];\n' in made.to_dot()
