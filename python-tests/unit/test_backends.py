"""Which backend a URL means; what is installed is the dispatcher tests' business."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from cloaca_core import backends
from cloaca_core.errors import BackendForcedError, BackendNotFoundError, ConfigTypeError

Resolve = Callable[[str], str]


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Resolve:
    """The name of the backend for a URL, with nothing imported."""
    monkeypatch.delenv("CLOACA_BACKEND", raising=False)
    monkeypatch.setattr(backends, "_load", lambda source: SimpleNamespace(name=source.name))
    return lambda url: backends.backend_for(url).name


@pytest.mark.parametrize(
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


def test_an_unknown_scheme_is_refused_with_the_known_ones(resolve: Resolve) -> None:
    with pytest.raises(BackendNotFoundError, match="'mysql'; known are: sqlite, file, postgresql"):
        resolve("mysql://user:secret@localhost/work")


def test_a_url_that_is_no_text_is_refused_by_its_type() -> None:
    with pytest.raises(ConfigTypeError, match="database_url must be a str, not int") as caught:
        backends.backend_for(5)  # type: ignore[arg-type]  # that is what is tested
    assert caught.value.field == "database_url"


def test_a_forced_backend_refuses_another_scheme_as_a_value_error_too(
    resolve: Resolve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOACA_BACKEND", "postgres")
    assert resolve("postgresql://localhost/work") == "postgres"
    with pytest.raises(BackendForcedError) as caught:
        resolve("work.db")
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, ImportError)
