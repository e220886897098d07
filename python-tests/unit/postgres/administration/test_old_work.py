"""Which schemas a release of cloaca 0.x has made; the rest is in the tests of the import."""

from __future__ import annotations

import asyncio

import pytest

import cloaca
from cloaca_core.errors import StoreUnavailableError, TransferError
from cloaca_core.features.transfer.backends import OldBackend
from cloaca_core.store.protocol import StoreOptions
from cloaca_postgres import BACKEND
from cloaca_postgres.administration.old_work import PostgresOldWork


def test_a_schema_of_this_version_is_none(postgres_url: str) -> None:
    cloaca.DefaultRunner(postgres_url).shutdown()
    assert isinstance(BACKEND, OldBackend)

    with pytest.raises(TransferError, match=r"was not made by cloaca 0\.2 or 0\.12"):
        asyncio.run(BACKEND.read_old(postgres_url, StoreOptions()))


class Lost:
    """A session whose first question fails."""

    def __init__(self) -> None:
        self.closed = False

    async def run(self, *_: object) -> object:
        raise StoreUnavailableError("the connection is lost")

    def close(self) -> None:
        self.closed = True


def test_a_session_does_not_stay_open_after_an_error() -> None:
    session = Lost()

    with pytest.raises(StoreUnavailableError):
        asyncio.run(PostgresOldWork.of(session, "app", "here"))  # type: ignore[arg-type] # all that is called

    assert session.closed
