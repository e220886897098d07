"""Trigger rules: the tasks and choices that they name."""

from __future__ import annotations

from cloaca_core.definition.rules import (
    Always,
    Chosen,
    asks_none_failed,
    rename_tasks,
    rule_choices,
    rule_tasks,
)
from cloaca_core.definition.written_rules import (
    all_of,
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


class TestHandling:
    def test_a_rule_can_be_hashed_whatever_its_values(self) -> None:
        raw = all_of(context_value("k", "==", [1]))
        assert hash(parse_rule(raw)) == hash(parse_rule(raw))

    def test_the_tasks_of_a_rule_are_named_once_and_in_order(self) -> None:
        rule = parse_rule(
            any_of(
                task_failed("b"),
                context_value("k", "exists", None),
                task_success("a"),
                task_skipped("b"),
                chosen("ok", "approve"),
            )
        )
        assert rule_tasks(rule) == ("b", "a", "ok")
        assert rule_tasks(Always()) == ()
        assert rule_choices(rule) == [Chosen("ok", "approve")]

    def test_tasks_can_be_renamed(self) -> None:
        others = context_value("k", "==", 1), chosen("t::p::w::ok", "approve")
        rule = parse_rule(none_of(task_failed("t::p::w::b"), *others))
        renamed = rename_tasks(rule, lambda name: name.rpartition("::")[2])
        others = context_value("k", "==", 1), chosen("ok", "approve")
        assert renamed == parse_rule(none_of(task_failed("b"), *others))
        assert rename_tasks(Always(), str.upper) == Always()

    def test_nested_conditions_count_as_their_rules(self) -> None:
        raw = all_of(none_failed(), any_of(task_failed("a"), none_of(chosen("ok", "approve"))))
        rule = parse_rule(raw)
        assert to_dict(rule) == raw
        assert rule_tasks(rule) == ("a", "ok")
        assert rule_choices(rule) == [Chosen("ok", "approve")]
        assert asks_none_failed(rule)
        assert not asks_none_failed(parse_rule(any_of(task_failed("a"))))
        upper = any_of(task_failed("A"), none_of(chosen("OK", "approve")))
        assert rename_tasks(rule, str.upper) == parse_rule(all_of(none_failed(), upper))
