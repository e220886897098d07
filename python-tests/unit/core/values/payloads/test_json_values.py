"""Values that may enter a context, their form there, and refusals that name the place."""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import datetime as dt
import decimal
import enum
import json
import math
import pathlib
import re
import types
import uuid
from collections.abc import Callable
from typing import ClassVar, NamedTuple

import pytest
from hypothesis import given, strategies as st
from tables import each_row

from cloaca_core.errors import CloacaError, ContextError, ContextTypeError, ContextValueError
from cloaca_core.values.payloads import json_values as module
from cloaca_core.values.payloads.json_values import (
    JsonValue,
    copy_value,
    decode,
    encode,
    mapping_hint,
    normalise,
    normalise_key,
    path_of,
    same_value,
    shown_path,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4)
)


class Level(enum.IntEnum):
    HIGH = 3


class Colour(enum.StrEnum):
    RED = "red"


class Plain(enum.Enum):
    ONE = object()


class Shouting(str):
    __slots__ = ()

    def __str__(self) -> str:
        return self.upper()


class Disguised(str):
    __slots__ = ()

    def __contains__(self, part: object) -> bool:
        return False


class Ratio(float):
    pass


class Point(NamedTuple):
    x: int
    y: int


@dataclasses.dataclass
class Order:
    price: int


def nested(levels: int) -> list[object]:
    value: list[object] = []
    for _ in range(levels - 1):
        value = [value]
    return value


class TestAccepted:
    @each_row(
        ("expected", "given_value"),
        [
            (None, None),
            (True, True),
            (-(2**63), -(2**63)),  # the least int
            (2**64 - 1, 2**64 - 1),  # the greatest int
            (0.1, 0.1),
            ("naïve ☃ \U0001f600", "naïve ☃ \U0001f600"),
            ([1, [2]], (1, (2,))),  # tuples are stored as lists
            ([0, 2, 4], range(0, 6, 2)),
            ([1, 2], Point(1, 2)),  # a named tuple is a tuple
            (3, Level.HIGH),
            ("red", Colour.RED),
            ("loud", Shouting("loud")),  # not what its __str__ says
            (0.5, Ratio(0.5)),
            ({"a": 1}, collections.OrderedDict(a=1)),
            ({"red": 1}, {Colour.RED: 1}),  # keys as their base, too
        ],
    )
    def test_a_supported_value_is_stored_as_its_json_type(
        self, expected: object, given_value: object
    ) -> None:
        stored = normalise(given_value)
        assert stored == expected
        assert type(stored) is type(expected)

    def test_a_key_of_a_str_subclass_becomes_an_exact_str(self) -> None:
        stored = normalise({Colour.RED: 1})
        assert isinstance(stored, dict)
        assert [type(key) for key in stored] == [str]

    def test_the_result_shares_nothing_with_what_was_given(self) -> None:
        inner = [1]
        stored = normalise({"inner": inner})
        inner.append(2)
        assert stored == {"inner": [1]}

    def test_two_hundred_levels_are_the_deepest_that_is_accepted(self) -> None:
        assert normalise(nested(200)) == nested(200)

    @given(VALUES)
    def test_a_json_value_stays_what_it_is(self, value: JsonValue) -> None:
        assert same_value(normalise(value), value)


class TestRefusedValues:
    @each_row(
        ("fragment", "value"),
        [
            ("nan", math.nan),
            ("inf", math.inf),
            ("-inf", -math.inf),
            ("NUL", "a\0b"),
            ("NUL", Disguised("a\0b")),  # a subclass cannot hide it
            ("lone surrogate '\\ud800' at 1", "a\ud800"),
            ("-2**63", -(2**63) - 1),
            ("2**64 - 1", 2**64),
            ("200 levels", nested(201)),
            ("too large", range(10**30)),  # longer than len() can say
            ("too large", range(10**30, 0, -1)),
            ("key 'a\\x00'", {"a\0": 1}),
            ("key '\\udfff'", {"\udfff": 1}),
        ],
    )
    @each_row("within", [lambda value: value, lambda value: {"member": value}])
    def test_an_unacceptable_value_is_a_value_error(
        self, fragment: str, value: object, within: Callable[[object], object]
    ) -> None:
        with pytest.raises(ContextValueError) as caught:
            normalise(within(value))
        assert fragment in str(caught.value)
        assert isinstance(caught.value, ValueError)
        assert isinstance(caught.value, CloacaError)

    def test_a_list_that_contains_itself_is_too_deep(self) -> None:
        endless: list[object] = []
        endless += [endless, endless]
        with pytest.raises(ContextValueError, match="200 levels"):
            normalise(endless)


