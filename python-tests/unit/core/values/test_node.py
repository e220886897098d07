"""``Node``: an id that stands in references."""

from __future__ import annotations

import dataclasses

import pytest

from cloaca_core.values.node import Node


def test_it_is_frozen_and_equal_by_its_id() -> None:
    node = Node("rest")

    assert node == Node("rest")
    assert repr(node) == "Node(id='rest')"
    with pytest.raises(dataclasses.FrozenInstanceError):
        node.id = "other"  # type: ignore[misc] # that is what is tested
