"""What is wrong with a file's settings and its place, by facts alone."""

from __future__ import annotations

from typing import Any

from tables import each_row

from cloaca_sqlite.administration.file_facts import LARGE_LOG, LEAST_FREE, FileFacts, findings_of

SOUND = FileFacts("/work.db", "wal", 2, "FULL", 10_000, 5_000, LEAST_FREE)


def test_a_sound_file_has_no_findings() -> None:
    assert findings_of(SOUND) == []
    assert findings_of(SOUND._replace(synchronous="EXTRA", log=LARGE_LOG)) == []


@each_row(
    ("change", "code"),
    [
        ({"journal_mode": "delete"}, "no_write_ahead_log"),
        ({"journal_mode": "delete", "log": LARGE_LOG + 1}, "no_write_ahead_log"),
        ({"log": LARGE_LOG + 1}, "large_log"),
        ({"free": LEAST_FREE - 1}, "disk_nearly_full"),
        ({"size": 20 * LEAST_FREE}, "disk_nearly_full"),
        ({"synchronous": "NORMAL"}, "commits_not_durable"),
        ({"auto_vacuum": 0}, "file_never_shrinks"),
    ],
)
def test_each_fact_has_its_finding(change: dict[str, Any], code: str) -> None:
    (finding,) = findings_of(SOUND._replace(**change))

    assert finding.code == code
    assert finding.cure
