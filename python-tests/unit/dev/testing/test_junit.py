"""Counts of runs of pytest, read from their reports and merged."""

from __future__ import annotations

from pathlib import Path

from dev.testing import junit
from dev.testing.junit import Counts

REPORT = """<testsuites><testsuite name="pytest" tests="9" failures="2" errors="1" skipped="1">
</testsuite></testsuites>"""


def test_errors_count_as_failed(tmp_path: Path) -> None:
    path = tmp_path / "junit.xml"
    path.write_text(REPORT)
    assert junit.read(path) == Counts(passed=5, failed=3, skipped=1)
    assert str(Counts(5, 3, 1)) == "5 passed, 3 failed, 1 skipped"
    assert str(Counts(5)) == "5 passed, 0 failed"


def test_a_run_that_wrote_no_report_has_no_counts(tmp_path: Path) -> None:
    assert junit.read(tmp_path / "none.xml") is None


def test_merged_reports_keep_the_names_of_their_runs(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(REPORT)
    target = tmp_path / "reports" / "junit.xml"
    junit.merge([("py311 a", tmp_path / "a"), ("py313 b", tmp_path / "b")], target)
    assert 'name="py311 a"' in target.read_text()
    assert junit.read(target) == Counts(passed=10, failed=6, skipped=2)
