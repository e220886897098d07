"""The files that lie beside a package's modules."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest

from cloaca_core.store.migrate import load_migrations
from cloaca_core.store.package_files import package_files

SOURCES = {
    "toy_backend/__init__.py": "",
    "toy_backend/hello.sql": "SELECT 'ä';",
    "toy_backend/migrations/0001_first.sql": "SELECT 1;",
    "toy_backend/migrations/0002_second.sql": "SELECT 2;",
}


@pytest.fixture(params=["folder", "zip"])
def toy(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a package that can be imported from a folder, or from a zip."""
    place = tmp_path / "place"
    if request.param == "zip":
        with zipfile.ZipFile(place, "w") as archive:
            for name, text in SOURCES.items():
                archive.writestr(name, text)
    else:
        for name, text in SOURCES.items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_text(text, "utf-8")
    monkeypatch.syspath_prepend(place)
    monkeypatch.setitem(sys.modules, "toy_backend", None)  # what was there is put back afterwards
    del sys.modules["toy_backend"]
    return "toy_backend"


def test_a_file_is_read_wherever_the_package_was_imported_from(toy: str) -> None:
    assert package_files(toy).joinpath("hello.sql").read_text("utf-8") == "SELECT 'ä';"


def test_migrations_are_found_there_too(toy: str) -> None:
    found = [(each.number, each.name, each.sql) for each in load_migrations(toy)]

    assert found == [(1, "first", "SELECT 1;"), (2, "second", "SELECT 2;")]
