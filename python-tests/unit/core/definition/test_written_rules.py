"""Trigger rules as dicts: how they are written, read, refused, and written again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st
from tables import each_row

from cloaca_core.definition.rules import (
    All,
    Always,
    Any_,
    Chosen,
    ContextValue,
    FunctionName,
    None_,
    NoneFailed,
    Operator,
    TaskIs,
    rule_tasks,
)
from cloaca_core.definition.written_rules import (
    RuleDict,
    all_of,
    always,
    any_of,
    chosen,
    context_value,
    none_failed,
    none_of,
    parse_rule,
    task_failed,
    task_skipped,
    task_success,
    to_dict,
)
from cloaca_core.errors import DefinitionError, DefinitionTypeError
from cloaca_core.values.node import Node
from cloaca_core.values.states import TaskStatus

PREFIX = "@cloaca.task(trigger_rules=...): invalid trigger rule: "


class TestWriting:
    def test_the_functions_give_the_dicts_of_the_contract(self) -> None:
        assert always() == {"type": "Always"}
        assert none_failed() == {"type": "NoneFailed"}
        assert task_success("a") == {"type": "TaskSuccess", "task_name": "a"}
        assert task_failed("a") == {"type": "TaskFailed", "task_name": "a"}
        assert task_skipped("a") == {"type": "TaskSkipped", "task_name": "a"}
        assert context_value("k", "Equals", 1) == {
            "type": "ContextValue",
            "key": "k",
            "operator": "Equals",
            "value": 1,
        }
        condition = task_success("a")
        assert all_of(condition) == {"type": "All", "conditions": [condition]}
        assert any_of(condition) == {"type": "Any", "conditions": [condition]}
        assert none_of() == {"type": "None", "conditions": []}

    def test_an_operator_is_written_by_its_full_name(self) -> None:
        assert context_value("k", "greater_than", 1)["operator"] == "GreaterThan"

    def test_a_bad_context_value_is_refused_at_once(self) -> None:
        with pytest.raises(DefinitionError, match="unknown operator 'zz'"):
            context_value("k", "zz", 1)  # type: ignore[arg-type] # the point of the test
        with pytest.raises(DefinitionError, match="value: nan has no JSON form") as refused:
            context_value("k", "==", float("nan"))
        assert not isinstance(refused.value, TypeError)

    def test_a_value_of_another_type_is_a_wrong_rule_and_a_wrong_type(self) -> None:
        for value, told in (({1}, "value: set has"), ({"a": [b"x"]}, r"value\.a\[0\]: bytes has")):
            with pytest.raises(DefinitionTypeError, match=f"invalid trigger rule: {told}"):
                context_value("k", "==", value)

    def test_a_task_is_named_as_in_dependencies(self) -> None:
        accepted = "task_name must be a task's id, function or node, got int"
        with pytest.raises(DefinitionTypeError, match=accepted):
            task_success(3)  # type: ignore[arg-type] # the point of the test

    def test_a_function_stands_for_its_name_until_the_workflow_is_built(self) -> None:
        def charge(context: object) -> None: ...

        written = task_failed(charge)
        assert written == {"type": "TaskFailed", "task_name": "charge"}
        assert json.loads(json.dumps(written)) == written
        by_hand = {"type": "TaskFailed", "task_name": charge}
        for raw in (written, by_hand):
            [name] = rule_tasks(parse_rule(raw))
            assert isinstance(name, FunctionName)
            assert name.function is charge

    def test_a_node_is_named_by_its_id(self) -> None:
        assert task_success(Node("a")) == {"type": "TaskSuccess", "task_name": "a"}
        assert task_failed(Node("a")) == {"type": "TaskFailed", "task_name": "a"}
        assert task_skipped(Node("a")) == {"type": "TaskSkipped", "task_name": "a"}

    def test_a_choice_is_asked_for_by_name(self) -> None:
        written = {"type": "Chosen", "task_name": "ok", "choice": "approve"}
        assert chosen(Node("ok"), "approve") == chosen("ok", "approve") == written
        with pytest.raises(DefinitionTypeError, match="choice must be a str"):
            chosen("ok", 1)  # type: ignore[arg-type] # the point of the test


def equals_nan() -> RuleDict:
    return {"type": "ContextValue", "key": "k", "operator": "==", "value": [float("nan")]}


class TestReading:
    def test_a_rule_becomes_a_value(self) -> None:
        success = TaskIs("a", TaskStatus.COMPLETED)
        assert parse_rule(always()) == Always()
        assert parse_rule(all_of(task_success("a"))) == All((success,))
        assert parse_rule(any_of(task_failed("a"))) == Any_((TaskIs("a", TaskStatus.FAILED),))
        assert parse_rule(none_of(task_skipped("a"))) == None_((TaskIs("a", TaskStatus.SKIPPED),))
        assert parse_rule(all_of(context_value("k", ">", 1))) == All(
            (ContextValue("k", Operator.GREATER_THAN, 1),)
        )

    def test_a_choice_is_read_and_written_again(self) -> None:
        rule = parse_rule(any_of(chosen("ok", "approve")))
        assert rule == Any_((Chosen("ok", "approve"),))
        assert to_dict(rule) == any_of(chosen("ok", "approve"))
        with pytest.raises(DefinitionError, match="missing field 'choice' of Chosen"):
            parse_rule({"type": "Chosen", "task_name": "ok"})
        with pytest.raises(DefinitionError, match="unknown field 'by' of Chosen"):
            parse_rule(chosen("ok", "approve") | {"by": "ann"})

    def test_a_bare_condition_means_all_of_it(self) -> None:
        assert parse_rule(none_failed()) == All((NoneFailed(),))
        assert parse_rule(task_success("a")) == All((TaskIs("a", TaskStatus.COMPLETED),))

    def test_conditions_may_be_a_tuple(self) -> None:
        rule = {"type": "Any", "conditions": (task_success("a"),)}
        assert parse_rule(rule) == Any_((TaskIs("a", TaskStatus.COMPLETED),))

    @each_row(
        ("operator", "names"),
        [
            (Operator.EQUALS, ["Equals", "==", "eq", "EQUALS", "_eq_uals"]),
            (Operator.NOT_EQUALS, ["NotEquals", "!=", "ne", "not_equals", "NE"]),
            (Operator.GREATER_THAN, ["GreaterThan", ">", "gt", "greater_than"]),
            (Operator.LESS_THAN, ["LessThan", "<", "lt", "LESS_THAN"]),
            (Operator.CONTAINS, ["Contains", "contains"]),
            (Operator.NOT_CONTAINS, ["NotContains", "not_contains"]),
            (Operator.EXISTS, ["Exists", "exists"]),
            (Operator.NOT_EXISTS, ["NotExists", "not_exists"]),
        ],
    )
    def test_case_and_underscores_of_operators_are_ignored(
        self, operator: Operator, names: list[str]
    ) -> None:
        for name in names:
            rule = {"type": "ContextValue", "key": "k", "operator": name, "value": None}
            assert parse_rule(rule) == All((ContextValue("k", operator, None),))

    def test_exists_needs_no_value_and_ignores_one(self) -> None:
        bare = {"type": "ContextValue", "key": "k", "operator": "Exists"}
        assert parse_rule(bare) == parse_rule({**bare, "value": object()})

    def test_a_value_is_copied(self) -> None:
        value = [1]
        rule = parse_rule({"type": "ContextValue", "key": "k", "operator": "==", "value": value})
        value.append(2)
        assert rule == All((ContextValue("k", Operator.EQUALS, [1]),))

    @each_row(
        ("reason", "raw"),
        [
            ("expected a dict such as all_of(task_success('a')), got str", "Always"),
            ("expected a dict such as all_of(task_success('a')), got list", []),
            ("unknown type None: expected one of Always, All, Any, None, NoneFailed, Task", {}),
            (
                "unknown type 'all' (did you mean 'All'?): expected one of Always",
                {"type": "all", "conditions": []},
            ),
            ("unknown type [1]", {"type": [1]}),
            ("unknown field 'conditions' of Always", {"type": "Always", "conditions": []}),
            ("missing field 'conditions' of All", {"type": "All"}),
            ("unknown field 'x' of All", {"type": "All", "conditions": [], "x": 1}),
            ("conditions of Any must be a list, got dict", {"type": "Any", "conditions": {}}),
            ("unknown type 'NoneFail' (did you mean 'NoneFailed'?)", {"type": "NoneFail"}),
            ("unknown field 'x' of NoneFailed: expected none", none_failed() | {"x": 1}),
            # In a nested rule the place is named.
            (
                "conditions[1].conditions[0]: missing field 'task_name' of TaskFailed",
                all_of(always(), any_of({"type": "TaskFailed"})),
            ),
            (
                "conditions[0]: unknown operator '=~'",
                none_of({"type": "ContextValue", "key": "k", "operator": "=~", "value": 1}),
            ),
            ("conditions[0]: value[0]: nan", any_of(equals_nan())),
            # What was meant.
            (
                (
                    "conditions[0]: expected a dict such as all_of(task_success('a')), got str; "
                    "about the end of a task: task_success('a')"
                ),
                none_of("a"),  # type: ignore[arg-type] # the point of the row
            ),
            (
                (
                    "expected a dict such as all_of(task_success('a')), got Node; "
                    "about the end of a task: task_success('ok')"
                ),
                Node("ok"),
            ),
            (
                (
                    "conditions[0]: expected a dict such as all_of(task_success('a')), got list; "
                    "all_of and any_of take conditions one by one: all_of(a, b), or all_of(*listed)"
                ),
                all_of([always()]),  # type: ignore[arg-type] # the point of the row
            ),
            (
                (
                    "expected a dict such as all_of(task_success('a')), got function; "
                    "call the function: none_failed(…)"
                ),
                none_failed,
            ),
            ("missing field 'task_name' of TaskSuccess", {"type": "TaskSuccess"}),
            (
                "task_name of TaskFailed must be a task's id, function or node, got int",
                {"type": "TaskFailed", "task_name": 1},
            ),
            (
                "missing field 'value' of ContextValue",
                {"type": "ContextValue", "key": "k", "operator": "=="},
            ),
            (
                "missing field 'key' of ContextValue",
                {"type": "ContextValue", "operator": "Exists"},
            ),
            (
                "unknown operator '=~': expected one of Equals (==), NotEquals (!=), Greater",
                {"type": "ContextValue", "key": "k", "operator": "=~", "value": 1},
            ),
            ("value[0]: nan", equals_nan()),
        ],
    )
    def test_a_wrong_rule_is_a_value_error_that_says_where_it_came_from(
        self, reason: str, raw: object
    ) -> None:
        with pytest.raises(DefinitionError) as caught:
            parse_rule(raw)
        assert str(caught.value).startswith(PREFIX + reason)
        assert isinstance(caught.value, ValueError)

    def test_rules_nest_as_deep_as_anybody_needs(self) -> None:
        rule = always()
        for _ in range(32):
            rule = all_of(rule)
        parse_rule(rule)
        with pytest.raises(DefinitionError, match="rules nest at most 32 deep"):
            parse_rule(any_of(rule))

    def test_a_rule_that_holds_itself_is_refused(self) -> None:
        rule: dict[str, Any] = {"type": "All", "conditions": []}
        rule["conditions"].append(rule)
        with pytest.raises(DefinitionError, match="rules nest at most 32 deep"):
            parse_rule(rule)

    @each_row(
        "raw",
        [
            "always",
            [task_success("a")],
            {"type": "All", "conditions": "a"},
            {"type": "All", "conditions": ["a"]},
            {"type": "TaskFailed", "task_name": 1},
            {"type": "ContextValue", "key": 1, "operator": "Exists"},
        ],
    )
    def test_a_wrong_type_is_a_type_error_as_well(self, raw: object) -> None:
        with pytest.raises(DefinitionTypeError) as caught:
            parse_rule(raw)
        assert str(caught.value).startswith(PREFIX)
        assert isinstance(caught.value, ValueError)


CONDITIONS = st.one_of(
    st.builds(task_success, st.text()),
    st.builds(task_failed, st.text()),
    st.builds(task_skipped, st.text()),
    st.builds(context_value, st.text(), st.sampled_from(Operator), st.integers(-9, 9) | st.none()),
)


def grouped(kind: str, conditions: list[RuleDict]) -> RuleDict:
    return {"type": kind, "conditions": conditions}


RULES = st.recursive(
    CONDITIONS | st.just(always()) | st.just(none_failed()),
    lambda inner: st.builds(grouped, st.sampled_from(["All", "Any", "None"]), st.lists(inner)),
    max_leaves=6,
)


class TestBothWays:
    @given(RULES)
    def test_to_dict_is_read_as_the_same_rule(self, raw: RuleDict) -> None:
        rule = parse_rule(raw)
        assert parse_rule(to_dict(rule)) == rule
