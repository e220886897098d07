"""The options of a map: a task whose body runs once for each item of its data, or a node that
runs a child for each.

They are checked when ``task(...)`` or ``child(...)`` is called. The data itself is checked when the
task starts, as its context has it: see ``features/maps/items.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from cloaca_core.errors import ContextError, DefinitionError, DefinitionTypeError
from cloaca_core.values.arguments import one_of, shown_number, text, whole, wrong_type
from cloaca_core.values.option_names import ItemPolicyName, MapResultsName
from cloaca_core.values.payloads.json_values import decode, encode, normalise

if TYPE_CHECKING:
    from cloaca_core.values.payloads.json_values import JsonValue

MapSource: TypeAlias = str | tuple[str, ...] | list[object]
"""Where the items are: a key of the context, a path of keys, or the items themselves."""

ITEM_NAMES: Final = frozenset({"item", "handle", "task_handle"})
"""The parameters that the body of a map may have after its context."""

_POLICIES: Final[dict[str, ItemPolicyName]] = {
    "finish": "finish",
    "stop": "stop",
    "collect": "collect",
}
_RESULTS: Final[dict[str, MapResultsName]] = {"list": "list", "rows": "rows"}


@dataclass(frozen=True, slots=True)
class MapOptions:
    """``path`` are the keys under which the context has the items, or ``items`` are these, as JSON.
    ``label`` is the field of each item that is its label. ``max_parallel`` None means the runner's
    default. ``parameters`` are those of the body after its context, in their order; a node has
    none.
    """

    path: tuple[str, ...] | None
    items: str | None = None
    label: str | None = None
    max_parallel: int | None = None
    item_policy: ItemPolicyName = "finish"
    results: MapResultsName = "list"
    parameters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordedMap:
    """The options of a map in the record of its workflow. Of a list of items in the code, the
    record has only their ``count``; ``path`` is None then.
    """

    path: tuple[str, ...] | None
    count: int | None
    label: str | None
    max_parallel: int | None
    item_policy: ItemPolicyName
    results: MapResultsName


def written_map(options: MapOptions) -> dict[str, JsonValue]:
    """The options of a map as JSON, for the record of its workflow."""
    return {
        "path": None if options.path is None else list(options.path),
        "count": None
        if options.items is None
        else len(cast("list[object]", decode(options.items))),
        "label": options.label,
        "max_parallel": options.max_parallel,
        "item_policy": options.item_policy,
        "results": options.results,
    }


def read_map(read: Mapping[str, Any]) -> RecordedMap:
    """The inverse of ``written_map``."""
    path = read["path"]
    return RecordedMap(
        path=None if path is None else tuple(path),
        count=read["count"],
        label=read["label"],
        max_parallel=read["max_parallel"],
        item_policy=read["item_policy"],
        results=read["results"],
    )


def map_options(
    source: MapSource | None,
    *,
    label: str | None,
    max_parallel: int | None,
    item_policy: ItemPolicyName | None,
    results: MapResultsName | None,
    called: str = "task",
) -> MapOptions | None:
    """The checked options of a map; None without ``map=``, which all others need. ``called`` is the
    name of the function that the user called.
    """
    given = {
        "label": label,
        "max_parallel": max_parallel,
        "item_policy": item_policy,
        "results": results,
    }
    if source is None:
        if others := [name for name, value in given.items() if value is not None]:
            raise DefinitionError(f"{called}({others[0]}=...) needs map, which is not given")
        return None
    path, items = _checked_source(source)
    return MapOptions(
        path=path,
        items=items,
        label=None if label is None else _label(label),
        max_parallel=None if max_parallel is None else _at_least_one("max_parallel", max_parallel),
        item_policy=one_of(
            "item_policy", "finish" if item_policy is None else item_policy, _POLICIES
        ),
        results=one_of("results", "list" if results is None else results, _RESULTS),
    )


def _checked_source(source: object) -> tuple[tuple[str, ...] | None, str | None]:
    if isinstance(source, str):
        if not source:
            raise DefinitionError("map must name a key of the context, got ''")
        return (source,), None
    if isinstance(source, tuple):
        if not source:
            raise DefinitionError("map must name at least one key, got an empty tuple")
        for key in source:
            if not isinstance(key, str):
                raise DefinitionTypeError(
                    f"map must be a tuple of str, it has one of {type(key).__name__}"
                )
        return source, None
    if isinstance(source, list):
        try:
            return None, encode(normalise(source, "map"))
        except ContextError as error:
            kind = DefinitionTypeError if isinstance(error, TypeError) else DefinitionError
            raise kind(f"map={error}") from error
    raise wrong_type("map", "a key of the context, a tuple of keys, or a list of items", source)


def _label(given: object) -> str:
    label = text("label", given)
    if not label:
        raise DefinitionError("label must name a field of the items, got ''")
    return label


def _at_least_one(name: str, given: object) -> int:
    number = whole(name, given)
    if number < 1:
        raise DefinitionError(f"{name} must be at least 1, got {shown_number(number)}")
    return number
