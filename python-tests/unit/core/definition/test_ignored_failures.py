"""Rules that let a task run although a dependency failed, without a word about it."""

from __future__ import annotations

from collections.abc import Callable

from tables import each_row

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.ignored_failures import IgnoredFailure, ignored_failures
from cloaca_core.definition.nodes.approval import approval
from cloaca_core.definition.nodes.sleep import sleep
from cloaca_core.definition.nodes.wait_for import wait_for
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task
from cloaca_core.definition.written_rules import (
    RuleDict,
    all_of,
    always,
    any_of,
    chosen,
    context_value,
    none_failed,
    none_of,
    task_failed,
    task_skipped,
    task_success,
)

ABROAD = context_value("abroad", "==", True)


def found(declare: Callable[[], object]) -> list[IgnoredFailure]:
    builder = WorkflowBuilder("w", registry=Registry())
    with builder:
        declare()
    return ignored_failures(builder.workflow.tasks)


def ships(rule: RuleDict | None, *above: str) -> Callable[[], None]:
    """``ship`` with this rule, behind ``charge`` and ``pack``, which may fail."""

    def declare() -> None:
        task(id="charge")(lambda context: None)
        task(id="pack")(lambda context: None)
        task(id="ship", dependencies=["charge", "pack"], trigger_rules=rule)(lambda context: None)

    return declare


@each_row(
    ("ignored", "rule"),
    [
        (("charge", "pack"), ABROAD),
        (("charge", "pack"), any_of(ABROAD, none_of(ABROAD))),
        (("charge", "pack"), all_of()),
        (("pack",), all_of(task_success("charge"), ABROAD)),
        (("charge",), any_of(ABROAD, all_of(task_skipped("pack"), ABROAD))),
        ((), None),
        ((), always()),  # says so
        ((), all_of(none_failed(), ABROAD)),
        ((), any_of(none_failed(), ABROAD)),  # thought of it
        ((), all_of(task_success("charge"), task_success("pack"))),
        ((), task_failed("charge")),  # runs only after a failure
        ((), all_of(ABROAD, any_of(task_failed("charge"), task_failed("pack")))),
        ((), none_of(none_failed())),
        ((), any_of()),  # never runs
    ],
)
def test_a_dependency_that_may_fail_is_mentioned(
    ignored: tuple[str, ...], rule: RuleDict | None
) -> None:
    assert found(ships(rule)) == ([IgnoredFailure("ship", ignored)] if ignored else [])


@each_row(
    ("may", "declare"),
    [
        (False, lambda: sleep("node", seconds=1)),
        (True, lambda: sleep("node", until_key="when")),  # the key may be missing
        (False, lambda: wait_for("node")),
        (True, lambda: wait_for("node", timeout=1)),
        (False, lambda: wait_for("node", timeout=1, default=None)),
        (True, lambda: approval("node", "?")),  # it may be rejected
        (False, lambda: approval("node", "?", choices=["left", "right"])),
        (True, lambda: approval("node", "?", choices=["left", "right"], timeout=1)),
        (False, lambda: approval("node", "?", choices=["a", "b"], timeout=1, default="a")),
    ],
)
def test_a_node_that_cannot_fail_is_no_reason(may: bool, declare: Callable[[], object]) -> None:
    def with_ship() -> None:
        declare()
        task(id="ship", dependencies=["node"], trigger_rules=ABROAD)(lambda context: None)

    assert bool(found(with_ship)) is may


@each_row(
    ("rule", "ignored"),
    [
        (ABROAD, True),  # a failed charge skips the nodes, and ship runs
        (all_of(ABROAD, task_success("charge")), False),
        (all_of(ABROAD, task_success("first")), False),
    ],
)
def test_a_failure_further_up_counts_behind_nodes(rule: RuleDict, ignored: bool) -> None:
    def declare() -> None:
        task(id="charge")(lambda context: None)
        sleep("first", seconds=1, dependencies=["charge"])
        sleep("second", seconds=1, dependencies=["first"])
        task(id="ship", dependencies=["second"], trigger_rules=rule)(lambda context: None)

    assert found(declare) == ([IgnoredFailure("ship", ("second",))] if ignored else [])


def test_a_node_with_a_rule_of_its_own_hands_no_failure_on() -> None:
    def declare() -> None:
        task(id="charge")(lambda context: None)
        ok = approval(
            "ok", "?", choices=["a"], dependencies=["charge"], trigger_rules=task_success("charge")
        )
        task(id="ship", dependencies=[ok], trigger_rules=none_of(chosen(ok, "a")))(print)
        task(id="log", dependencies=[ok], trigger_rules=ABROAD)(lambda context: None)

    assert found(declare) == []


def test_the_sentence_says_what_to_write() -> None:
    assert str(IgnoredFailure("ship", ("charge", "pack"))) == (
        "task 'ship' may run although 'charge', 'pack' failed: its trigger rule replaces the "
        "default rule and says nothing about them; to keep both, write all_of(none_failed(), …)"
    )
