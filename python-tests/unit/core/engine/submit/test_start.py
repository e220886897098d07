"""When a run is due that was submitted now."""

from __future__ import annotations

from tables import each_row

from cloaca_core.engine.submit.start import AT_ONCE, Start

NOW = 1_000


@each_row(
    ("start", "due_at"),
    [
        (AT_ONCE, None),
        (Start(priority=5), None),
        (Start(run_at=1_001), 1_001),
        (Start(run_at=1_000), None),
        (Start(run_at=-1), None),
        (Start(delay=7), 1_007),
        (Start(delay=0), None),
    ],
)
def test_a_run_is_due_in_the_future_or_at_once(start: Start, due_at: int | None) -> None:
    assert start.due_at(NOW) == due_at


@each_row(
    ("start", "latest"),
    [
        (AT_ONCE, None),
        (Start(start_by=5), 5),
        (Start(start_within=7), 1_007),
        (Start(delay=10, start_within=7), 1_017),
        (Start(run_at=2_000, start_within=7), 2_007),
        (Start(run_at=500, start_within=7), 1_007),
    ],
)
def test_a_run_has_time_to_begin_from_when_it_is_due(start: Start, latest: int | None) -> None:
    assert start.latest(NOW, start.due_at(NOW)) == latest
