"""The Context: what each call does, what it refuses, and that no read is an alias."""

from __future__ import annotations

import copy
import enum
import math
import pickle
from collections import UserDict
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, strategies as st
from tables import each_row

from cloaca_core.definition.context import Context, input_text, items_of
from cloaca_core.errors import (
    CloacaError,
    ContextKeyError,
    ContextTypeError,
    ContextValueError,
    SecretsNotConfiguredError,
)
from cloaca_core.values.payloads.json_values import JsonValue

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)
SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | TEXT
DATA = st.dictionaries(TEXT, SCALARS | st.lists(SCALARS) | st.dictionaries(TEXT, SCALARS))


class Name(enum.StrEnum):
    TOTAL = "total"


class TestMaking:
    def test_it_is_empty_without_data(self) -> None:
        assert len(Context()) == len(Context(None)) == 0

    def test_data_is_copied(self) -> None:
        data = {"items": [1]}
        context = Context(data)
        data["items"].append(2)
        assert context.to_dict() == {"items": [1]}

    def test_data_may_be_another_context(self) -> None:
        assert Context(Context({"a": [1]})) == Context({"a": [1]})

    @each_row("data", [[("a", 1)], "a", 3])
    def test_data_that_is_no_mapping_is_a_type_error(self, data: object) -> None:
        with pytest.raises(ContextTypeError, match="data must be a mapping with str keys, got"):
            Context(data)  # type: ignore[arg-type] # the point of the test

    def test_a_refused_value_is_named_by_its_path(self) -> None:
        orders = [{"price": 1}] * 3 + [{"price": math.nan}]
        with pytest.raises(ContextValueError, match=r"^orders\[3\]\.price: nan") as caught:
            Context({"orders": orders})
        assert caught.value.path == "orders[3].price"

    def test_a_key_that_is_no_str_is_a_type_error(self) -> None:
        with pytest.raises(ContextTypeError, match=r"key must be a str, got 1 \(int\)"):
            Context({1: "x"})  # type: ignore[dict-item] # the point of the test

    def test_a_key_of_a_str_subclass_is_stored_as_str(self) -> None:
        assert [type(key) for key in Context({Name.TOTAL: 1})] == [str]


class TestReading:
    def test_get_gives_the_value_and_none_for_a_stored_null(self) -> None:
        context = Context({"a": 1, "null": None})
        assert context.get("a") == 1
        assert context.get("null", "default") is None

    def test_get_gives_the_default_for_a_missing_key(self) -> None:
        assert Context().get("a") is None
        assert Context().get("a", 5) == 5

    def test_an_item_is_returned_and_so_is_a_stored_null(self) -> None:
        context = Context({"a": 1, "null": None})
        assert context["a"] == 1
        assert context["null"] is None

    def test_a_missing_item_is_a_key_error_with_a_readable_message(self) -> None:
        with pytest.raises(ContextKeyError) as caught:
            Context()["a"]
        assert str(caught.value) == "Key not found: a"
        assert isinstance(caught.value, KeyError)

    @each_row(
        "read",
        [
            lambda c: c.get("items"),
            lambda c: c["items"],
            lambda c: c.to_dict()["items"],
            lambda c: next(iter(c.values())),
            lambda c: dict(c.items())["items"],
            lambda c: c.copy()["items"],
        ],
    )
    def test_changing_what_was_read_changes_nothing(
        self, read: Callable[[Context], list[object]]
    ) -> None:
        context = Context({"items": [1, [2]]})
        read(context).append(3)
        assert context.to_dict() == {"items": [1, [2]]}

    def test_what_was_removed_is_not_shared_with_a_copy(self) -> None:
        context = Context({"items": [1]})
        twin = context.copy()
        context.remove("items").append(2)
        assert twin["items"] == [1]

    @each_row("key", [1, None, ["a"]])
    def test_a_key_that_is_no_str_is_refused(self, key: str) -> None:
        calls: list[Callable[[Context], object]] = [
            lambda c: c.get(key),
            lambda c: c[key],
            lambda c: c.set(key, 1),
            lambda c: c.insert(key, 1),
            lambda c: c.update(key, 1),
            lambda c: c.remove(key),
        ]
        for call in calls:
            with pytest.raises(ContextTypeError, match="key must be a str"):
                call(Context())


class TestWriting:
    def test_set_overwrites(self) -> None:
        context = Context({"a": 1})
        context.set("a", 2)
        context["b"] = 3
        assert context == {"a": 2, "b": 3}

    def test_what_is_set_is_copied(self) -> None:
        items = [1]
        context = Context()
        context.set("items", items)
        items.append(2)
        assert context["items"] == [1]

    def test_a_refused_value_leaves_the_old_one(self) -> None:
        context = Context({"a": 1})
        with pytest.raises(ContextTypeError, match=r"^a\[0\]: set has no JSON form"):
            context.set("a", [{1}])
        assert context == {"a": 1}

    def test_insert_takes_a_new_key_only(self) -> None:
        context = Context()
        context.insert("a", 1)
        with pytest.raises(ContextValueError, match="Key already exists: a"):
            context.insert("a", 2)
        assert context == {"a": 1}

    def test_update_takes_an_existing_key_only(self) -> None:
        context = Context({"a": 1})
        context.update("a", 2)
        with pytest.raises(ContextKeyError, match="Key not found: b"):
            context.update("b", 2)
        assert context == {"a": 2}

    def test_remove_gives_the_value_or_none(self) -> None:
        context = Context({"a": 1})
        assert context.remove("a") == 1
        assert context.remove("a") is None
        assert "a" not in context

    def test_del_of_a_missing_key_is_a_key_error(self) -> None:
        context = Context({"a": 1})
        del context["a"]
        with pytest.raises(ContextKeyError, match="Key not found: a"):
            del context["a"]

    def test_update_from_dict_overwrites_and_adds(self) -> None:
        context = Context({"a": 1, "b": 1})
        context.update_from_dict({"b": 2, "c": 3})
        assert context == {"a": 1, "b": 2, "c": 3}

    def test_update_from_dict_takes_all_or_nothing(self) -> None:
        context = Context({"a": 1})
        with pytest.raises(ContextValueError, match=r"^b: inf"):
            context.update_from_dict({"a": 2, "b": math.inf})
        assert context == {"a": 1}


