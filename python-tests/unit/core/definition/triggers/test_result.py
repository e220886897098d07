"""The results that a trigger's function may return, and how they are read."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from tables import each_row

from cloaca_core.definition.context import Context
from cloaca_core.definition.triggers.result import TriggerResult, read_results
from cloaca_core.errors import ContextTypeError, DefinitionError, DefinitionTypeError


class Point(NamedTuple):
    """A record."""

    x: int


def test_a_result_says_what_it_is() -> None:
    assert TriggerResult.fire().is_fire_result()
    assert not TriggerResult.fire().is_skip_result()
    assert TriggerResult.skip().is_skip_result()
    assert not TriggerResult.skip().is_fire_result()


def test_reprs_are_those_of_0_x() -> None:
    assert repr(TriggerResult.skip()) == "TriggerResult.Skip"
    assert repr(TriggerResult.fire()) == "TriggerResult.Fire(None)"
    assert repr(TriggerResult.fire(Context({"a": 1}))) == "TriggerResult.Fire(<context>)"


def test_a_context_is_what_it_was_when_it_was_fired() -> None:
    context = Context({"a": 1})
    result = TriggerResult.fire(context)

    context["a"] = 2

    assert result.context == Context({"a": 1})
    assert TriggerResult.fire({"a": 1}) == result


@each_row("context", [3, "a", [("a", 1)]])
def test_what_is_no_context_is_refused(context: object) -> None:
    with pytest.raises(DefinitionTypeError, match="context must be a Context, a mapping or None"):
        TriggerResult.fire(context)  # type: ignore[arg-type]  # what is tested


def test_a_record_is_refused_with_how_to_make_a_mapping_of_it() -> None:
    point: Any = Point(1)
    with pytest.raises(DefinitionTypeError, match=r"got Point; give value\._asdict\(\)$"):
        TriggerResult.fire(point)


def test_what_cannot_be_stored_is_refused_where_it_is_fired() -> None:
    with pytest.raises(ContextTypeError, match="tags"):
        TriggerResult.fire({"tags": {1, 2}})


@each_row("key", ["", "k" * 256, "a\0b", "\ud800"])
def test_a_key_that_cannot_be_is_refused(key: str) -> None:
    with pytest.raises(DefinitionError, match="idempotency_key must have 1 to 255 characters"):
        TriggerResult.fire(idempotency_key=key)


def test_a_key_is_a_str() -> None:
    with pytest.raises(DefinitionTypeError, match="idempotency_key must be a str, got int"):
        TriggerResult.fire(idempotency_key=1)  # type: ignore[arg-type]  # what is tested


@each_row(
    ("returned", "results"),
    [
        (True, (TriggerResult.fire(),)),
        (False, (TriggerResult.skip(),)),
        (TriggerResult.fire({"a": 1}), (TriggerResult.fire({"a": 1}),)),
        ([], ()),
        ([True, TriggerResult.skip()], (TriggerResult.fire(), TriggerResult.skip())),
        ((True,), (TriggerResult.fire(),)),
    ],
)
def test_what_a_function_may_return(returned: object, results: tuple[TriggerResult, ...]) -> None:
    assert read_results(returned) == results


@each_row(
    ("returned", "name"),
    [
        (None, "NoneType"),  # a forgotten return
        (1, "int"),
        ({"a": 1}, "dict"),
        (Context(), "Context"),
        ([True, None], "NoneType"),
        ([[True]], "list"),
    ],
)
def test_anything_else_is_refused_by_its_type(returned: object, name: str) -> None:
    with pytest.raises(DefinitionTypeError, match=f"got {name}$"):
        read_results(returned)
