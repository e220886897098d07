"""Full names and their parts: which are allowed, and how they relate."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given, strategies as st
from tables import each_row

from cloaca_core.errors import CloacaError, DefinitionError, DefinitionTypeError
from cloaca_core.values.namespace import TaskNamespace, WorkflowContext, check_name, short_name

# Single colons are allowed, but not where they could run into a separator.
NAMES = st.text(
    st.characters(exclude_categories=["Cs", "Cc"]) | st.just(":"), min_size=1, max_size=255
).filter(lambda name: "::" not in name and name[0] != ":" and name[-1] != ":")


class TestCheckName:
    @each_row("name", ["a", "a" * 255, "with space", "naïve-☃", "a:b", "'; DROP"])
    def test_an_allowed_name_is_given_back(self, name: str) -> None:
        assert check_name(name, "id") == name

    @each_row(
        ("fragment", "name"),
        [
            ("1 to 255 characters", ""),
            ("1 to 255 characters", "a" * 256),
            ("must not contain '::'", "a::b"),
            (
                "must not begin or end with ':'",
                ":a",
            ),  # "w:::a" could be "w:" and "a" too
            ("must not begin or end with ':'", "a:"),
            ("control characters", "a\nb"),
            ("control characters", "a\0"),
            ("control characters", "a\x7f"),
            ("control characters", "a\x85"),
            ("control characters", "a\ud800"),  # a lone surrogate cannot be stored either
        ],
    )
    def test_another_name_is_a_value_error_that_names_the_parameter(
        self, fragment: str, name: str
    ) -> None:
        with pytest.raises(DefinitionError) as caught:
            check_name(name, "id")
        assert str(caught.value).startswith("id ")
        assert fragment in str(caught.value)
        assert isinstance(caught.value, ValueError)

    def test_another_type_is_a_type_error(self) -> None:
        with pytest.raises(DefinitionTypeError, match="id must be a str, got int"):
            check_name(3, "id")


class TestTaskNamespace:
    def test_it_has_four_parts_and_is_written_with_double_colons(self) -> None:
        namespace = TaskNamespace("t", "p", "w", "k")
        assert namespace.tenant_id == "t"
        assert namespace.package_name == "p"
        assert namespace.workflow_id == "w"
        assert namespace.task_id == "k"
        assert str(namespace) == "t::p::w::k"
        assert repr(namespace) == "TaskNamespace('t', 'p', 'w', 'k')"

    def test_it_is_a_value(self) -> None:
        namespace = TaskNamespace("t", "p", "w", "k")
        assert namespace == TaskNamespace("t", "p", "w", "k")
        assert hash(namespace) == hash(TaskNamespace("t", "p", "w", "k"))
        assert namespace != TaskNamespace("t", "p", "w", "other")
        assert pickle.loads(pickle.dumps(namespace)) == namespace  # noqa: S301 - our own bytes

    @given(NAMES, NAMES, NAMES, NAMES)
    def test_from_string_reads_what_str_wrote(self, t: str, p: str, w: str, k: str) -> None:
        namespace = TaskNamespace(t, p, w, k)
        assert TaskNamespace.from_string(str(namespace)) == namespace

    @each_row("text", ["", "a", "a::b", "a::b::c", "a::b::c::d::e", "a::::c::d"])
    def test_from_string_refuses_another_format(self, text: str) -> None:
        with pytest.raises(DefinitionError, match="Invalid namespace format"):
            TaskNamespace.from_string(text)

    def test_from_string_refuses_another_type(self) -> None:
        with pytest.raises(DefinitionTypeError, match="namespace_str must be a str, got bytes"):
            TaskNamespace.from_string(b"a::b::c::d")  # type: ignore[arg-type] # the point of the test

    def test_a_part_that_is_no_name_is_refused(self) -> None:
        with pytest.raises(DefinitionError, match="package_name"):
            TaskNamespace("t", "", "w", "k")
        with pytest.raises(CloacaError, match="task_id"):
            TaskNamespace("t", "p", "w", "a::b")

    def test_the_parent_is_the_workflow(self) -> None:
        parent = TaskNamespace("t", "p", "w", "k").parent()
        assert parent == TaskNamespace("t", "p", "w", "")
        assert TaskNamespace.from_string(str(parent)) == parent
        assert parent.parent() == parent

    def test_a_task_is_a_child_of_its_own_workflow_only(self) -> None:
        task = TaskNamespace("t", "p", "w", "k")
        assert task.is_child_of(TaskNamespace("t", "p", "w", ""))
        assert not task.is_child_of(TaskNamespace("t", "p", "v", ""))
        assert not task.is_child_of(task)
        assert not task.parent().is_child_of(task.parent())

    def test_siblings_are_two_different_tasks_of_one_workflow(self) -> None:
        task = TaskNamespace("t", "p", "w", "k")
        assert task.is_sibling_of(TaskNamespace("t", "p", "w", "other"))
        assert not task.is_sibling_of(task)
        assert not task.is_sibling_of(TaskNamespace("t", "p", "v", "k"))
        assert not task.is_sibling_of(task.parent())
        assert not task.parent().is_sibling_of(task)

    def test_relatives_are_asked_for_with_a_namespace(self) -> None:
        task = TaskNamespace("t", "p", "w", "k")
        with pytest.raises(DefinitionTypeError, match="parent must be a TaskNamespace, got str"):
            task.is_child_of("t::p::w")  # type: ignore[arg-type] # the point of the test
        with pytest.raises(DefinitionTypeError, match="other must be a TaskNamespace, got int"):
            task.is_sibling_of(3)  # type: ignore[arg-type] # the point of the test


class TestWorkflowContext:
    def test_it_has_three_parts_and_is_a_value(self) -> None:
        place = WorkflowContext("t", "p", "w")
        assert (place.tenant_id, place.package_name, place.workflow_id) == ("t", "p", "w")
        assert str(place) == "t::p::w"
        assert repr(place) == "WorkflowContext('t', 'p', 'w')"
        assert place == WorkflowContext("t", "p", "w")
        assert hash(place) == hash(WorkflowContext("t", "p", "w"))

    def test_a_part_that_is_no_name_is_refused(self) -> None:
        with pytest.raises(DefinitionError, match="workflow_id"):
            WorkflowContext("t", "p", "a::b")

    def test_it_completes_the_name_of_a_task(self) -> None:
        assert WorkflowContext("t", "p", "w").task_namespace("k") == TaskNamespace(
            "t", "p", "w", "k"
        )

    @each_row("task_id", ["", "a::b", "a\n"])
    def test_a_task_id_that_is_no_name_is_refused(self, task_id: str) -> None:
        with pytest.raises(DefinitionError, match="task_id"):
            WorkflowContext("t", "p", "w").task_namespace(task_id)

    def test_a_dependency_is_a_short_id_or_a_full_name(self) -> None:
        place = WorkflowContext("t", "p", "w")
        assert place.resolve_dependency("k") == TaskNamespace("t", "p", "w", "k")
        assert place.resolve_dependency("a::b::c::d") == TaskNamespace("a", "b", "c", "d")

    def test_a_dependency_that_is_neither_is_refused(self) -> None:
        place = WorkflowContext("t", "p", "w")
        with pytest.raises(DefinitionError, match="Invalid namespace format"):
            place.resolve_dependency("a::b")
        with pytest.raises(DefinitionTypeError, match="task_name must be a str"):
            place.resolve_dependency(3)  # type: ignore[arg-type] # the point of the test

    def test_its_namespace_has_no_task(self) -> None:
        assert WorkflowContext("t", "p", "w").workflow_namespace() == TaskNamespace(
            "t", "p", "w", ""
        )

    def test_it_contains_its_tasks_and_itself(self) -> None:
        place = WorkflowContext("t", "p", "w")
        assert place.contains_namespace(TaskNamespace("t", "p", "w", "k"))
        assert place.contains_namespace(place.workflow_namespace())
        assert not place.contains_namespace(TaskNamespace("t", "p", "v", "k"))

    def test_what_it_contains_is_asked_with_a_namespace(self) -> None:
        with pytest.raises(DefinitionTypeError, match="namespace must be a TaskNamespace, got str"):
            WorkflowContext("t", "p", "w").contains_namespace("t::p::w::k")  # type: ignore[arg-type] # the point of the test


@each_row("name", ["flow", "a::flow", "t::p::flow"])
def test_the_short_name_is_the_last_part(name: str) -> None:
    assert short_name(name) == "flow"
