"""What an act on many has done, in words."""

from __future__ import annotations

from tables import each_row

from cloaca_tools.ui.runs.bulk_result import BulkDone


@each_row(
    ("done", "expected"),
    [
        (BulkDone("retry", 3, 0), "3 runs are begun again."),
        (BulkDone("cancel", 1, 0), "1 run is cancelled."),
        (BulkDone("pause", 0, 2), "0 runs are paused. 2 runs had changed before."),
    ],
)
def test_it_tells_what_was_changed_and_what_not(done: BulkDone, expected: str) -> None:
    assert str(done) == expected