class TestRefusedTypes:
    @each_row(
        ("form", "value"),
        [
            ("sorted(value) or list(value)", {1, 2}),
            ("sorted(value) or list(value)", frozenset({1})),
            ("base64.b64encode(value).decode()", b"raw"),
            ("base64.b64encode(value).decode()", bytearray(b"raw")),
            ("value.isoformat()", dt.datetime(2020, 1, 1, tzinfo=dt.UTC)),
            ("value.isoformat()", dt.date(2020, 1, 1)),
            ("value.total_seconds()", dt.timedelta(1)),
            ("str(value)", decimal.Decimal("1.1")),
            ("str(value)", uuid.UUID(int=0)),
            ("str(value)", pathlib.PurePosixPath("a")),
            ("[value.real, value.imag]", 1j),
            ("value.value", Plain.ONE),
            ("dataclasses.asdict(value)", Order(1)),
            ("dict(value)", types.MappingProxyType({"a": 1})),
            ("list(value)", collections.deque([1])),
            ("list(value)", {}.keys()),
            ("None, bool, int, float, str, list, tuple, range or dict", object()),
        ],
    )
    def test_an_unsupported_type_is_a_type_error_with_the_form_to_store(
        self, form: str, value: object
    ) -> None:
        with pytest.raises(ContextTypeError) as caught:
            normalise(value)
        assert f"{type(value).__name__} has no JSON form" in str(caught.value)
        assert f"store {form} instead" in str(caught.value)
        assert isinstance(caught.value, TypeError)

    def test_a_coroutine_that_was_not_awaited_is_named(self) -> None:
        pending = asyncio.sleep(0)
        with pytest.raises(ContextTypeError, match="store what awaiting it gives instead"):
            normalise(pending)
        pending.close()

    def test_a_key_that_is_no_str_is_a_type_error(self) -> None:
        with pytest.raises(ContextTypeError, match=r"key must be a str, got 3 \(int\)"):
            normalise({3: "x"})

    @each_row("base", [float, str, object])
    def test_numpy_values_are_refused_even_where_they_derive_from_a_base_type(
        self, base: type
    ) -> None:
        # Looks like numpy.float64, numpy.str_ and numpy.int64 to the checks.
        scalar = type("scalar", (base,), {"__module__": "numpy"})()
        with pytest.raises(ContextTypeError, match=r"store value\.tolist\(\) instead"):
            normalise(scalar)


class TestPath:
    @each_row(
        ("path", "value"),
        [
            ("orders[3].price", [{}, {}, {}, {"price": math.nan}]),
            ('orders.a["odd key"][0]', {"a": {"odd key": [math.nan]}}),
            ("orders", math.nan),
            ("orders[1]", [1, {2: 3}]),  # a bad key: the place of its dict
        ],
    )
    def test_a_refusal_names_the_place(self, path: str, value: object) -> None:
        with pytest.raises(ContextError) as caught:
            normalise(value, "orders")
        assert caught.value.path == path
        assert str(caught.value).startswith(f"{path}: ")

    def test_without_a_name_for_the_whole_the_path_starts_inside(self) -> None:
        with pytest.raises(ContextError) as caught:
            normalise({"orders": [math.inf]})
        assert caught.value.path == "orders[0]"

    def test_a_key_that_is_no_identifier_is_quoted_at_the_head_of_a_path(self) -> None:
        assert path_of("price") == "price"
        assert path_of("a.b") == '["a.b"]'

    def test_a_bad_key_alone_has_no_path(self) -> None:
        with pytest.raises(ContextTypeError) as caught:
            normalise_key(None)
        assert caught.value.path == ""

    def test_of_a_deep_path_the_message_shows_both_ends(self) -> None:
        value: object = math.nan
        for _ in range(199):
            value = {"level": value}
        with pytest.raises(ContextError) as caught:
            normalise(value, "top")
        whole = "top" + ".level" * 199
        assert caught.value.path == whole
        assert str(caught.value).startswith(f"{whole[:80]}…{whole[-80:]}: nan has no JSON form")

    def test_a_path_that_fits_is_shown_whole(self) -> None:
        assert shown_path("a" * 160) == "a" * 160
        assert shown_path("a" * 161) == "a" * 80 + "…" + "a" * 80


class Model:
    """Looks like a model of pydantic to the checks."""

    def model_dump(self, **how: str) -> dict[str, str]:
        return how

    def keys(self) -> list[str]:
        return []


