"""The backend's answers to the core before a database is opened."""

from __future__ import annotations

import sqlite3

import pytest
from tables import each_row

from cloaca_core._version import __version__
from cloaca_core.errors import StoreOpenError
from cloaca_core.store.protocol import StoreOptions
from cloaca_sqlite import BACKEND


def test_it_says_what_it_is() -> None:
    assert (BACKEND.name, BACKEND.schemes) == ("sqlite", ("sqlite", "file"))
    assert BACKEND.version == __version__


@pytest.mark.parametrize("version", [(3, 38, 0), (3, 38, 1), (3, 50, 4), (4, 0, 0)])
def test_a_library_that_is_new_enough_will_do(
    monkeypatch: pytest.MonkeyPatch, version: tuple[int, ...]
) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", version)

    assert BACKEND.unusable_reason is None


@pytest.mark.parametrize("version", [(3, 37, 2), (3, 9, 0), (2, 99, 0)])
def test_an_older_library_is_named_with_what_is_needed(
    monkeypatch: pytest.MonkeyPatch, version: tuple[int, ...]
) -> None:
    text = ".".join(map(str, version))
    monkeypatch.setattr(sqlite3, "sqlite_version_info", version)
    monkeypatch.setattr(sqlite3, "sqlite_version", text)

    expected = f"this Python has SQLite {text}; 3.38.0 or newer is needed"
    assert BACKEND.unusable_reason == expected


@each_row(
    "url",
    [":memory:", "work.db", "sqlite://work.db", "sqlite:////abs.db", "file:work.db?mode=rwc",
     "work.db?mode=rw", "work.db?mode=ro", "work.db?mode=memory"],
)  # fmt: skip
def test_a_url_that_a_runner_can_work_with_passes(url: str) -> None:
    BACKEND.check_url(url)


@each_row(
    ("url", "message"),
    [
        ("work.db?mode=rwx", "rwx"),
        ("", "names no file"),
    ],
)
def test_a_url_that_it_cannot_is_refused(url: str, message: str) -> None:
    with pytest.raises(StoreOpenError, match=message):
        BACKEND.check_url(url)


async def test_it_opens_a_store_that_works() -> None:
    store = await BACKEND.open(":memory:", StoreOptions())

    assert await store.get_run("nobody") is None
    await store.close()
    await store.close()
