"""Parts of cloaca that are missing, or have another version than the core."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cloaca_core import distributions
from cloaca_core._version import __version__
from cloaca_core.errors import MissingExtraError

PART = "cloaca_part_of_a_test"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the part, whose code must not be run."""
    monkeypatch.syspath_prepend(tmp_path)
    found = tmp_path / PART
    found.mkdir()
    (found / "__init__.py").write_text("raise AssertionError('it was imported')")
    return found


def refusal() -> MissingExtraError:
    with pytest.raises(MissingExtraError) as caught:
        distributions.require(PART, "cloaca.part", extra="part")
    assert (caught.value.extra, caught.value.package) == ("part", PART)
    return caught.value


def test_a_part_of_the_same_version_is_there(folder: Path) -> None:
    (folder / "_version.py").write_text(f"__version__ = {__version__!r}")

    assert distributions.version_of(PART) == __version__
    assert distributions.is_installed(PART)
    distributions.require(PART, "cloaca.part", extra="part")
    assert PART not in sys.modules


def test_one_that_is_not_installed_is_named_with_its_command() -> None:
    assert distributions.version_of(PART) is None
    assert not distributions.is_installed(PART)
    assert str(refusal()) == (
        f'cloaca.part needs the package {PART}: pip install "cloaca[part]=={__version__}"'
    )


def test_a_folder_that_outlives_its_package_is_none(folder: Path) -> None:
    (folder / "__init__.py").unlink()

    assert "needs the package" in str(refusal())


def test_one_of_another_version_is_named_with_both_versions(folder: Path) -> None:
    (folder / "_version.py").write_text("__version__ = '0.9.0'")

    assert not distributions.is_installed(PART)
    assert str(refusal()) == (
        f"Version mismatch detected! cloaca-core is {__version__}, {PART} is 0.9.0. "
        f'Reinstall them together: pip install "cloaca[part]=={__version__}"'
    )