class OldModel:
    """Looks like a model of pydantic 1."""

    __validators__: ClassVar[dict[str, object]] = {}


class Attrs:
    """Looks like a class made with attrs."""

    __attrs_attrs__ = ()


class Struct:
    """Looks like a struct of msgspec."""

    __struct_fields__ = ("x",)


class TestMappingHint:
    @each_row(
        ("form", "value"),
        [
            ('value.model_dump(mode="json")', Model()),
            ("json.loads(value.json())", OldModel()),
            ("attrs.asdict(value)", Attrs()),
            ("msgspec.to_builtins(value)", Struct()),
            ("dataclasses.asdict(value)", Order(1)),
            ("value._asdict()", Point(1, 2)),
            ("dict(value)", {}),
        ],
    )
    def test_it_says_how_a_record_becomes_a_mapping(self, form: str, value: object) -> None:
        assert mapping_hint(value) == f"; give {form}"
        assert mapping_hint(value, "return") == f"; return {form}"

    @each_row("value", [None, 1, "text", [1], object(), Order, Point, Model])
    def test_of_anything_else_it_says_nothing(self, value: object) -> None:
        assert mapping_hint(value) == ""

    def test_inside_a_context_it_is_the_form_to_store(self) -> None:
        for value in (Model(), OldModel(), Attrs(), Struct()):
            form = mapping_hint(value).removeprefix("; give ")
            with pytest.raises(ContextTypeError, match=re.escape(f"store {form} instead")):
                normalise({"x": value})


class TestCopy:
    def test_a_copy_shares_no_list_and_no_dict(self) -> None:
        original: JsonValue = {"a": [1, {"b": []}]}
        copied = copy_value(original)
        copied["a"][1]["b"].append(1)  # type: ignore[index,call-overload,union-attr] # its shape is above
        assert original == {"a": [1, {"b": []}]}

    @given(VALUES)
    def test_a_copy_is_the_same_value(self, value: JsonValue) -> None:
        assert same_value(copy_value(value), value)


class TestSameValue:
    @each_row(
        ("a", "b"),
        [
            (True, 1),
            (1, 1.0),
            (0.0, -0.0),
            ("1", 1),
            (None, False),
            ([1], [True]),  # also inside
            ({"a": [0]}, {"a": [0.0]}),
            ([1, 2], [2, 1]),
            ({"a": None}, {}),
        ],
    )
    def test_values_with_different_json_are_different(self, a: JsonValue, b: JsonValue) -> None:
        assert not same_value(a, b)

    def test_the_order_of_keys_does_not_count(self) -> None:
        assert same_value({"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"d": 3, "c": 2}, "a": 1})

    @given(VALUES, VALUES)
    def test_it_holds_both_ways(self, a: JsonValue, b: JsonValue) -> None:
        assert same_value(a, b) == same_value(b, a)


class TestText:
    def test_encoding_is_compact_unescaped_and_keeps_the_order_of_keys(self) -> None:
        assert encode({"b": [1, 2.0, None], "a": "é☃"}) == '{"b":[1,2.0,null],"a":"é☃"}'

    @given(VALUES)
    def test_the_encoder_is_the_standard_librarys(self, value: JsonValue) -> None:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        assert encode(value) == text

    @each_row("value", [math.nan, [math.inf], {"a": {1}}])
    def test_it_is_strict_even_where_no_door_was_passed(self, value: JsonValue) -> None:
        with pytest.raises((ValueError, TypeError), match="JSON"):
            encode(value)

    def test_an_interpreter_without_the_c_part_encodes_the_same(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("json.encoder.c_make_encoder", None)
        plain, in_order = (module._encoding(sort_keys=each) for each in (False, True))

        assert "".join(plain({"b": 1, "a": "é"}, 0)) == '{"b":1,"a":"é"}'
        assert "".join(in_order({"b": 1, "a": "é"}, 0)) == '{"a":"é","b":1}'

    @given(VALUES)
    def test_decoding_gives_back_what_was_encoded(self, value: JsonValue) -> None:
        assert same_value(decode(encode(value)), value)

    @each_row(
        "text",
        [
            "",
            "{",
            "NaN",
            '{"a": -Infinity}',
            "1" * 5000,  # more digits than Python converts
            "[" * 100_000,
        ],
    )
    def test_text_that_is_not_json_is_a_value_error(self, text: str) -> None:
        with pytest.raises(ContextValueError):
            decode(text)
