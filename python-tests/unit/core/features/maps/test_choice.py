"""Items of maps are chosen by their indexes and labels."""

from __future__ import annotations

from typing import Any

import pytest
from model.memory_store import MemoryStore
from tables import each_row

from cloaca_core.errors import ConfigError, ConfigTypeError, TaskNotFoundError
from cloaca_core.features.maps.choice import checked_choice, checked_names, indexes_of
from cloaca_core.features.maps.openings import chosen_last, chosen_of
from cloaca_core.features.maps.records import ItemRestart, MapRow
from cloaca_core.run.rows import RestartRow

MAP = MapRow("r", "m", 1, 1, "v", 3, "d", 1, '["a",17,"0"]', None)


@each_row(
    ("items", "error", "says"),
    [
        (["m"], ConfigTypeError, "items must be a dict"),
        ({}, ConfigError, "items must name a map"),
        ({"m": "a"}, ConfigTypeError, "items of a map must be a list"),
        ({"m": []}, ConfigError, "items of a map must name an item"),
        ({"m": [True]}, ConfigTypeError, "not bool"),
        ({"m": [1.5]}, ConfigTypeError, "not float"),
    ],
)
def test_a_wrong_choice_is_refused(items: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        checked_choice(items)


def test_a_choice_is_checked_before_it_is_looked_up() -> None:
    assert checked_choice(None) == {}
    assert checked_choice({"m": (1, "a")}) == {"m": [1, "a"]}
    assert checked_names(iter([2])) == [2]


async def test_an_integer_is_an_index_and_a_text_a_label() -> None:
    store = MemoryStore()
    store.opened_maps["r", "m"] = MAP
    store.opened_maps["r", "n"] = MAP._replace(task_id="n", labels=None)

    assert await indexes_of(store, "r", {"m": [2, "a", "a"], "n": ["1", 0]}) == {
        "m": [0, 2],
        "n": [0, 1],
    }
    assert await indexes_of(store, "r", {"m": ["0", "17"]}) == {"m": [1, 2]}
    for unknown in (3, -1, "b"):
        with pytest.raises(TaskNotFoundError, match="map m of run r has no item"):
            await indexes_of(store, "r", {"m": [unknown]})
    with pytest.raises(TaskNotFoundError, match="run r has started no map 'x'"):
        await indexes_of(store, "r", {"x": [0]})


def test_the_choice_of_the_latest_round_counts_until_the_map_is_opened() -> None:
    earlier, later = ItemRestart("r", "m", 0, 2, 2), ItemRestart("r", "m", 1, 2, 3)
    rounds = [RestartRow("r", "m", 2, 3), RestartRow("r", "other", 9, 9)]

    assert chosen_of(MAP, rounds, [earlier, later]) == frozenset({1})
    assert chosen_of(MAP, rounds, [earlier]) is None  # begun again without a choice
    assert chosen_of(MAP, [], [earlier]) == frozenset({0})  # of a fork
    assert chosen_of(MAP._replace(attempt=2), rounds, [earlier, later]) is None
    assert chosen_of(MAP, rounds, [later._replace(run_id="s"), later._replace(task_id="n")]) is None

    opened = MAP._replace(attempt=2)
    assert chosen_last(opened, rounds, [earlier, later]) == frozenset({1})
    assert chosen_last(opened, rounds, [earlier]) is None
