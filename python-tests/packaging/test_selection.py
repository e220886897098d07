"""Which tests a run on one backend takes: the common ones and its own; the rest is deselected."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dev.console import environment
from dev.project import ROOT, TESTS

COMMON = "def test_common(): pass\n"
MARKED = """
import pytest

@pytest.mark.backend("{backend}", reason="{reason}")
def test_own(): pass
"""


def collected(folder: Path, backend: str) -> str:
    """What pytest says that it would run, with our ``conftest.py`` and settings."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    places = ["--rootdir", str(ROOT), "--config-file", str(ROOT / "pytest.ini")]
    done = subprocess.run(
        [*command, *places, "-p", "conftest", str(folder)],
        cwd=TESTS,
        env=environment({"CLOACA_TEST_BACKEND": backend, "PYTHONPATH": _path()}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def _path() -> str:
    return ":".join([str(ROOT), str(TESTS), *filter(None, sys.path)])


@pytest.mark.parametrize(
    ("expected", "backend"),
    [("2 tests collected", "postgres"), ("1/2 tests collected (1 deselected)", "sqlite")],
)
def test_a_marked_test_is_deselected_on_the_other_backend(
    tmp_path: Path, expected: str, backend: str
) -> None:
    text = COMMON + MARKED.format(backend="postgres", reason="a server")
    (tmp_path / "test_some.py").write_text(text)
    assert expected in collected(tmp_path, backend)


def test_a_mark_for_a_backend_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(MARKED.format(backend="oracle", reason="a pond"))
    assert "backend('oracle', reason='a pond'): none of" in collected(tmp_path, "sqlite")


@pytest.mark.parametrize("folder", ["unit", "conformance"])
def test_a_file_named_after_the_other_backend_is_not_even_imported(
    tmp_path: Path, folder: str
) -> None:
    place = tmp_path / folder
    place.mkdir()
    (place / "test_sqlite_url.py").write_text("import what_is_not_installed_there\n")
    (place / "test_postgres_url.py").write_text(COMMON)
    shown = collected(place, "postgres")
    assert "1 test collected" in shown
    assert "what_is_not_installed_there" not in shown
