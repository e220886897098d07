"""An input checks values alike for all kinds of types, and fills in what is missing."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Literal, NotRequired, TypedDict
from uuid import UUID

import pydantic
import pytest
from hypothesis import given, strategies as st
from tables import each_row

from cloaca_core.definition.inputs.declared import Input, input_of
from cloaca_core.definition.inputs.params import workflow_params
from cloaca_core.errors import ContextError, DefinitionError, DefinitionTypeError, InputError
from cloaca_core.values.payloads.json_schema import SchemaCheck


class Colour(Enum):
    RED = "red"


class Place(TypedDict):
    city: str
    code: NotRequired[str]


@dataclass
class Line:
    price: Decimal
    count: int = 1


@dataclass
class Order:
    order_id: int
    lines: list[Line] = field(default_factory=list)
    to: Place | None = None
    colour: Colour = Colour.RED
    weight: float = 0.5
    gift: bool = False
    kind: Literal["a", 1] = "a"
    on: date = date(2026, 12, 1)
    at: datetime | None = None
    key: UUID | None = None
    seal: bytes = b"x"
    names: dict[str, str] = field(default_factory=dict)
    pair: tuple[int, str] = (1, "a")
    parts: list[Order] = field(default_factory=list)


class Model(pydantic.BaseModel):
    order_id: int
    limit: int = pydantic.Field(default=10, ge=1, alias="most")
    tags: list[str] = []

    @pydantic.field_validator("tags")
    @classmethod
    def few(cls, tags: list[str]) -> list[str]:
        if len(tags) > 2:
            raise ValueError("at most two tags")
        return tags


@dataclass
class WithModel:
    one: Model
    note: str = ""


ORDER = input_of(Order)
FULL: dict[str, Any] = {
    "order_id": 7,
    "lines": [],
    "to": None,
    "colour": "red",
    "weight": 0.5,
    "gift": False,
    "kind": "a",
    "on": "2026-12-01",
    "at": None,
    "key": None,
    "seal": "eA==",
    "names": {},
    "pair": [1, "a"],
    "parts": [],
}


@each_row(
    "key, value, path, wanted, met",
    [
        ("order_id", True, "order_id", "an integer", "true"),
        ("order_id", 7.0, "order_id", "an integer", "7.0"),
        ("order_id", None, "order_id", "an integer", "null"),
        ("lines", [{}], "lines[0].price", 'a decimal number as a text ("12.50")', "nothing"),
        (
            "lines",
            [{"price": 1.5}],
            "lines[0].price",
            'a decimal number as a text ("12.50")',
            "1.5",
        ),
        (
            "lines",
            [{"price": "NaN"}],
            "lines[0].price",
            'a decimal number as a text ("12.50")',
            '"NaN"',
        ),
        ("lines", {}, "lines", "a list", "{}"),
        ("to", {"city": 1}, "to.city", "a text", "1"),
        ("to", 5, "to", "an object or null", "5"),
        ("colour", "blue", "colour", '"red"', '"blue"'),
        ("weight", "1", "weight", "a number", '"1"'),
        ("gift", 1, "gift", "true or false", "1"),
        ("kind", True, "kind", '"a" or 1', "true"),
        ("on", "soon", "on", "a date (2026-12-31)", '"soon"'),
        ("at", "soon", "at", "a date and time (2026-12-31T18:30:00) or null", '"soon"'),
        ("key", "7", "key", "a UUID or null", '"7"'),
        ("seal", "?", "seal", "bytes in base64", '"?"'),
        ("names", {"a b": 1}, 'names["a b"]', "a text", "1"),
        ("pair", [1], "pair", "2 items or more", "[1]"),
        ("pair", [1, 2], "pair[1]", "a text", "2"),
        ("parts", [{"order_id": "7"}], "parts[0].order_id", "an integer", '"7"'),
    ],
)
def test_an_unfit_value_is_refused_by_its_path_the_type_wanted_and_the_value_met(
    key: str, value: Any, path: str, wanted: str, met: str
) -> None:
    with pytest.raises(InputError) as refused:
        ORDER.check({**FULL, key: value})
    error = refused.value
    assert (error.path, error.wanted, error.met) == (path, wanted, met)
    assert str(error) == f"{path}: expected {wanted}, got {met}"
    assert isinstance(error, ValueError)
    assert isinstance(error, ContextError)


def test_defaults_are_filled_in_and_what_was_given_stays_as_it_was() -> None:
    assert ORDER.completed({"order_id": 7}) == FULL
    assert ORDER.added(FULL) == {}
    given: dict[str, Any] = {
        "more": [1],
        "order_id": 7,
        "lines": [{"price": "1", "x": 2}],
        "weight": 2,
    }
    complete = ORDER.completed(given)
    assert complete == {**FULL, **given, "lines": [{"price": "1", "x": 2, "count": 1}]}
    assert list(complete)[:3] == ["more", "order_id", "lines"]
    assert ORDER.added({**FULL, **given}) == {"lines": complete["lines"]}


@each_row(
    "declared",
    [
        input_of(dataclass(type("A", (), {"__annotations__": {"n": int}}))),
        input_of(TypedDict("B", {"n": int})),  # type: ignore[operator] # made by a call
        input_of(pydantic.create_model("C", n=(int, ...))),
        input_of(workflow_params(n=int)),
    ],
)
def test_all_kinds_of_types_refuse_alike(declared: Input) -> None:
    declared.check({"n": 1, "schedule_id": "added by a tick"})
    unfit: list[tuple[dict[str, Any], str]] = [({}, "nothing"), ({"n": "1"}, '"1"')]
    for items, met in unfit:
        with pytest.raises(InputError, match=f"n: expected an integer, got {met}"):
            declared.check(items)


def test_pydantic_checks_its_own_models_and_fills_in_their_defaults_by_their_aliases() -> None:
    model = input_of(Model)
    assert model.completed({"order_id": 1, "x": 2}) == {
        "order_id": 1,
        "x": 2,
        "most": 10,
        "tags": [],
    }
    with pytest.raises(InputError, match=r"most: expected 1 or more, got 0"):
        model.check({"order_id": 1, "most": 0})
    within = input_of(WithModel)
    with pytest.raises(InputError) as refused:
        within.check({"one": {"order_id": 1, "tags": ["a", "b", "c"]}})
    error = refused.value
    assert str(error) == 'one.tags: at most two tags, got ["a", "b", "c"]'
    assert (error.path, error.wanted) == ("one.tags", "at most two tags")
    filled = {"one": {"order_id": 1, "most": 10, "tags": []}, "note": ""}
    assert within.completed({"one": {"order_id": 1}}) == filled


@each_row(
    "items, met",
    [
        ({"key": 1, "db": {"password": "hunter2"}}, '{"password": "***"}'),
        ({"key": 1, "api_token": "hunter2"}, '"***"'),
        ({"key": "postgresql://ann:hunter2@db/x"}, '"postgresql://ann:***@db/x"'),
        ({"key": 1, "model": {"order_id": 1, "tags": ["a", "b", "c"]}}, '["a", "b", "c"]'),
        ({"key": 1, "secret": {"order_id": 1, "tags": ["a", "b", "c"]}}, '"***"'),
    ],
)
def test_an_error_hides_the_values_of_keys_that_name_secrets(
    items: dict[str, Any], met: str
) -> None:
    kinds: dict[str, Any] = {"db": str, "api_token": int, "model": Model, "secret": Model}
    rest = {name: (kind | None, None) for name, kind in kinds.items()}
    with pytest.raises(InputError) as refused:
        input_of(workflow_params(key=int, **rest)).check(items)
    assert refused.value.met == met
    assert str(refused.value).endswith(f", got {met}")


def test_params_have_types_and_defaults() -> None:
    params = workflow_params(order_id=int, limit=(int, 10), to=(Place | None, None))
    declared = input_of(params)
    assert declared.completed({"order_id": 1}) == {"order_id": 1, "limit": 10, "to": None}
    assert repr(params) == "workflow_params(order_id, limit, to)"
    with pytest.raises(InputError, match=r"limit: expected an integer, got 1\.5"):
        declared.check({"order_id": 1, "limit": 1.5})


def test_the_schema_has_the_defaults_and_allows_further_keys() -> None:
    assert input_of(workflow_params(order_id=int, limit=(int, 10))).schema == {
        "type": "object",
        "properties": {
            "order_id": {"type": "integer"},
            "limit": {"type": "integer", "default": 10},
        },
        "required": ["order_id"],
    }
    assert input_of(Line).text == (
        '{"properties":{"count":{"default":1,"type":"integer"},'
        '"price":{"format":"decimal","type":"string"}},'
        '"required":["price"],"title":"Line","type":"object"}'
    )


class Unread(TypedDict):
    """Its annotation names nothing."""

    n: Gone  # type: ignore[name-defined] # noqa: F821 - it is not there on purpose


class Count(pydantic.RootModel[int]):
    """No object."""


@each_row(
    "kind, reason",
    [
        (int, "input must be a dataclass, a TypedDict, a pydantic model or workflow_params"),
        (Line(Decimal(1)), "input must be a dataclass"),
        (Count, "input must be a type of objects; Count is none"),
        (Unread, "the annotations of Unread cannot be read: name 'Gone' is not defined"),
        (workflow_params(n=set[int]), r"a field of type set\[int\] has no JSON form: use a list;"),
        (workflow_params(n=complex), "a field of type complex has no JSON form; fields are"),
        (workflow_params(n=(int, "1")), "a default does not fit: n must be an integer, not a text"),
        (workflow_params(n=(Any, {1})), "the default of n: set has no JSON form"),
    ],
)
def test_a_type_without_a_json_form_and_an_unfit_default_are_refused(
    kind: object, reason: str
) -> None:
    with pytest.raises(DefinitionError, match=reason):
        input_of(kind)


def test_a_tuple_of_a_parameter_is_a_type_and_a_default() -> None:
    with pytest.raises(DefinitionError, match="a tuple of a type and a default; got a tuple of 3"):
        workflow_params(n=(int, 1, 2))


@dataclass
class Wrong:
    n: int = field(default_factory=lambda: "1")  # type: ignore[assignment] # wrong on purpose


def test_a_factory_that_makes_another_type_is_refused_when_it_is_called() -> None:
    declared = input_of(Wrong)
    declared.check({"n": 1})
    with pytest.raises(InputError, match='n: expected an integer, got "1"'):
        declared.check({})


class Raising(pydantic.BaseModel):
    n: int

    @pydantic.field_validator("n")
    @classmethod
    def never(cls, n: int) -> int:
        raise LookupError(n)


@dataclass
class Tree:
    left: Tree | None = None
    made: int = field(default_factory=lambda: [0][1])


def test_an_input_is_refused_if_code_of_the_program_raises_or_it_is_too_deep() -> None:
    with pytest.raises(InputError, match=r"^input: it is refused: LookupError\(1\)$"):
        input_of(Raising).check({"n": 1})
    with pytest.raises(InputError, match=r"^made: it has no default: IndexError\("):
        input_of(Tree).check({})
    deep: dict[str, Any] = {"made": 1}
    for _ in range(190):
        deep = {"left": deep, "made": 1}
    with pytest.raises(InputError, match=r"^input: it is nested too deep$"):
        input_of(Tree).check(deep)


ORDERS = st.fixed_dictionaries(
    {"order_id": st.integers(-9, 9)},
    optional={
        "lines": st.lists(
            st.fixed_dictionaries(
                {"price": st.decimals(allow_nan=False, allow_infinity=False).map(str)},
                optional={"count": st.integers(0, 9)},
            ),
            max_size=2,
        ),
        "to": st.none() | st.fixed_dictionaries({"city": st.text(max_size=3)}),
        "at": st.none() | st.datetimes().map(datetime.isoformat),
        "parts": st.lists(st.fixed_dictionaries({"order_id": st.integers(0, 9)}), max_size=1),
        "more": st.integers(),
    },
)


@given(ORDERS)
def test_a_completed_input_fits_its_schema_and_is_complete(items: dict[str, Any]) -> None:
    complete = ORDER.completed(items)
    check = SchemaCheck(ORDER.schema, formats=True)
    assert check.mismatch(ORDER.schema, complete, "") is None
    assert ORDER.added(complete) == {}
    given = [key for key in items if key not in ("lines", "parts")]
    assert [complete[key] for key in given] == [items[key] for key in given]


def test_a_type_that_is_wrong_is_a_type_error() -> None:
    with pytest.raises(DefinitionTypeError):
        input_of(int)
