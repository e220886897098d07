"""09: trigger rules decide whether a task runs, once all that it depends on is over."""

from __future__ import annotations

from typing import Any

import pytest
from tables import each_row

import cloaca
from cloaca import (
    all_of,
    always,
    any_of,
    context_value,
    none_failed,
    none_of,
    task_failed,
    task_skipped,
    task_success,
)


def fail(context: cloaca.Context) -> None:
    raise RuntimeError("on purpose")


def keep(context: cloaca.Context) -> None:
    """Do nothing."""


def define(rule: dict[str, Any] | None) -> str:
    """``judged`` depends on one task that completes, one that fails, one that skips itself."""
    with cloaca.WorkflowBuilder("judging"):
        cloaca.task(id="good")(keep)
        cloaca.task(id="bad", retry_attempts=1)(fail)
        cloaca.task(id="off", trigger_rules=any_of())(keep)
        cloaca.task(id="judged", dependencies=["good", "bad", "off"], trigger_rules=rule)(keep)
    return "judging"


def judged(runner: cloaca.DefaultRunner, rule: dict[str, Any], given: dict[str, Any]) -> str:
    return runner.execute(define(rule), given).task_results["judged"].status


@each_row(
    ("rule", "runs"),
    [
        (always(), True),
        ({"type": "Always"}, True),
        (all_of(), True),
        (any_of(), False),
        (none_of(), True),
        (all_of(task_success("good"), task_failed("bad"), task_skipped("off")), True),
        (all_of(task_success("good"), task_success("bad")), False),
        (any_of(task_success("bad"), task_failed("bad")), True),
        (any_of(task_failed("good"), task_skipped("good")), False),
        (none_of(task_failed("good"), task_success("bad")), True),
        (none_of(task_failed("good"), task_failed("bad")), False),
        (all_of(task_success("good"), any_of(task_success("bad"), task_skipped("off"))), True),
        (none_of(all_of(task_success("good"), task_failed("bad"))), False),
        (none_failed(), False),
        (none_of(none_failed()), True),
        (task_failed(fail), True),  # by its function
        (task_failed("off"), False),  # skipped is not failed
        (task_success("off"), False),  # … nor a success
        (task_failed("bad"), True),  # a bare condition means All of it
        ({"type": "TaskFailed", "task_name": "public::embedded::judging::bad"}, True),
        ({"type": "All", "conditions": [{"type": "TaskSuccess", "task_name": "good"}]}, True),
    ],
)
def test_rules_over_the_ends_of_tasks(
    shared_runner: cloaca.DefaultRunner, rule: dict[str, Any], runs: bool
) -> None:
    assert judged(shared_runner, rule, {}) == ("Completed" if runs else "Skipped")


GIVEN = {
    "five": 5,
    "half": 0.5,
    "true": True,
    "null": None,
    "text": "hello world",
    "list": [1, "two", None],
    "object": {"key": 1},
}


@each_row(
    ("key", "operator", "value", "holds"),
    [
        ("five", "Equals", 5, True),
        ("five", "==", 5.0, True),  # by value
        ("five", "eq", "5", False),
        ("true", "Equals", 1, False),  # true is no number
        ("null", "Equals", None, True),
        ("missing", "Equals", None, False),
        ("list", "Equals", [1, "two", None], True),
        ("object", "equals", {"key": 1.0}, True),
        ("five", "NotEquals", 6, True),
        ("five", "!=", 5.0, False),
        ("missing", "ne", 5, True),
        ("five", "GreaterThan", 4.5, True),
        ("five", ">", 5, False),
        ("text", "gt", "abc", False),  # only between numbers
        ("true", ">", 0, False),
        ("missing", ">", 0, False),
        ("half", "LessThan", 1, True),
        ("half", "<", 0.5, False),
        ("null", "lt", 1, False),
        ("text", "Contains", "lo wo", True),
        ("text", "contains", "LO", False),
        ("list", "Contains", "two", True),
        ("list", "Contains", 1.0, True),
        ("list", "Contains", True, False),
        ("object", "Contains", "key", True),
        ("object", "Contains", 1, False),
        ("five", "Contains", 5, False),
        ("missing", "Contains", "x", False),
        ("list", "NotContains", 3, True),
        ("list", "not_contains", "two", False),
        ("missing", "NotContains", "x", True),
        ("null", "Exists", None, True),
        ("missing", "exists", True, False),  # the value is ignored
        ("missing", "NotExists", None, True),
        ("null", "NOT_EXISTS", None, False),
        ("five", "greater_than", 4, True),  # case and underscores are ignored
    ],
)
def test_operators_on_a_value_of_the_context(
    shared_runner: cloaca.DefaultRunner,
    key: str,
    operator: cloaca.OperatorName,
    value: Any,
    holds: bool,
) -> None:
    rule = context_value(key, operator, value)
    assert judged(shared_runner, rule, GIVEN) == ("Completed" if holds else "Skipped")


