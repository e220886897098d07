"""The input of a node's child, its key, and what its end makes of the node."""

from __future__ import annotations

import pytest
from tables import each_row

from cloaca_core.definition.rules import All, ContextValue, Operator
from cloaca_core.definition.waits.kinds import Child, Constant, Loop
from cloaca_core.engine.submit.request import owned_row
from cloaca_core.errors import (
    ChildFailedError,
    ContextKeyError,
    ContextValueError,
    RunCancelledError,
)
from cloaca_core.features.child_runs.node_children import (
    Iteration,
    child_input,
    children_of_nodes,
    first_of,
    next_input,
    outcome_of_end,
)
from cloaca_core.features.steering.records import ChildRow
from cloaca_core.run.merge import Change
from cloaca_core.run.rows import RunRow
from cloaca_core.values.child_kinds import node_key, place_of_call
from cloaca_core.values.map_items import Item
from cloaca_core.values.namespace import SEPARATOR
from cloaca_core.values.payloads.json_values import JsonValue
from cloaca_testing.conformance.rows import new_run

GIVEN: dict[str, JsonValue] = {"order": {"id": 7, "none": None}, "n": 1}


def ended(status: str = "Completed", context: str = '{"n":2,"x":3}') -> RunRow:
    row = owned_row(new_run("c"))
    return row._replace(status=status, final_context=context, error_message="it broke")


def test_the_input_is_the_context_of_the_node_or_made_of_it() -> None:
    constant = Constant([1])
    sources = (("id", ("order", "id")), ("none", ("order", "none")), ("list", constant))

    assert child_input(Child("w"), "a", GIVEN) == GIVEN
    assert child_input(Child("w", ()), "a", GIVEN) == {}
    made = child_input(Child("w", sources), "a", GIVEN)
    assert made == {"id": 7, "none": None, "list": [1]}
    assert made["list"] is not constant.value


def test_the_input_of_an_item_has_the_item_too_and_may_be_made_of_it() -> None:
    item = Item(0, 4, "four", {"size": 3}, 9, 1)
    of_item: dict[str, JsonValue] = {"item": {"size": 3}, "index": 4, "label": "four"}

    assert child_input(Child("w"), "a", {**GIVEN, "index": 0}, item) == {**GIVEN, **of_item}
    sources = (("size", ("item", "size")), ("name", ("label",)))
    made = child_input(Child("w", sources), "a", GIVEN, item)
    assert made == {"size": 3, "name": "four", **of_item}


@each_row("path", [("order", "amount"), ("n", "id"), ("nothing",)])
def test_a_value_that_is_missing_is_named(path: tuple[str, ...]) -> None:
    with pytest.raises(ContextValueError) as missing:
        child_input(Child("w", (("x", path),)), "a", GIVEN)
    assert missing.value.path == ".".join(path)


def test_a_child_that_completed_is_the_value_of_its_node() -> None:
    assert outcome_of_end(Child("w"), "a", ended()) == Change({"a": {"n": 2, "x": 3}}, [])
    assert outcome_of_end(Child("w", outputs=("x",)), "a", ended()) == Change({"a": {"x": 3}}, [])


@each_row(
    ("node", "row", "kind"),
    [
        (Child("w"), ended("Failed"), ChildFailedError),
        (Child("w"), ended("Cancelled"), RunCancelledError),
        (Child("w", outputs=("x", "z")), ended(), ContextKeyError),
    ],
)
def test_any_other_end_fails_the_node(node: Child, row: RunRow, kind: type[Exception]) -> None:
    assert type(outcome_of_end(node, "a", row)) is kind


def test_the_children_of_a_node_are_found_by_their_keys() -> None:
    keys = [
        node_key("p", "a", 2),
        node_key("p", "a", 10),
        node_key("p", "a", 10, iteration=1),
        node_key("p", "b", 11),
        node_key("p", "b", 1, item=12),
        "p::a::1",
        None,
    ]
    rows = [ChildRow("p", f"c{place}", "Failed", key, "w", 1) for place, key in enumerate(keys)]

    found = children_of_nodes("p", rows)

    assert found == {
        ("a", -1): {Iteration(2): "c0", Iteration(10): "c1", Iteration(10, 1): "c2"},
        ("b", -1): {Iteration(11): "c3"},
        ("b", 12): {Iteration(1): "c4"},
    }
    assert max(found["a", -1]) == Iteration(10, 1)
    assert children_of_nodes("q", rows) == {}


def test_a_loop_goes_on_with_the_last_context_laid_over_its_input_until_that_is_enough() -> None:
    loop = Loop("w", until=All((ContextValue("n", Operator.GREATER_THAN, 2),)), max_iterations=5)
    first: dict[str, JsonValue] = {"n": 0, "step": 1}

    assert next_input(loop, first, ended()) == {"n": 2, "x": 3, "step": 1}
    assert next_input(loop, first, ended(context='{"n":3}')) is None
    assert next_input(loop, first, ended("Failed")) is None
    assert next_input(Child("w"), first, ended()) is None


def test_a_loop_goes_on_with_the_iteration_that_failed_and_had_begun_with_its_first() -> None:
    failed = Iteration(3, 2)  # its input was the last context of 2.1
    children = [Iteration(1), Iteration(2), Iteration(2, 1), failed, failed.again]

    assert failed.again == Iteration(4, 2)
    assert (first_of(children), max(children)) == (Iteration(2), failed.again)
    assert first_of([*children, Iteration(5)]) == Iteration(5)


def test_a_wait_knows_the_place_of_its_child() -> None:
    assert Iteration.of(Iteration(3, 7).detail) == Iteration(3, 7)


def test_the_key_of_a_node_is_that_of_a_call_which_a_retry_finds() -> None:
    run_id, task, call = node_key("p", "a", 3, 5).split(SEPARATOR)

    assert (run_id, task, place_of_call(call)) == ("p", "a", ("i-1", (3, 5)))
