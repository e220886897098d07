"""One test file runs from the sources, also where other versions are installed."""

from __future__ import annotations

import subprocess
import sys

import pytest

from dev.project import ROOT, TESTS
from dev.testing import unit as straight


@pytest.mark.parametrize(
    ("expected", "backend"),
    [
        # Both backends can be imported, and nothing that is installed comes before the sources.
        ("SqliteBackend None", None),
        ("SqliteBackend postgres", "postgres"),
    ],
)
def test_one_file_runs_from_the_sources(
    monkeypatch: pytest.MonkeyPatch, expected: str, backend: str | None
) -> None:
    monkeypatch.setenv("CLOACA_TEST_BACKEND", "theirs")
    code = (
        "import os, cloaca_core, cloaca_postgres, cloaca_sqlite\n"
        f"assert cloaca_core.__file__.startswith({str(ROOT)!r})\n"
        "print(type(cloaca_sqlite.BACKEND).__name__, os.environ.get('CLOACA_TEST_BACKEND'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=straight.variables(backend),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == expected


def test_one_file_is_found_as_by_the_whole_run() -> None:
    command = straight.command("unit/core/engine/record/test_journal.py", "retry")
    path = TESTS / "unit/core/engine/record/test_journal.py"
    assert command[-3:] == [str(path), "-k", "retry"]
