"""Which backend a URL means; what is installed is the dispatcher tests' business."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from types import SimpleNamespace

import pytest
from tables import each_row

from cloaca_core._version import __version__
from cloaca_core.errors import (
    AmbiguousBackendError,
    BackendForcedError,
    BackendNotFoundError,
    BackendUnusableError,
    BackendVersionError,
    ConfigTypeError,
)
from cloaca_core.store import backends

Resolve = Callable[[str], str]


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Resolve:
    """The name of the backend for a URL, with nothing imported."""
    monkeypatch.delenv("CLOACA_BACKEND", raising=False)
    monkeypatch.setattr(backends, "_load", lambda source: SimpleNamespace(name=source.name))
    return lambda url: backends.backend_for(url).name


@each_row(
    ("expected", "url"),
    [
        ("sqlite", ":memory:"),
        ("sqlite", "work.db"),
        ("sqlite", "/var/lib/work.db"),
        ("sqlite", "sqlite://work.db"),
        ("sqlite", "SQLITE:///work.db"),
        # SQLite's own form of a URL, which has no slashes.
        ("sqlite", "file:work.db?mode=rwc"),
        # A drive letter is no scheme.
        ("sqlite", r"C:\work\work.db"),
        # Neither is a word before a colon in a file's name.
        ("sqlite", "notes:2026.db"),
        ("postgres", "postgresql://localhost/work"),
        ("postgres", "postgres://localhost/work"),
        # Known schemes are themselves without slashes too, never the name of a new file.
        ("postgres", "postgresql:work"),
    ],
)
def test_the_scheme_chooses_the_backend(resolve: Resolve, expected: str, url: str) -> None:
    assert expected == resolve(url)


@each_row(
    ("expected", "url"),
    [
        ("postgresql://user:password@host:5432/database", "postgresql+psycopg://me:s3cret@host/w"),
        ("postgresql://user:password@host:5432/database", "postgresql+asyncpg://me:s3cret@host/w"),
        ("postgresql://user:password@host:5432/database", "postgres+psycopg2://me:s3cret@host/w"),
        ("sqlite://work.db", "sqlite+aiosqlite:///work.db"),
    ],
)
def test_a_url_with_a_driver_in_it_is_refused_with_the_form_to_write(
    resolve: Resolve, expected: str, url: str
) -> None:
    with pytest.raises(BackendNotFoundError, match="a driver is not named here") as refusal:
        resolve(url)
    assert f"write {expected}" in str(refusal.value)
    assert "s3cret" not in str(refusal.value)
    assert refusal.value.scheme == url.partition(":")[0]


def test_an_unknown_scheme_is_refused_with_the_known_ones(resolve: Resolve) -> None:
    with pytest.raises(
        BackendNotFoundError, match="'mysql'; known are: sqlite, file, postgresql"
    ) as caught:
        resolve("mysql://user:secret@localhost/work")
    assert (caught.value.scheme, caught.value.backend) == ("mysql", None)


def test_a_forced_name_that_is_no_backend_is_a_fact_of_the_refusal(
    resolve: Resolve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOACA_BACKEND", "mongo")
    with pytest.raises(BackendNotFoundError, match="CLOACA_BACKEND='mongo' names no") as caught:
        resolve("work.db")
    assert (caught.value.scheme, caught.value.backend) == (None, "mongo")


def test_a_backend_that_cannot_work_is_named(
    resolve: Resolve, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(source: backends._Source) -> None:
        raise backends._broken(source, OSError("no driver"))

    monkeypatch.setattr(backends, "_load", damaged)
    with pytest.raises(BackendUnusableError, match="OSError: no driver") as caught:
        resolve("work.db")
    assert caught.value.backend == "sqlite"


@pytest.mark.parametrize(
    ("told", "value"),
    [
        # A distribution whose module was removed beneath it.
        ("ModuleNotFoundError: No module named 'gone_with_its_files'", "gone_with_its_files:IT"),
        # No reference to an object at all.
        ("cannot be loaded", "no module"),
    ],
)
def test_an_entry_point_that_leads_nowhere_spoils_no_other_backend(
    monkeypatch: pytest.MonkeyPatch, told: str, value: str
) -> None:
    stale = EntryPoint("toy", value, backends.ENTRY_POINT_GROUP)
    monkeypatch.delenv("CLOACA_BACKEND", raising=False)
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [stale])
    with pytest.raises(BackendUnusableError, match=told):
        backends.backend_for("toy://box")
    assert backends.backend_for(":memory:").name == "sqlite"
    (toy,) = [each for each in backends.available_backends() if each.name == "toy"]
    assert (toy.version, toy.usable) == (None, False)
    assert told in str(toy.reason)


@pytest.mark.parametrize(
    "url", ["work.db", ":memory:", "sqlite://work.db", "file:work.db", "postgresql://host/work"]
)
def test_a_url_of_ours_needs_no_look_at_what_is_installed(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    def look(group: str) -> list[EntryPoint]:
        raise AssertionError(f"looked for {group}")

    monkeypatch.delenv("CLOACA_BACKEND", raising=False)
    monkeypatch.setattr("importlib.metadata.entry_points", look)
    assert backends.backend_for(url).name in ("sqlite", "postgres")


def test_a_url_that_is_no_text_is_refused_by_its_type() -> None:
    with pytest.raises(ConfigTypeError, match="must be a str or a path, not int") as caught:
        backends.backend_for(5)  # type: ignore[arg-type]  # that is what is tested
    assert caught.value.field == "database_url"


def test_a_forced_backend_refuses_another_scheme_as_a_value_error_too(
    resolve: Resolve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOACA_BACKEND", "postgres")
    assert resolve("postgresql://localhost/work") == "postgres"
    with pytest.raises(BackendForcedError) as caught:
        resolve("work.db")
    assert (caught.value.forced, caught.value.wanted) == ("postgres", "sqlite")
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, ImportError)


def test_another_version_is_refused_with_both_versions() -> None:
    with pytest.raises(BackendVersionError, match="Version mismatch detected!") as caught:
        backends._refuse_other_version("sqlite", "0.0.1", part="the sqlite backend")
    assert (caught.value.found, caught.value.expected) == ("0.0.1", __version__)
    assert caught.value.backend == "sqlite"


def test_a_door_of_another_version_is_refused_when_a_backend_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CLOACA_BACKEND", raising=False)
    monkeypatch.setattr("cloaca._version.__version__", "0.0.1")
    for use in (lambda: backends.backend_for(":memory:"), backends.get_backend):
        with pytest.raises(BackendVersionError, match="Version mismatch detected!") as caught:
            use()
        assert f"cloaca-core is {__version__}, cloaca is 0.0.1." in str(caught.value)
        assert (caught.value.found, caught.value.expected) == ("0.0.1", __version__)
    assert not any(each.usable for each in backends.available_backends())


def test_without_the_door_there_is_nothing_to_compare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "cloaca._version", raising=False)
    assert backends.backend_for(":memory:").name == "sqlite"


def test_several_backends_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    both = [backends.BackendInfo(name, "1", usable=True) for name in ("postgres", "sqlite")]
    monkeypatch.delenv("CLOACA_BACKEND", raising=False)
    monkeypatch.setattr(backends, "available_backends", lambda: both)
    with pytest.raises(AmbiguousBackendError) as caught:
        backends.get_backend()
    assert caught.value.names == ("postgres", "sqlite")
