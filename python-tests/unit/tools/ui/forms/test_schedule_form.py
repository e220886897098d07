"""The form of a schedule as texts, and the settings that it means."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tables import each_row

from cloaca_core.errors import ConfigError
from cloaca_core.values.payloads.redaction import Redaction
from cloaca_core.values.times.no_limit import NO_LIMIT
from cloaca_testing.conformance.rows import NOW, schedule
from cloaca_tools.ui.forms.schedule_form import choices, settings_of, texts_of
from cloaca_tools.ui.words.clock import Clock
from cloaca_tools.views.schedules import Rows, ScheduleLine, page

CLOCK = Clock(ZoneInfo("Europe/Oslo"), datetime(2026, 3, 1, tzinfo=UTC))
KNOWN = ["a::flow", "a::other", "b::flow"]
FORM = {"workflow": "a::other", "cron": " @daily "}


def line(**changed: Any) -> ScheduleLine:
    row = schedule("s", name="n", workflow="a::flow")
    (found,) = page(Rows(NOW, [row], {"s": []}, {}, frozenset())).schedules
    return replace(found, **changed)


def means(given: dict[str, str], of: ScheduleLine | None = None) -> Any:
    return settings_of(given, KNOWN, CLOCK, Redaction(), "ann", of)


def test_a_new_form_means_its_settings_and_defaults() -> None:
    found = means({**FORM, "start": "2026-03-02T01:00", "limit": "2h", "jitter": "7"})

    assert (found.workflow_name, found.cron_expression, found.timezone) == (
        "a::other",
        "@daily",
        "UTC",
    )
    assert found.start_date == datetime(2026, 3, 2, tzinfo=UTC)
    assert (found.time_limit, found.jitter_seconds, found.by) == (7200, 7, "ann")
    assert (found.params, found.catchup_policy, found.end_date, found.queue) == (None,) * 4
    assert means({**FORM, "limit": "none"}).time_limit is NO_LIMIT


def test_a_form_that_is_sent_as_it_was_shown_changes_nothing() -> None:
    """Also what it shows in part only: hidden values, and dates to the second."""
    before = line(
        start_date="2026-03-01T00:00:00.000007+00:00",
        end_date="2027-03-01T00:00:09.5+00:00",
        params={"shops": [{"token": "x"}, {"token": "y"}], "password": "p"},
        time_limit="none",
        queue="slow",
        overlap_policy="skip",
    )

    shown = texts_of(before, CLOCK, Redaction())
    found = means(shown, before)

    assert '"x"' not in shown["params"]
    assert (shown["start"], shown["end"]) == ("2026-03-01T01:00", "2027-03-01T01:00:09")
    assert (found.start_date, found.end_date) == (before.start_date, before.end_date)
    assert (found.params, found.time_limit) == (before.params, NO_LIMIT)
    assert (found.queue, found.overlap_policy) == ("slow", "skip")
    assert means({}, before) == found


@each_row("name", ["a::flow", "flow"])
def test_a_schedule_keeps_its_workflow_whatever_other_namespaces_have(name: str) -> None:
    assert means({"workflow": name}, line()).workflow_name == "a::flow"
    gone = line(workflow="c::flow")
    assert means({"workflow": name if name == "flow" else "c::flow"}, gone).workflow_name == (
        "c::flow"
    )


@each_row(
    ("given", "told"),
    [
        ({"workflow": "nowhere"}, "no workflow 'nowhere'. Known: a::flow, b::flow, other"),
        ({"workflow": "flow"}, "Several workflows are named 'flow': a::flow, b::flow"),
        ({"jitter": "-1"}, "number of seconds"),
        ({"start": "soon"}, "A date cannot be read: 'soon'"),
        ({"limit": "long"}, "90, 15m, 2h or none, not 'long'"),
        ({"params": '{"a": "***"}'}, "hidden value"),
    ],
)
def test_what_is_wrong_with_a_form_is_told(given: dict[str, str], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        means({**FORM, **given})


def test_a_context_is_an_object() -> None:
    with pytest.raises(ConfigError, match="must be a JSON object"):
        means({**FORM, "params": "[1]"})


def test_workflows_are_chosen_by_the_names_that_people_know() -> None:
    assert [each.label for each in choices(KNOWN, "c::gone")] == [
        "a::flow",
        "b::flow",
        "gone",
        "other",
    ]
