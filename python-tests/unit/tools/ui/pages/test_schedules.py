"""What the pages of schedules work out."""

from __future__ import annotations

from dataclasses import replace

from cloaca_core.values.times.instants import SECOND
from cloaca_core.values.times.rfc3339 import rfc3339
from cloaca_testing.conformance.rows import NOW, schedule
from cloaca_tools.ui.pages.schedules import form_of, is_late
from cloaca_tools.views.schedules import Rows, page


def test_a_tick_that_is_due_for_more_than_a_minute_is_late() -> None:
    row = schedule("s", due_at=NOW)
    (line,) = page(Rows(NOW, [row], {"s": []}, {}, frozenset())).schedules

    assert not is_late(line, rfc3339(NOW + 60 * SECOND))
    assert is_late(line, rfc3339(NOW + 61 * SECOND))
    assert not is_late(replace(line, due_at=None), rfc3339(NOW + 61 * SECOND))


async def test_a_form_explains_its_times_or_says_why_not() -> None:
    good = form_of({"cron": " 0 2 * * * ", "timezone": ""})
    bad = form_of({"cron": "0 2 * *", "timezone": "UTC"}, "refused")
    none = form_of({"name": "n"})

    assert good.explanation is not None
    assert good.explanation.words == "At 02:00 every day"
    assert (bad.explanation, bad.error) == (None, "refused")
    assert bad.wrong
    twice = form_of({"cron": "0 2 * *", "timezone": "UTC"}, f"Failed to set schedule: {bad.wrong}")
    assert twice.wrong == bad.wrong
    assert bad.wrong not in twice.error
    assert (none.explanation, none.wrong, none.given["name"]) == (None, "", "n")
