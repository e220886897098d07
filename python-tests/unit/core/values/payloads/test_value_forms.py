"""Values of annotated types become JSON and are made again; other types are refused by name."""

from __future__ import annotations

import dataclasses
import functools
import sys
import typing
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from decimal import Decimal
from enum import Enum
from types import SimpleNamespace
from typing import Annotated, Any, Literal, NewType, TypedDict, TypeVar, cast

import pytest
from tables import each_row

from cloaca_core.errors import ContextTypeError, DefinitionTypeError
from cloaca_core.values.payloads.json_values import decode, encode, normalise
from cloaca_core.values.payloads.value_forms import PLAIN, form_of, form_of_result

T = TypeVar("T")
Amount = NewType("Amount", int)


class Told(TypedDict):
    """A plain mapping."""

    x: int


class Colour(Enum):
    """Has no JSON form."""

    RED = 1


@dataclasses.dataclass
class Node:
    """A dataclass that holds others of its kind."""

    name: str
    below: list[Node] = dataclasses.field(default_factory=list)
    size: int = dataclasses.field(init=False, default=0)


@dataclasses.dataclass(frozen=True)
class Bag(typing.Generic[T]):
    """A frozen one."""

    nodes: dict[str, Node]
    pair: tuple[int, Node | None] = (0, None)


@dataclasses.dataclass
class Text:
    """A part of an answer of a language model."""

    content: str
    part_kind: Literal["text", "quote"] = "text"


@dataclasses.dataclass
class Call:
    """Another part; it may hold parts, and its kind is no argument."""

    name: str
    args: str | dict[str, Any] | None = None
    parts: list[Part] = dataclasses.field(default_factory=list)
    part_kind: Literal["call"] = dataclasses.field(default="call", init=False)


Part = Annotated[Text | Call, "told apart by part_kind"]


@dataclasses.dataclass
class Answer:
    """Like the response of an agent's library."""

    parts: Sequence[Part]
    content: str | list[Part] | None = None
    kind: Literal["response"] = "response"


@dataclasses.dataclass
class Untold:
    """Its kind may be that of a text."""

    part_kind: Literal["text", "other"]


@dataclasses.dataclass
class Broken:
    """It has a field that cannot be kept."""

    when: Decimal


@dataclasses.dataclass
class Unknown:
    """It has a field of a type that is not there."""

    when: Missing  # type: ignore[name-defined]  # noqa: F821 - that is what is tested


class Model:
    """Like one of pydantic's."""

    def __init__(self, value: int) -> None:
        self.value = value

    def model_dump(self, *, mode: str) -> dict[str, Any]:
        return {"value": self.value, "mode": mode}

    @classmethod
    def model_validate(cls, value: Any) -> Model:
        return cls(value["value"])


def there_and_back(kind: Any, value: object) -> object:
    form = form_of(kind)
    return form.load(decode(encode(normalise(form.dump(value)))))


@each_row(
    "kind",
    [
        *(Any, object, None, type(None), bool, int, float, str, list, dict),
        *(list[int], dict[str, Any], Mapping[str, int], Sequence[str], Mapping, Sequence),
        *(int | None, int | str, Literal["a", "b"], Annotated[int, "of"], Amount, Told, T),
        *(list[dict[str, list[int]]], typing.NoReturn, Awaitable[int], Coroutine[Any, Any, str]),
    ],
)
def test_json_values_are_kept_as_they_are(kind: Any) -> None:
    assert form_of(kind) is PLAIN


@each_row(
    ("kind", "value"),
    [
        (Node, Node("a", [Node("b"), Node("c", [Node("d")])])),
        (list[Node], [Node("a")]),
        (dict[str, Node], {"x": Node("a")}),
        (Node | None, None),
        (typing.Optional[Node], Node("a")),  # noqa: UP045 - the older spelling
        (Bag, Bag({"x": Node("a")}, (1, Node("b")))),
        (tuple[int, str], (1, "a")),
        (tuple[Node, ...], (Node("a"), Node("b"))),
        (tuple, (1, 2)),
        (Annotated[list[Node], "some"], [Node("a")]),
        (Text | Call, Text("a", "quote")),
        (Call | Text | None, None),
        (list[Part], [Text("a"), Call("f", {"x": 1}, [Call("g", "raw"), Text("b")])]),
        (Answer, Answer([Call("f"), Text("a")])),
        (Answer, Answer([], [Text("a"), Call("f")])),
        (Node | str, Node("a")),
        (Node | str | int, "a"),
        (Node | list[Node] | Literal["none"], [Node("a")]),
    ],
)
def test_values_are_made_again(kind: Any, value: object) -> None:
    assert there_and_back(kind, value) == value