class TestJson:
    def test_to_json_is_compact_unescaped_and_in_insertion_order(self) -> None:
        assert Context({"b": "é", "a": [1, None]}).to_json() == '{"b":"é","a":[1,null]}'

    @given(DATA)
    def test_from_json_gives_back_what_to_json_wrote(self, data: dict[str, JsonValue]) -> None:
        assert Context.from_json(Context(data).to_json()) == Context(data)

    @each_row(
        "text",
        [
            "{",
            "[1]",  # JSON, but no object
            "null",
            '{"a": NaN}',
            '{"a": 1e999}',  # a number that becomes infinite
            '{"a": "\\ud800"}',
            '{"a": "\\u0000"}',
            '{"a": 18446744073709551616}',
            '{"a": ' + "[" * 100_000,
        ],
    )
    def test_text_that_is_no_context_is_a_value_error(self, text: str) -> None:
        with pytest.raises(ContextValueError, match=r"^Failed to deserialize from JSON: "):
            Context.from_json(text)

    def test_a_refused_value_in_the_text_keeps_its_path(self) -> None:
        with pytest.raises(ContextValueError) as caught:
            Context.from_json('{"a": [1, 1e999]}')
        assert caught.value.path == "a[1]"

    def test_bytes_are_a_type_error(self) -> None:
        with pytest.raises(ContextTypeError, match="json_str must be a str, got bytes"):
            Context.from_json(b"{}")  # type: ignore[arg-type] # the point of the test

    def test_the_repr_shows_the_json(self) -> None:
        assert repr(Context({"a": 1})) == 'Context({"a":1})'


class TestMapping:
    def test_it_is_a_mapping_in_insertion_order(self) -> None:
        context = Context({"b": 1, "a": 2})
        assert isinstance(context, Mapping)
        assert list(context) == list(context.keys()) == ["b", "a"]
        assert list(context.values()) == [1, 2]
        assert list(context.items()) == [("b", 1), ("a", 2)]
        assert {**context} == {"b": 1, "a": 2}

    def test_length_and_membership(self) -> None:
        context = Context({"a": None})
        assert len(context) == 1
        assert "a" in context
        assert "b" not in context
        assert not context.__contains__(1)

    def test_contexts_and_mappings_compare_by_value(self) -> None:
        assert Context({"a": 1, "b": 2}) == Context({"b": 2, "a": 1})
        assert Context({"a": [1]}) == {"a": [1]}
        assert Context({"a": 1}) != Context({"a": 2})
        assert Context() != []

    def test_it_cannot_be_hashed_for_it_changes(self) -> None:
        with pytest.raises(TypeError, match="unhashable"):
            hash(Context())

    @each_row(
        "twin_of",
        [
            Context.copy,
            copy.copy,
            copy.deepcopy,
            lambda c: pickle.loads(pickle.dumps(c)),  # noqa: S301 - our own bytes
        ],
    )
    def test_a_twin_is_equal_and_changes_on_its_own(
        self, twin_of: Callable[[Context], Context]
    ) -> None:
        context = Context({"a": [1]})
        twin = twin_of(context)
        assert twin == context
        twin.set("b", 1)
        assert context == {"a": [1]}


class TestSecrets:
    def test_there_is_no_provider(self) -> None:
        calls: list[Callable[[], object]] = [
            lambda: Context().secret("db"),
            lambda: Context().secret_field("db", "pw"),
        ]
        for call in calls:
            with pytest.raises(
                SecretsNotConfiguredError, match=r"^secrets backend not configured"
            ) as caught:
                call()
            assert isinstance(caught.value, RuntimeError)
            assert isinstance(caught.value, CloacaError)

    def test_a_name_that_is_no_str_is_a_type_error(self) -> None:
        with pytest.raises(ContextTypeError, match="field must be a str, got int"):
            Context().secret_field("db", 1)  # type: ignore[arg-type] # the point of the test


class TestEngineHooks:
    def test_a_view_changes_without_changing_its_source(self) -> None:
        source: dict[str, JsonValue] = {"a": 1, "b": [1]}
        view = Context._view(source)
        view.set("a", 2)
        view.remove("b")
        assert source == {"a": 1, "b": [1]}
        assert view == {"a": 2}

    def test_touched_names_what_was_stored_or_removed_since_it_was_made(self) -> None:
        context = Context({"kept": 1, "removed": 1, "deleted": 1, "updated": 1})
        assert context._touched == set()
        context.set("set", 1)
        context["item"] = 1
        context.insert("inserted", 1)
        context.update("updated", 1)
        context.update_from_dict({"merged": 1})
        context.remove("removed")
        context.remove("never there")
        del context["deleted"]
        assert context._touched == {
            "set",
            "item",
            "inserted",
            "updated",
            "merged",
            "removed",
            "deleted",
        }

    @each_row("twin_of", [copy.copy, lambda c: pickle.loads(pickle.dumps(c))])  # noqa: S301 - our own bytes
    def test_a_twin_remembers_what_was_touched(self, twin_of: Callable[[Context], Context]) -> None:
        context = Context()
        context.set("a", 1)
        twin = twin_of(context)
        twin.set("b", 1)
        assert twin._touched == {"a", "b"}
        assert context._touched == {"a"}


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
