"""Reads the items of a map from the context that its task sees. Pure.

Refuses data that cannot be items with ``MapError``, which names the place. Knows no rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from cloaca_core.errors import MapError
from cloaca_core.values.namespace import is_control
from cloaca_core.values.payloads.digests import digest_of
from cloaca_core.values.payloads.json_places import at_path, kind_of
from cloaca_core.values.payloads.json_values import decode, shown_path

if TYPE_CHECKING:
    from cloaca_core.definition.maps.options import MapOptions
    from cloaca_core.values.payloads.json_values import JsonValue

LONGEST_LABEL: Final = 255


class Items(NamedTuple):
    """The items of a map in their order. ``labels`` None means that each one's label is its index,
    ``keys`` None that they were a list; an object's results are an object with these keys again.
    """

    values: Sequence[JsonValue]
    labels: Sequence[str | int] | None
    keys: Sequence[str] | None
    digest: str

    def label(self, index: int) -> str | int:
        """The label of an item."""
        return index if self.labels is None else self.labels[index]


def items_of(task_id: str, options: MapOptions, given: Mapping[str, JsonValue], most: int) -> Items:
    """The items of a map whose task sees this context; at most so many are accepted."""
    place, data = _found(task_id, options, given)
    keys: list[str] | None = None
    if isinstance(data, dict):
        keys, values = list(data), list(data.values())
    elif isinstance(data, list):
        values = data
    else:
        raise _refused(
            task_id, place, f"{kind_of(data)}; expected a list, or an object whose keys are labels"
        )
    if len(values) > most:
        raise _refused(task_id, place, f"{len(values)} items; max_map_items is {most}")
    labels: Sequence[str | int] | None = keys
    if options.label is not None:
        labels = [
            _labelled(task_id, f"{place}{_step(keys, index)}", value, options.label)
            for index, value in enumerate(values)
        ]
    if labels is not None:
        _check_labels(task_id, place, labels, keys)
    digest = digest_of([cast("JsonValue", labels), cast("JsonValue", keys), values])
    return Items(values, labels, keys, digest)


def _found(
    task_id: str, options: MapOptions, given: Mapping[str, JsonValue]
) -> tuple[str, JsonValue]:
    """The place of the data, and the data."""
    if options.path is None:
        assert options.items is not None, "a map without a path has its items"
        return "map", decode(options.items)
    found = at_path(given, options.path)
    if found.fault is not None:
        raise _refused(task_id, found.path, found.fault)
    return found.path, found.value


def _labelled(task_id: str, place: str, item: JsonValue, field: str) -> str | int:
    if not isinstance(item, dict) or field not in item:
        raise _refused(task_id, place, f"no field {field!r:.80}, which is to be its label")
    label = item[field]
    if isinstance(label, bool) or not isinstance(label, str | int):
        raise _refused(
            task_id,
            f"{place}.{field}",
            f"{kind_of(label)} as a label; expected a text or an integer",
        )
    return label


def _check_labels(
    task_id: str, place: str, labels: Sequence[str | int], keys: Sequence[str] | None
) -> None:
    """Refuse labels that people could not type, or that they could not tell apart: 17 and "17" are
    written alike.
    """
    names = list(map(str, labels))
    are_plain = all(0 < len(name) <= LONGEST_LABEL and name.isprintable() for name in names)
    if are_plain and len(set(names)) == len(names):  # the usual case, which is to be quick
        return
    first: dict[str, int] = {}
    for index, label in enumerate(labels):
        name, here = str(label), f"{place}{_step(keys, index)}"
        if not 1 <= len(name) <= LONGEST_LABEL:
            raise _refused(
                task_id,
                here,
                f"a label of {len(name)} characters; expected 1 to {LONGEST_LABEL}",
            )
        if any(map(is_control, name)):
            raise _refused(task_id, here, f"the label {label!a:.80} with a control character")
        if (other := first.setdefault(name, index)) != index:
            raise _refused(
                task_id, place, f"the label {label!r:.80} twice: items {other} and {index}"
            )


def _step(keys: Sequence[str] | None, index: int) -> str:
    """From the data to one of its items, in a path."""
    return f"[{index}]" if keys is None else f".{keys[index]}"


def _refused(task_id: str, place: str, found: str) -> MapError:
    shown = shown_path(place)
    return MapError(
        f"task {task_id!r} maps {shown}, which has {found}", task_id=task_id, path=place
    )
