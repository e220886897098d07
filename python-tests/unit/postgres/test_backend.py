"""The backend's answers to the core before a database is opened."""

from __future__ import annotations

import pytest

from cloaca_core._version import __version__
from cloaca_core.errors import CloacaError
from cloaca_postgres import BACKEND


def test_it_says_what_it_is() -> None:
    assert (BACKEND.name, BACKEND.schemes) == ("postgres", ("postgresql", "postgres"))
    assert BACKEND.version == __version__
    assert BACKEND.unusable_reason is None


def test_a_url_is_checked_without_being_opened() -> None:
    BACKEND.check_url("postgres://nobody@nowhere.invalid/work?pooler=true")

    with pytest.raises(CloacaError, match="pooler"):
        BACKEND.check_url("postgres://nobody@nowhere.invalid/work?pooler=perhaps")
