"""Which data can be the items of a map, and what is refused, by name."""

from __future__ import annotations

from typing import Any

import pytest
from tables import each_row

from cloaca_core.definition.maps.options import MapOptions, map_options
from cloaca_core.errors import MapError
from cloaca_core.features.maps.items import Items, items_of


def options(source: Any = "files", label: str | None = None) -> MapOptions:
    made = map_options(source, label=label, max_parallel=None, item_policy=None, results=None)
    assert made is not None
    return made


def read(given: Any, of: MapOptions | None = None, most: int = 100) -> Items:
    return items_of("convert", of or options(), given, most)


class TestItems:
    def test_a_list_has_no_labels(self) -> None:
        items = read({"files": [None, 2, "c"]})
        assert (list(items.values), items.labels, items.keys) == ([None, 2, "c"], None, None)
        assert [items.label(index) for index in range(3)] == [0, 1, 2]

    def test_the_keys_of_an_object_are_its_labels(self) -> None:
        items = read({"files": {"b": 1, "a": 2}})
        assert (list(items.values), items.labels, items.keys) == ([1, 2], ["b", "a"], ["b", "a"])

    def test_a_field_of_each_item_is_its_label(self) -> None:
        items = read({"files": [{"n": 7}, {"n": "x"}]}, options(label="n"))
        assert (items.labels, items.keys) == ([7, "x"], None)

    def test_the_label_of_an_object_may_be_a_field_too(self) -> None:
        items = read({"files": {"": {"n": "x"}}}, options(label="n"))
        assert (items.labels, items.keys) == (["x"], [""])

    def test_items_are_found_at_a_path_or_in_the_definition(self) -> None:
        assert read({"a": {"b": [1]}}, options(("a", "b"))).values == [1]
        assert read({}, options([{"x": (1, 2)}])).values == [{"x": [1, 2]}]

    def test_as_many_are_accepted_as_the_setting_says(self) -> None:
        assert len(read({"files": [0] * 100}).values) == 100

    def test_the_digest_is_that_of_items_and_labels_in_their_order(self) -> None:
        same = read({"files": [{"a": 1, "b": 2}]}).digest
        assert read({"files": [{"b": 2, "a": 1}]}).digest == same
        others: list[Any] = [[], [{"a": 1}], {"0": {"a": 1, "b": 2}}]
        others += [{"x": 1, "y": 2}, {"y": 2, "x": 1}]
        digests = {read({"files": each}).digest for each in others}
        assert len(digests | {same}) == 6


@each_row(
    "given, of, says",
    [
        ({}, "files", "maps files, which has nothing: its context has no such key"),
        ({"a": {}}, ("a", "b"), "maps a.b, which has nothing: its context has no such key"),
        ({"a": 1}, ("a", "b"), "maps a, which has a number; expected an object with the key 'b'"),
        ({"files": 3}, "files", "maps files, which has a number; expected a list, or an object"),
        ({"files": "x"}, "files", "maps files, which has a text; expected"),
        ({"files": None}, "files", "maps files, which has null; expected"),
        ({"files": [0] * 101}, "files", "which has 101 items; max_map_items is 100"),
        ({"files": {"": 1}}, "files", "maps files., which has a label of 0 characters"),
        ({"files": {"x" * 256: 1}}, "files", "a label of 256 characters; expected 1 to 255"),
        ({"files": {"a\n": 1}}, "files", "the label 'a\\n' with a control character"),
    ],
)
def test_data_that_cannot_be_items_is_refused(given: Any, of: Any, says: str) -> None:
    with pytest.raises(MapError) as refused:
        read(given, options(of))
    assert says in str(refused.value)
    assert str(refused.value).startswith("task 'convert' maps ")


@each_row(
    "files, says",
    [
        ([{"n": 1}, {}], "maps files[1], which has no field 'n', which is to be its label"),
        ([1], "maps files[0], which has no field 'n'"),
        ([{"n": 1.5}], "maps files[0].n, which has a number as a label; expected a text or"),
        ([{"n": True}], "maps files[0].n, which has a boolean as a label"),
        ([{"n": "a"}, {"n": "b"}, {"n": "a"}], "the label 'a' twice: items 0 and 2"),
        ([{"n": 17}, {"n": "17"}], "the label '17' twice: items 0 and 1"),
        ({"k": {}}, "maps files.k, which has no field 'n'"),
    ],
)
def test_labels_that_people_could_not_type_or_tell_apart_are_refused(files: Any, says: str) -> None:
    with pytest.raises(MapError) as refused:
        read({"files": files}, options(label="n"))
    assert says in str(refused.value)
