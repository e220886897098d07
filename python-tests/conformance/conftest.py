"""The short form of the tests leaves out what a database in memory has in common with a file, and
the contract of the model, which random operations compare with both backends in that form, too.
"""

from __future__ import annotations

import pytest

from cloaca_testing.conformance import StoreConformance

_AGAIN = ("TestSqliteMemory", "TestMemoryStore")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the contract of a store as a part of the full run: its statements are those of a file.

    What is of a backend stays, for opening, closing and waking differ.
    """
    shared = set(dir(StoreConformance))
    for item in items:
        again = item.parent is not None and item.parent.name in _AGAIN
        if again and getattr(item, "originalname", item.name) in shared:
            item.add_marker(pytest.mark.full)