def test_a_dataclass_with_annotations_of_pydantic_is_kept_by_pydantic(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Stands for pydantic, which is not there where this runs: an adapter for each type."""
    made: list[Any] = []

    class Discriminator:
        __module__ = "pydantic.types"

    class TypeAdapter:
        def __init__(self, kind: Any) -> None:
            made.append(kind)
            self.validate_python = lambda value: kind(**value)

        def dump_python(self, value: Any, *, mode: str) -> dict[str, Any]:
            assert mode == "json"
            return {"when": value.when, "part_kind": value.part_kind}

    @dataclasses.dataclass
    class Reply:
        when: list[Annotated[Decimal, Discriminator()]]
        part_kind: Literal["reply"] = "reply"

    Reply.__annotations__ = {
        "when": list[Annotated[Decimal, Discriminator()]],
        "part_kind": Literal["reply"],
    }
    monkeypatch.setitem(
        sys.modules, "pydantic", cast(Any, SimpleNamespace(TypeAdapter=TypeAdapter))
    )

    for _ in range(2):
        assert there_and_back(Reply, Reply(cast(Any, [1]))) == Reply(cast(Any, [1]))
    assert made == [Reply]
    assert there_and_back(list[Reply | Text], [Text("a"), Reply([])]) == [Text("a"), Reply([])]
    with pytest.raises(ContextTypeError, match="it must be Reply"):
        form_of(Reply).dump(Text("a"))


@each_row(
    ("kind", "stored"),
    [
        (Text | Call, {"part_kind": "gone", "content": "a"}),
        (Text | Call, {"content": "a"}),
        (Text | Call, "text"),
        (Node | str, ["a"]),
    ],
)
def test_a_stored_value_of_no_member_is_refused(kind: Any, stored: object) -> None:
    with pytest.raises(ContextTypeError, match="it must be "):
        form_of(kind).load(stored)


def test_models_are_made_again_by_their_own_methods() -> None:
    made = there_and_back(list[Model], [Model(3)])

    assert isinstance(made, list)
    assert [type(each) for each in made] == [Model]
    assert made[0].value == 3


def test_fields_that_were_added_have_their_defaults_and_those_that_went_are_passed_over() -> None:
    assert form_of(Node).load({"name": "a", "gone": 1}) == Node("a")


@each_row(
    ("kind", "value"),
    [
        (Node, {"name": "a"}),
        (Node, None),
        (list[Node], Node("a")),
        (dict[str, Node], [Node("a")]),
        (tuple[int, str], (1, "a", 2)),
        (Model, 3),
        (Text | Call, Node("a")),
        (Text | Call, Text("a", "call")),  # type: ignore[arg-type]  # that is what is tested
        (Node | str, Text("a")),
        (Node | str, [Node("a")]),
    ],
)
def test_a_value_of_another_type_is_refused(kind: Any, value: object) -> None:
    with pytest.raises(ContextTypeError, match="it must be "):
        form_of(kind).dump(value)


@each_row(
    ("kind", "name"),
    [
        (Decimal, "Decimal"),
        (Colour, "Colour"),
        (Broken, "Decimal"),  # the field's
        (Node | Bag, "Node | "),
        (Text | Untold, "Text | "),  # two of one kind
        (Text | Node, "Text | "),  # one without a kind
        (Node | dict[str, int], "Node | "),
        (list[Node] | tuple[Text, ...], "list["),
        (Model | Node, "Model | "),
        (set[int], "set"),
        (list[Decimal], "Decimal"),
        (Callable[[], int], "Callable"),
        (dict[str, Colour], "Colour"),
    ],
)
def test_a_type_without_a_form_is_refused_by_its_name(kind: Any, name: str) -> None:
    with pytest.raises(DefinitionTypeError, match="cannot be kept") as refusal:
        form_of(kind)
    assert name in str(refusal.value)


def test_fields_whose_types_cannot_be_found_are_refused() -> None:
    with pytest.raises(DefinitionTypeError, match="annotations of Unknown cannot be read"):
        form_of(Unknown)


# -- what functions return -----------------------------------------------------------------------


def node() -> Node:
    return Node("a")


async def later() -> Node:
    return Node("a")


def hidden(_: Missing) -> Node:  # type: ignore[name-defined]  # noqa: F821 - only what is returned is read
    return Node("a")


def lost() -> Missing:  # type: ignore[name-defined]  # noqa: F821 - that is what is tested
    return 1


class Maker:
    """Callable, with a method."""

    def __call__(self) -> Node:
        return Node("a")

    def make(self) -> Node:
        return Node("a")


@functools.wraps(node)
def wrapper(*args: Any) -> Any:
    return node(*args)


@each_row(
    "function",
    [node, later, hidden, Maker(), Maker().make, functools.partial(node), Node, wrapper],
)
def test_the_form_is_that_of_the_annotation(function: Any) -> None:
    assert form_of_result(function).name == "Node"


@each_row("function", [lambda: 1, print, len, functools.partial(print), dict])
def test_without_an_annotation_it_is_a_json_value(function: Any) -> None:
    assert form_of_result(function) is PLAIN


def test_an_annotation_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(DefinitionTypeError, match="what lost returns cannot be read") as refusal:
        form_of_result(lost)
    assert "handle.with_options(returns=…)" in str(refusal.value)
