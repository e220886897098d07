"""Which schemas a release of cloaca 0.x has made; the rest is in the tests of the import."""

from __future__ import annotations

import asyncio

import pytest

import cloaca
from cloaca_core.errors import TransferError
from cloaca_core.store.protocol import OldBackend, StoreOptions
from cloaca_postgres import BACKEND


def test_a_schema_of_this_version_is_none(postgres_url: str) -> None:
    cloaca.DefaultRunner(postgres_url).shutdown()
    assert isinstance(BACKEND, OldBackend)

    with pytest.raises(TransferError, match=r"was not made by cloaca 0\.2 or 0\.12"):
        asyncio.run(BACKEND.read_old(postgres_url, StoreOptions()))
