"""The time range of a filter."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from tables import each_row

from cloaca_tools.ui.forms.filter_line import filter_line
from cloaca_tools.ui.forms.time_range import entered_range, time_range
from cloaca_tools.ui.words.clock import Clock

CLOCK = Clock(ZoneInfo("Europe/Oslo"), datetime(2026, 11, 27, 8, 14, 30, tzinfo=UTC))
YESTERDAY = "since:2026-11-26T00:00+01:00 until:2026-11-27T00:00+01:00"


@each_row(
    ("q", "label", "begins", "ends"),
    [
        ("status:failed", "Any time", "", ""),
        ("since:1h", "Last hour", "2026-11-27T08:14", ""),
        ("since:2026-11-27T00:00+01:00", "Today", "2026-11-27T00:00", ""),
        (YESTERDAY, "Yesterday", "2026-11-26T00:00", "2026-11-27T00:00"),
        ("until:2026-11-20", "Chosen time", "", "2026-11-20T01:00"),
        ("since:3h until:1h", "Chosen time", "2026-11-27T06:14", "2026-11-27T08:14"),
    ],
)
def test_a_range_has_a_name_and_is_in_the_zone_of_the_reader(
    q: str, label: str, begins: str, ends: str
) -> None:
    found = time_range(filter_line([q]), CLOCK)

    assert (found.label, found.begins, found.ends) == (label, begins, ends)


def test_a_preset_takes_the_place_of_the_range() -> None:
    found = time_range(filter_line(["status:failed since:3h until:1h"]), CLOCK)
    texts = {each.label: each.text for each in found.presets}

    assert found.others == texts["Any time"] == "status:Failed"
    assert texts["Last 24 hours"] == "status:Failed since:24h"
    assert texts["Yesterday"] == f"status:Failed {YESTERDAY}"


@each_row(
    ("given", "expected"),
    [
        ({}, None),
        ({"from": "", "to": ""}, "status:Failed"),
        ({"from": "2026-07-01T09:00", "to": ""}, "status:Failed since:2026-07-01T09:00+02:00"),
        ({"from": "", "to": "2026-07-01T09:00"}, "status:Failed until:2026-07-01T09:00+02:00"),
        ({"from": "x y"}, 'status:Failed since:"x y"'),
    ],
)
def test_what_the_fields_have_is_a_filter(given: dict[str, str], expected: str | None) -> None:
    line = filter_line(["status:failed since:3h"])

    assert entered_range(line, given, CLOCK) == expected
