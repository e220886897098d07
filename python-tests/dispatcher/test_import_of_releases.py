"""The released packages write databases afresh, and their work is taken over.

Only with ``CLOACA_TEST_RELEASED=1``: it installs other projects' packages from the index. The other
tests of the import read what the same program has written once, in ``python-tests/data``.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cloaca import databases
from process.old_release import write_with

RELEASES = {
    "0.2": ["cloaca==0.2.0", "cloaca-sqlite==0.2.0"],
    "0.12": ["cloaca==0.12.0"],
}

pytestmark = [
    pytest.mark.released,
    pytest.mark.skipif(
        os.environ.get("CLOACA_TEST_RELEASED") != "1", reason="CLOACA_TEST_RELEASED is not 1"
    ),
]


@pytest.mark.timeout(400)
@pytest.mark.parametrize("release", RELEASES)
def test_the_work_of_a_release_is_taken_over(release: str, tmp_path: Path) -> None:
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    write_with(RELEASES[release], f"sqlite://{old}", tmp_path)

    dry = databases.import_0x(old, new)
    report = databases.import_0x(old, new, dry_run=False)

    assert (dry.release, dry.dry_run, new.exists()) == (release, True, True)
    assert (report.unfinished, sum(report.runs.values()), report.schedules) == (1, 3, 2)
    assert report.runs == dry.runs
    assert databases.check(new) == ()
