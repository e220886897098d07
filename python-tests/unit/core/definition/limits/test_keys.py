"""Keys of limits, from the context of a task or a run."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, strategies as st
from tables import each_row

from cloaca_core.definition.limits.keys import key_of
from cloaca_core.definition.limits.limit import Limit, LimitUse
from cloaca_core.errors import LimitKeyError
from cloaca_core.values.payloads.json_values import JsonValue

API = Limit("openai", per_key=2)

CONTEXT: dict[str, JsonValue] = {
    "customer": "acme",
    "order": {"number": 3, "paid": True, "price": 3.0, "lines": [1]},
    "three": "3",
    "referrer": None,
    "item": "of the context",
}


@each_row(
    ("path", "expected"),
    [
        ("customer", '"acme"'),
        # 3, "3" and true differ
        (("order", "number"), "3"),
        ("three", '"3"'),
        (("order", "paid"), "true"),
        # null is no key
        ("referrer", None),
    ],
)
def test_a_key_is_the_json_of_a_value_of_the_context(
    path: str | tuple[str, ...], expected: str | None
) -> None:
    assert key_of(API.key(path), "ship", CONTEXT) == expected


def test_a_limit_without_a_key_has_none() -> None:
    assert key_of(LimitUse("openai"), "ship", CONTEXT) is None


def test_a_key_may_be_in_the_item_of_a_map() -> None:
    assert key_of(API.key("item"), "ship[0]", CONTEXT, 17) == "17"
    assert key_of(API.key("item"), "ship[0]", CONTEXT, None) is None
    assert key_of(API.key(("item", "customer")), "ship[0]", CONTEXT, {"customer": "x"}) == '"x"'
    # of the context: outside of a map, and where the path begins with another key
    assert key_of(API.key("item"), "ship", CONTEXT) == '"of the context"'
    assert key_of(API.key("customer"), "ship[0]", CONTEXT, {"customer": "x"}) == '"acme"'


@each_row(
    ("path", "place", "found"),
    [
        ("client", "client", "nothing: its context has no such key"),
        (("order", "client"), "order.client", "nothing: its context has no such key"),
        (("customer", "id"), "customer", "a text; expected an object with the key 'id'"),
        (("referrer", "id"), "referrer", "null; expected an object with the key 'id'"),
        ("order", "order", "an object; expected a text of at most 255 characters, an integer, "),
        (("order", "lines"), "order.lines", "a list; expected a text"),
        (("order", "price"), "order.price", "a number with a fraction; expected a text"),
    ],
)
def test_another_value_is_refused_with_its_place(
    path: str | tuple[str, ...], place: str, found: str
) -> None:
    with pytest.raises(LimitKeyError) as refused:
        key_of(API.key(path), "ship", CONTEXT)
    error = refused.value
    message = f"task 'ship' takes its key of limit 'openai' from {place}, which has {found}"
    assert str(error).startswith(message)
    assert (error.task_id, error.limit, error.path) == ("ship", "openai", place)


def test_the_key_of_a_run_is_named_so() -> None:
    with pytest.raises(LimitKeyError, match=r"^the run takes its key of limit 'openai' from x, "):
        key_of(API.key("x"), None, {})


def test_a_key_has_at_most_255_characters() -> None:
    for longest in ("é" * 255, '"' * 255):
        found = key_of(API.key("k"), "ship", {"k": longest})
        assert found == json.dumps(longest, ensure_ascii=False)
    with pytest.raises(LimitKeyError, match=r"which has a text of 256 characters; expected a text"):
        key_of(API.key("k"), "ship", {"k": "x" * 256})


a_key = st.text(max_size=255) | st.integers(-(2**63), 2**64 - 1) | st.booleans()


@given(a_key, a_key)
def test_keys_are_alike_where_their_values_are(one: str | int, other: str | int) -> None:
    use = API.key("k")
    first = key_of(use, "ship", {"k": one})
    second = key_of(use, "ship", {"k": other})
    assert (first == second) == ((type(one), one) == (type(other), other))
    assert first is not None
    assert json.loads(first) == one
