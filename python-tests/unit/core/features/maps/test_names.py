"""Names of items: a task comes first, then the label, then the index."""

from __future__ import annotations

from collections.abc import Collection

import pytest
from model.memory_store import MemoryStore
from tables import each_row

from cloaca_core.errors import TaskNotFoundError
from cloaca_core.features.maps import names as module
from cloaca_core.features.maps.choice import places_of
from cloaca_core.features.maps.names import ItemNames, Named, named, named_tasks
from cloaca_core.features.maps.records import MapRow


def row(task: str, items: int, labels: str | None = None) -> MapRow:
    """A map with so many items."""
    return MapRow("r", task, 1, 1, "v", items, "d", 1, labels, None)


MAPS = [row("m", 3, '["a",2,"x[1]"]'), row("n", 20), row("m[a]", 2)]


@each_row(
    ("name", "item"),
    [
        ("m[a]", Named("m", 0)),
        ("m[2]", Named("m", 1)),  # a label comes first
        ("m[1]", Named("m", 1)),
        ("m[0]", Named("m", 0)),
        ("m[x[1]]", Named("m", 2)),
        ("m[a][1]", Named("m[a]", 1)),
        ("n[17]", Named("n", 17)),
        ("other[1]", None),
        ("n", None),
        ("]", None),
    ],
)
def test_a_name_is_of_an_item_by_its_label_or_else_its_index(name: str, item: Named | None) -> None:
    assert ItemNames(MAPS).find(name) == item


@each_row("name", ["m[3]", "n[20]", "n[-1]", "n[+1]", "n[]", "n[²]", "n[017]"])
def test_an_item_that_its_map_lacks_is_refused(name: str) -> None:
    map_id, _, text = name.removesuffix("]").partition("[")

    with pytest.raises(TaskNotFoundError) as refused:
        ItemNames(MAPS).find(name)

    items = 3 if map_id == "m" else 20
    assert str(refused.value) == f"map {map_id} of run r has no item {text!r}; it has {items}"


async def test_a_task_of_that_name_comes_first() -> None:
    store = MemoryStore()
    store.opened_maps["r", "n"] = row("n", 20)

    assert await named(store, "r", "n[1]", {"n"}) == Named("n", 1)
    assert await named(store, "r", "n[1]", {"n", "n[1]"}) == Named("n[1]")
    assert await named(store, "r", "o[x]", {"n"}) == Named("o[x]")
    tasks, items = await named_tasks(store, "r", ["n[1]", "o", "n[2]"], {"n"}, {"n": ["x"]})
    assert (tasks, items) == (["n", "o"], {"n": ["x", 1, 2]})


async def test_a_map_that_is_named_itself_is_so_with_all_its_items() -> None:
    store = MemoryStore()
    store.opened_maps["r", "n"] = row("n", 20)

    assert await named_tasks(store, "r", ["n[1]", "n"], {"n"}, {}) == (["n"], {})


async def test_maps_and_their_labels_are_read_once_for_all_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """There may be as many names as items."""
    reads: list[str] = []

    class Counting(MemoryStore):
        async def maps(self, run_ids: Collection[str]) -> list[MapRow]:
            reads.append("maps")
            return await super().maps(run_ids)

    def counted(opened: MapRow) -> dict[str, int]:
        reads.append(opened.task_id)
        return places_of(opened)

    monkeypatch.setattr(module, "places_of", counted)
    store = Counting()
    store.opened_maps["r", "n"] = row("n", 20)

    await named_tasks(store, "r", ["n[1]", "n[2]", "n[3]"], {"n"}, {})

    assert reads == ["maps", "n"]