@pytest.mark.each_backend
def test_conditions_see_the_merged_input_of_their_task(runner: cloaca.DefaultRunner) -> None:
    with cloaca.WorkflowBuilder("merged_input"):
        cloaca.task(id="a")(lambda context: {"list": [1]})
        cloaca.task(id="b")(lambda context: {"list": [2]})
        cloaca.task(
            id="both",
            dependencies=["a", "b"],
            trigger_rules=all_of(
                context_value("list", "Contains", 1), context_value("list", "Contains", 2)
            ),
        )(keep)
    assert runner.execute("merged_input").task_results["both"].status == "Completed"


def test_a_rule_that_does_not_hold_skips_and_fails_nothing(runner: cloaca.DefaultRunner) -> None:
    with cloaca.WorkflowBuilder("skips"):
        cloaca.task(id="off", trigger_rules=context_value("go", "Exists", None))(keep)
        cloaca.task(id="after", dependencies=["off"])(lambda context: {"ran": True})
    result = runner.execute("skips")
    assert (result.status, result.error_message) == ("Completed", None)
    off = result.task_results["off"]
    assert (off.status, off.skip_reason) == ("Skipped", "Trigger rules not satisfied")
    # skipped by its own rule is not failed: the default rule lets dependents run
    assert result.final_context.to_dict() == {"ran": True}


def cascade() -> str:
    with cloaca.WorkflowBuilder("cascade"):
        cloaca.task(id="bad", retry_attempts=1)(fail)
        cloaca.task(id="good")(keep)
        cloaca.task(id="second", dependencies=["good", "bad"])(keep)
        cloaca.task(id="third", dependencies=["second"])(keep)
        cloaca.task(id="anyway", dependencies=["third"], trigger_rules=always())(keep)
        cloaca.task(id="after_anyway", dependencies=["anyway"])(keep)
    return "cascade"


def test_a_rule_of_its_own_lets_no_truck_leave_after_a_failure(
    runner: cloaca.DefaultRunner, caplog: pytest.LogCaptureFixture
) -> None:
    abroad = context_value("abroad", "==", True)
    with cloaca.WorkflowBuilder("parcels") as builder:
        cloaca.task(id="charge", retry_attempts=1)(fail)
        with_both = all_of(none_failed(), abroad)
        cloaca.task(id="plane", dependencies=[fail], trigger_rules=with_both)(keep)
        cloaca.task(id="after_plane", dependencies=["plane"])(keep)
        cloaca.task(id="truck", dependencies=["charge"], trigger_rules=abroad)(keep)
        cloaca.task(id="bike", dependencies=["charge"], trigger_rules=any_of())(keep)

    tasks = runner.execute("parcels", {"abroad": True}).task_results

    by_failure = ("Skipped", "upstream_failed")
    assert {name: (task.status, task.skip_code) for name, task in tasks.items()} == {
        "charge": ("Failed", None),
        "plane": by_failure,
        "after_plane": by_failure,
        "truck": ("Completed", None),  # as in 0.12: its rule says nothing of the payment
        "bike": ("Skipped", "trigger_rule"),
    }
    (told,) = builder.workflow.warnings()
    assert told.startswith("task 'truck' may run although 'charge' failed: ")
    assert [each.getMessage() for each in caplog.records if each.name == "cloaca.registry"] == [
        f"workflow public::embedded::parcels: {told}"
    ]


