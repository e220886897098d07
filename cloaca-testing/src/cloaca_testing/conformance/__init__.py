"""Conformance tests for authors of a backend: the store contract as pytest classes.

Importing this package needs pytest and pytest-asyncio; nothing else of cloaca imports it.

    from cloaca_core.conformance import SharedBackendConformance
    from cloaca_sqlite import BACKEND

    class TestSqlite(SharedBackendConformance):
        backend = BACKEND

        @pytest.fixture
        def url(self, tmp_path):
            return f"sqlite://{tmp_path}/conformance.db"

``StoreConformance`` is the contract of one open store, ``BackendConformance`` opens it from a
URL, ``SharedBackendConformance`` adds tests with several stores and processes on one database.
``MessageOutboxConformance`` is for backends that let users write in transactions of their own, and
``OutboxConformance`` for those of them in which several transactions write at a time.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from cloaca_testing.conformance.backend import (
        BackendConformance as BackendConformance,
        SharedBackendConformance as SharedBackendConformance,
    )
    from cloaca_testing.conformance.runs.outbox import (
        MessageOutboxConformance as MessageOutboxConformance,
        OutboxConformance as OutboxConformance,
    )
    from cloaca_testing.conformance.runs.transactions import (
        TransactionConformance as TransactionConformance,
    )
    from cloaca_testing.conformance.store import StoreConformance as StoreConformance

for _part in pkgutil.iter_modules(__path__, f"{__name__}."):
    pytest.register_assert_rewrite(_part.name)

# Imported when they are asked for: who takes rows alone need not have pytest rewrite all of them.
_MODULES = {
    "BackendConformance": "backend",
    "MessageOutboxConformance": "runs.outbox",
    "OutboxConformance": "runs.outbox",
    "SharedBackendConformance": "backend",
    "StoreConformance": "store",
    "TransactionConformance": "runs.transactions",
}

__all__ = [
    "BackendConformance",
    "MessageOutboxConformance",
    "OutboxConformance",
    "SharedBackendConformance",
    "StoreConformance",
    "TransactionConformance",
]


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
