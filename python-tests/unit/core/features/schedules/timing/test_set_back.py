"""A cursor that only a clock which was ahead explains goes back to what was decided indeed."""

from __future__ import annotations

from tables import each_row

from cloaca_core.features.schedules.timing.set_back import cursor_set_back, is_ahead

SECOND = 1_000_000
NOW = 1_000_000 * SECOND


@each_row(
    ("cursor", "expected"),
    [
        (NOW - 1, False),
        (NOW, False),  # decided just now
        (NOW + 60 * SECOND, False),  # a clock that was put back a little: waited for
        (NOW + 60 * SECOND + 1, True),
        (NOW + 365 * 86_400 * SECOND, True),
    ],
)
def test_up_to_a_minute_is_waited_for(cursor: int, expected: bool) -> None:
    assert is_ahead(cursor, NOW) is expected


@each_row(
    ("changed_at", "newest", "expected"),
    [
        (NOW - 90, NOW - 50, NOW - 50),  # what came after it was missed
        (NOW - 90, NOW, NOW),
        (NOW - 90, None, NOW - 90),  # it has not ticked since it is so
        (NOW - 50, NOW - 90, NOW - 50),  # what was before the change is over
        (NOW + 1, NOW - 90, NOW),  # when it was changed is not known
        (NOW + 1, None, NOW),
    ],
)
def test_it_goes_on_from_the_last_tick_that_is_known_or_from_its_change(
    changed_at: int, newest: int | None, expected: int
) -> None:
    assert cursor_set_back(changed_at, newest, NOW) == expected