def test_the_reason_of_a_skip_is_in_attempts_and_events(runner: cloaca.DefaultRunner) -> None:
    run = runner.submit(cascade())
    run.wait()

    codes = {each.task_id: each.skip_code for each in run.attempts()}
    assert (codes["bad"], codes["second"], codes["third"]) == (None, *["upstream_failed"] * 2)
    told = {(each.kind, each.task_id): each.skip_code for each in run.events()}
    assert told["task_skipped", "second"] == "upstream_failed"
    assert told["task_failed", "bad"] is None


def test_nobody_is_asked_about_work_that_rules_have_skipped(runner: cloaca.DefaultRunner) -> None:
    large = context_value("amount", ">", 1_000)
    with cloaca.WorkflowBuilder("asking"):
        cloaca.task(id="price")(keep)
        ok = cloaca.approval(
            "ok", "Pay it?", dependencies=["price"], trigger_rules=all_of(none_failed(), large)
        )
        cloaca.sleep("rest", seconds=3_600, dependencies=[ok])
        cloaca.task(id="pay", dependencies=[ok])(keep)

    tasks = runner.execute("asking", {"amount": 900}).task_results

    assert (tasks["ok"].skip_code, tasks["rest"].skip_code) == ("trigger_rule", "trigger_rule")
    assert tasks["pay"].status == "Completed"


def test_by_default_a_failure_skips_what_comes_after(runner: cloaca.DefaultRunner) -> None:
    tasks = runner.execute(cascade()).task_results
    assert {name: (task.status, task.skip_reason) for name, task in tasks.items()} == {
        "bad": ("Failed", None),
        "good": ("Completed", None),
        "second": ("Skipped", "upstream failed: bad"),
        "third": ("Skipped", "upstream failed: second"),
        "anyway": ("Completed", None),
        "after_anyway": ("Completed", None),
    }


def test_the_default_rule_can_be_always(open_runner: Any) -> None:
    runner: cloaca.DefaultRunner = open_runner(default_trigger_rule="always")
    result = runner.execute(cascade())
    statuses = {name: task.status for name, task in result.task_results.items()}
    assert statuses.pop("bad") == "Failed"
    assert set(statuses.values()) == {"Completed"}
    assert result.error_message == (
        "1 task(s) failed, 5 completed, 0 skipped; first error: bad: RuntimeError: on purpose"
    )


def test_a_rule_may_name_a_task_further_up(runner: cloaca.DefaultRunner) -> None:
    with cloaca.WorkflowBuilder("further_up"):
        cloaca.task(id="bad", retry_attempts=1)(fail)
        cloaca.task(id="middle", dependencies=["bad"])(keep)
        cloaca.task(id="report", dependencies=["middle"], trigger_rules=task_failed("bad"))(keep)
    assert runner.execute("further_up").task_results["report"].status == "Completed"


def test_a_rule_waits_until_all_dependencies_are_over(runner: cloaca.DefaultRunner) -> None:
    ended: list[str] = []

    def flaky(context: cloaca.Context) -> None:
        ended.append("attempt")
        if len(ended) < 3:
            raise RuntimeError("not yet")

    with cloaca.WorkflowBuilder("waits"):
        cloaca.task(id="quick")(keep)
        cloaca.task(
            id="slow", retry_attempts=3, retry_backoff="fixed", retry_delay_ms=1, retry_jitter=False
        )(flaky)
        cloaca.task(
            id="either",
            dependencies=["quick", "slow"],
            trigger_rules=any_of(task_success("quick"), task_success("slow")),
        )(lambda context: {"attempts seen": len(ended)})
    assert runner.execute("waits").final_context["attempts seen"] == 3
