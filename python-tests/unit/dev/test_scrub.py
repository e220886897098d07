"""Tidying up: what tasks have made goes, what a person typed stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from dev import scrub as module
from dev.scrub import scrub

MADE = ("dist", ".reports", ".demo", ".tox", "site", ".cache", "debug-env-sqlite", "debug-env-all")
CACHES = ("cloaca/src/__pycache__", ".mypy_cache", "dev/.ruff_cache", "cloaca/src/x.egg-info")
DEEP = (".hypothesis", ".import_linter_cache", ".services")
TYPED = (".backups", "cloaca/src", "docs")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout that holds a file in each of these folders, and that nothing is rendered into."""
    root = tmp_path / "checkout"
    places = {"ROOT": root, "DIST": root / "dist", "REPORTS": root / ".reports"}
    for name, place in {**places, "SITE": root / "site", "VENV": root / ".venv"}.items():
        monkeypatch.setattr(module, name, place)
    for name in (*MADE, *CACHES, *DEEP, *TYPED, ".venv/lib/__pycache__"):
        (root / name).mkdir(parents=True, exist_ok=True)
        (root / name / "file").touch()
    monkeypatch.setattr("dev.scratch.folders", lambda: [tmp_path])
    monkeypatch.setattr("dev.packaging.rendering.generate", list)
    monkeypatch.setattr("dev.databases.services.down", lambda *, volumes: None)
    return root


def left(root: Path, *names: str) -> list[str]:
    return [name for name in names if (root / name).exists()]


def test_environments_artefacts_and_caches_go(root: Path) -> None:
    scrub()

    assert left(root, *MADE, *CACHES, ".venv") == []


def test_what_a_person_typed_stays(root: Path) -> None:
    """There may be no other copy of it."""
    scrub(deep=True)

    assert left(root, *(f"{name}/file" for name in TYPED)) == [f"{name}/file" for name in TYPED]


@pytest.mark.parametrize(("kept", "deep"), [(DEEP, False), ((), True)])
def test_what_takes_long_to_make_goes_only_when_told_so(
    root: Path, kept: tuple[str, ...], deep: bool
) -> None:
    scrub(deep=deep)

    assert left(root, *DEEP) == [*kept]
