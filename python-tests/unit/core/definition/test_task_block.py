"""The block: which task a reference means, and what it takes."""

from __future__ import annotations

import functools
from collections.abc import Callable

import pytest
from tables import each_row

from cloaca_core.definition.retries.policy import RetryPolicy
from cloaca_core.definition.rules import rule_tasks
from cloaca_core.definition.task import DeclaredTask, Options
from cloaca_core.definition.task_block import Block
from cloaca_core.definition.written_rules import (
    parse_rule,
    task_success,
)
from cloaca_core.errors import DefinitionError, WorkflowValidationError
from cloaca_core.values.node import Reference


def noop(context: object) -> None:
    """A task's function."""


def declared(
    task_id: str,
    function: Callable[..., object] = noop,
    dependencies: tuple[Reference, ...] = (),
    rule: object = None,
) -> DeclaredTask:
    options = Options(
        id=task_id,
        dependencies=dependencies,
        retry=RetryPolicy.default(),
        timeout_seconds=None,
        rule=None if rule is None else parse_rule(rule),
        on_success=None,
        on_failure=None,
        on_cancel=None,
    )
    return DeclaredTask(task_id, function, wants_handle=False, options=options)


def block_of(*tasks: DeclaredTask) -> Block:
    block = Block("t::p::w")
    for one in tasks:
        block.add(one)
    return block


def decorated(function: Callable[..., object]) -> Callable[..., object]:
    @functools.wraps(function)
    def wrapper(context: object) -> object:
        return function(context)

    return wrapper


def new_function(name: str) -> Callable[..., object]:
    def function(context: object) -> None: ...

    function.__name__ = name
    return function


class Steps:
    """Equal to each other, and without a hash."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Steps)

    def step(self, context: object) -> None: ...


class TestAdding:
    def test_an_id_is_taken_once(self) -> None:
        block = block_of(declared("a"))
        with pytest.raises(DefinitionError, match=r"^Duplicate task: 't::p::w::a'"):
            block.add(declared("a", new_function("other")))

    def test_a_refused_task_leaves_no_trace(self) -> None:
        block, other = block_of(declared("a")), new_function("other")
        with pytest.raises(DefinitionError):
            block.add(declared("a", other))
        assert block.find(other) is None
        assert [task.function for task in block.tasks()] == [noop]

    def test_wrappers_in_a_circle_are_refused_and_leave_no_trace(self) -> None:
        block, circle = block_of(declared("a")), decorated(noop)
        circle.__wrapped__ = circle  # type: ignore[attr-defined] # what no decorator does
        with pytest.raises(ValueError, match="wrapper loop"):
            block.add(declared("b", circle))
        assert block.find("b") is None

    def test_tasks_come_in_definition_order(self) -> None:
        assert [task.id for task in block_of(declared("b"), declared("a")).tasks()] == ["b", "a"]


class TestNames:
    @each_row("reference", ["a", "t::p::w::a"])
    def test_a_task_is_found_by_its_short_and_by_its_full_name(self, reference: str) -> None:
        assert block_of(declared("a")).find(reference) == "a"

    @each_row("reference", ["b", "t::p::other::a", "A", ""])
    def test_another_name_finds_none(self, reference: str) -> None:
        assert block_of(declared("a")).find(reference) is None

    def test_dependencies_may_be_defined_later(self) -> None:
        block = block_of(declared("b", dependencies=("a",)), declared("a"))
        assert block.tasks()[0].dependencies == ("a",)

    def test_dependencies_keep_their_order_and_count_once(self) -> None:
        dependencies = ("c", "a", noop, "t::p::w::c")
        block = block_of(
            declared("a"),
            declared("c", new_function("c")),
            declared("b", new_function("b"), dependencies),
        )
        assert block.tasks()[2].dependencies == ("c", "a")

    def test_an_unknown_dependency_keeps_its_name(self) -> None:
        dependencies = ("x", "t::p::other::a", new_function("y"))
        block = block_of(declared("a", dependencies=dependencies))
        assert block.tasks()[0].dependencies == ("x", "t::p::other::a", "y")

    @each_row("name", ["a", "t::p::w::a"])
    def test_the_names_in_a_rule_become_short(self, name: str) -> None:
        [task] = block_of(declared("b", rule=task_success(name))).tasks()
        assert task.rule is not None
        assert tuple(rule_tasks(task.rule)) == ("a",)


class TestFunctions:
    def test_a_function_means_the_task_that_it_was_registered_as(self) -> None:
        assert block_of(declared("some id")).find(noop) == "some id"

    def test_its_identity_comes_before_its_name(self) -> None:
        one, other = new_function("same"), new_function("same")
        block = block_of(declared("a", one), declared("b", other))
        assert (block.find(one), block.find(other)) == ("a", "b")

    def test_a_method_is_the_same_at_each_look_at_it(self) -> None:
        one, other = Steps(), Steps()
        block = block_of(declared("a", one.step), declared("b", other.step))
        assert (block.find(one.step), block.find(other.step)) == ("a", "b")

    def test_what_wraps_a_method_means_its_task(self) -> None:
        one, other = Steps(), Steps()
        block = block_of(declared("a", one.step), declared("b", other.step))
        assert block.find(decorated(other.step)) == "b"

    def test_a_method_of_another_object_counts_by_its_name(self) -> None:
        assert block_of(declared("a", Steps().step)).find(Steps().step) == "a"

    def test_it_comes_before_a_task_of_that_id(self) -> None:
        block = block_of(declared("other"), declared("noop", new_function("x")))
        assert block.find(noop) == "other"

    def test_a_wrapper_means_the_task_of_what_it_wraps(self) -> None:
        block = block_of(declared("a"), declared("noop", new_function("x")))
        assert block.find(decorated(decorated(noop))) == "a"

    def test_what_is_wrapped_means_the_task_of_its_wrapper(self) -> None:
        block = block_of(declared("a", decorated(noop)), declared("noop", new_function("x")))
        assert block.find(noop) == "a"

    def test_then_the_name_of_the_function_counts(self) -> None:
        assert block_of(declared("a", new_function("same"))).find(new_function("same")) == "a"

    def test_the_id_counts_as_a_name(self) -> None:
        assert block_of(declared("same")).find(new_function("same")) == "same"

    def test_another_function_finds_none(self) -> None:
        assert block_of(declared("a")).find(new_function("other")) is None

    @each_row(
        ("tasks", "reference"),
        [
            pytest.param([declared("a"), declared("b")], noop, id="by identity"),
            pytest.param(
                [declared("a", decorated(noop)), declared("b", decorated(noop))],
                noop,
                id="by what they wrap",
            ),
            pytest.param(
                [declared("a", new_function("f")), declared("b", new_function("f"))],
                new_function("f"),
                id="by name",
            ),
        ],
    )
    def test_two_matches_are_refused(
        self, tasks: list[DeclaredTask], reference: Callable[..., object]
    ) -> None:
        with pytest.raises(WorkflowValidationError, match="several tasks: a, b; name the one"):
            block_of(*tasks).find(reference)

    def test_an_earlier_way_with_one_match_decides(self) -> None:
        block = block_of(declared("a"), declared("b", decorated(noop)))
        assert block.find(noop) == "a"
