"""Trigger rules: when they hold."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given, strategies as st
from tables import each_row

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
)
from cloaca_core.run.trigger_rules import evaluate
from cloaca_core.values.option_names import OperatorName
from cloaca_core.values.payloads.json_values import JsonValue
from cloaca_core.values.states import TaskStatus

OPPOSITES: tuple[tuple[OperatorName, OperatorName], ...] = (
    ("equals", "not_equals"),
    ("contains", "not_contains"),
)


def holds(
    raw: RuleDict,
    context: Mapping[str, JsonValue] | None = None,
    states: Mapping[str, TaskStatus] | None = None,
    choices: Mapping[str, str] | None = None,
    *,
    none_failed: bool = True,
) -> bool:
    status_of, choice_of = (states or {}).__getitem__, (choices or {}).get
    return evaluate(parse_rule(raw), status_of, choice_of, context or {}, lambda: none_failed)


class TestChoices:
    def test_it_is_the_one_that_was_made(self) -> None:
        rule = chosen("ok", "approve")
        assert holds(rule, choices={"ok": "approve"})
        assert not holds(rule, choices={"ok": "reject"})
        assert not holds(rule, choices={})


class TestGroups:
    @each_row(
        ("expected", "raw"),
        [
            (True, always()),
            (True, all_of()),
            (False, any_of()),
            (True, none_of()),
            (True, all_of(task_success("a"), task_failed("b"))),
            (False, all_of(task_success("a"), task_success("b"))),
            (True, any_of(task_success("b"), task_success("a"))),
            (False, any_of(task_success("b"), task_failed("a"))),
            (True, none_of(task_success("b"), task_failed("a"))),
            (False, none_of(task_success("b"), task_success("a"))),
            (True, task_skipped("c")),
            (False, task_skipped("a")),
            (False, task_failed("c")),  # skipped is not failed
            (True, all_of(task_success("a"), context_value("n", ">", 1))),
            (True, all_of(task_success("a"), any_of(task_success("b"), task_skipped("c")))),
            (False, all_of(task_success("a"), none_of(any_of(), task_failed("b")))),
            (False, none_of(any_of(task_success("b")), always())),
        ],
    )
    def test_a_rule_over_a_completed_b_failed_c_skipped(
        self, expected: bool, raw: RuleDict
    ) -> None:
        states = {
            "a": TaskStatus.COMPLETED,
            "b": TaskStatus.FAILED,
            "c": TaskStatus.SKIPPED,
        }
        assert holds(raw, {"n": 2}, states) is expected


class TestNoneFailed:
    def test_it_is_what_the_default_rule_says(self) -> None:
        for none_has in (True, False):
            assert holds(none_failed(), none_failed=none_has) is none_has
            rule = all_of(none_failed(), context_value("n", "==", 2))
            assert holds(rule, {"n": 2}, none_failed=none_has) is none_has
            assert holds(none_of(none_failed()), none_failed=none_has) is not none_has


class TestOperators:
    @each_row(
        ("expected", "found", "operator", "wanted"),
        [
            (True, 5, "==", 5.0),  # numbers compare by value
            (True, [5, {"a": 1}], "==", [5.0, {"a": 1.0}]),  # at any depth
            (False, True, "==", 1),
            (False, 0, "==", False),
            (False, [True], "==", [1]),
            (True, True, "==", True),
            (True, None, "==", None),
            (False, None, "==", False),
            (False, "5", "==", 5),
            (True, {"a": 1, "b": 2}, "==", {"b": 2, "a": 1}),
            (False, {"a": 1}, "==", {"a": 1, "b": 2}),
            (False, [1, 2], "==", [2, 1]),
            (False, [1], "==", [1, 1]),
            (True, 2**63, "==", float(2**63)),
            (False, 2**63 + 1, "==", float(2**63)),
            (True, True, "!=", 1),
            (False, 5, "!=", 5.0),
            (True, 6, ">", 5.5),
            (False, 5, ">", 5),
            (True, 5, "<", 5.5),
            (False, "b", ">", "a"),  # only between numbers
            (False, True, ">", 0),
            (False, 1, "<", True),
            (False, None, "<", 1),
            (False, [2], ">", [1]),
            (True, "workflow", "contains", "flow"),
            (False, "workflow", "contains", "Flow"),
            (True, [1, 5], "contains", 5.0),
            (False, [1], "contains", True),
            (False, [[5]], "contains", 5),
            (True, {"a": 1}, "contains", "a"),
            (False, {"a": 1}, "contains", 1),
            (False, "5", "contains", 5),
            (False, 5, "contains", 5),
            (True, "workflow", "not_contains", "task"),
            (False, [1, 5], "not_contains", 5.0),
            (True, 5, "not_contains", 5),
            (True, None, "exists", None),  # a null key exists
            (False, None, "not_exists", None),
        ],
    )
    def test_of_a_key_that_is_there(
        self, expected: bool, found: JsonValue, operator: OperatorName, wanted: JsonValue
    ) -> None:
        assert holds(context_value("k", operator, wanted), {"k": found}) is expected

    @each_row(
        ("expected", "operator"),
        [
            (False, "=="),
            (True, "!="),
            (False, ">"),
            (False, "<"),
            (False, "contains"),
            (True, "not_contains"),
            (False, "exists"),
            (True, "not_exists"),
        ],
    )
    def test_of_a_missing_key(self, expected: bool, operator: OperatorName) -> None:
        assert holds(context_value("k", operator, None)) is expected
        assert holds(context_value("k", operator, 1)) is expected

    @given(st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.integers()))
    def test_a_negated_operator_is_the_opposite(self, found: JsonValue) -> None:
        for wanted in (0, 1, True, "a", None, [1]):
            for operator, opposite in OPPOSITES:
                plain = holds(context_value("k", operator, wanted), {"k": found})
                negated = holds(context_value("k", opposite, wanted), {"k": found})
                assert plain is not negated
