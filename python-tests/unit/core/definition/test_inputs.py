"""A context as an input: what it may be, and how long."""

from __future__ import annotations

from collections import UserDict
from typing import Any

import pytest
from tables import each_row

from cloaca_core.definition.context import Context
from cloaca_core.definition.inputs import input_text, items_of
from cloaca_core.errors import ContextTypeError, ContextValueError


@each_row(
    ("context", "items"),
    [
        (None, {}),
        ({"a": (1, 2)}, {"a": [1, 2]}),
        (UserDict(a=1), {"a": 1}),
        (Context({"a": 1}), {"a": 1}),
    ],
)
def test_an_input_is_a_context_a_mapping_or_nothing(context: Any, items: dict[str, Any]) -> None:
    assert items_of(context) == items


def test_the_items_of_a_context_are_a_copy() -> None:
    context = Context({"a": 1})
    items = items_of(context)
    context["a"] = 2

    assert items == {"a": 1}


def test_another_type_is_refused_by_the_name_of_the_parameter() -> None:
    with pytest.raises(ContextTypeError, match=r"^params must be a Context, a mapping or None, "):
        items_of([("a", 1)], "params")  # type: ignore[arg-type]  # the point of the test


def test_a_length_is_counted_in_bytes() -> None:
    assert input_text({"a": "ü"}, 10) == '{"a":"ü"}'
    with pytest.raises(ContextValueError, match="params is 10 bytes long; max_context_bytes is 9"):
        input_text({"a": "ü"}, 9, "params")
