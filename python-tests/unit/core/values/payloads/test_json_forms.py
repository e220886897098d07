"""What is observed has a JSON form."""

from __future__ import annotations

import json
from dataclasses import dataclass
from types import MappingProxyType

from cloaca_core.values.payloads.json_forms import Shown, json_form


@dataclass(frozen=True, slots=True)
class Leaf(Shown):
    name: str


@dataclass(frozen=True, slots=True)
class Whole(Shown):
    leaves: tuple[Leaf, ...]
    tags: MappingProxyType[str, str]
    seconds: float | None


def test_an_object_is_a_dict_down_to_its_leaves() -> None:
    whole = Whole((Leaf("a"), Leaf("b")), MappingProxyType({"k": "v"}), 1.5)

    expected = {"leaves": [{"name": "a"}, {"name": "b"}], "tags": {"k": "v"}, "seconds": 1.5}
    assert whole.to_dict() == expected
    assert json.loads(json.dumps(json_form([whole]))) == [expected]
