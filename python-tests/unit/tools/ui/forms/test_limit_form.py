"""The form of the settings of a limit."""

from __future__ import annotations

import pytest
from tables import each_row

import cloaca
from cloaca_core.features.limits.operations import SetLimit
from cloaca_tools.ui.forms.limit_form import change_of, given_of, with_given

NOW = cloaca.LimitInfo(
    name="api",
    total=20,
    per_key=None,
    rate="100/m",
    burst=10,
    rate_per_key=None,
    burst_per_key=None,
    definition={},
    changes={},
    changed_by=None,
    changed_at=None,
    used=0,
    waiting=0,
    oldest=None,
    next_start=None,
)


def test_the_form_has_the_settings_that_count() -> None:
    assert given_of(NOW) == {
        "total": "20",
        "per_key": "none",
        "rate": "100/m",
        "burst": "10",
        "rate_per_key": "none",
        "burst_per_key": "",
    }


@each_row(
    ("written", "change", "options"),
    [
        ({"total": " 0 "}, SetLimit("api", total=0), "--total 0"),
        ({"total": "none"}, SetLimit("api", total=cloaca.NO_LIMIT), "--total none"),
        ({"per_key": "2"}, SetLimit("api", per_key=2), "--per-key 2"),
        ({"rate": "10/m"}, SetLimit("api", rate="10/m", burst=10), "--rate 10/m --burst 10"),
        ({"burst": "3"}, SetLimit("api", rate="100/m", burst=3), "--rate 100/m --burst 3"),
        ({"rate": "5/s", "burst": ""}, SetLimit("api", rate="5/s"), "--rate 5/s"),
        ({"rate": "none"}, SetLimit("api", rate=cloaca.NO_LIMIT), "--rate none"),
        (
            {"rate_per_key": "5/s"},
            SetLimit("api", rate_per_key="5/s"),
            "--rate-per-key 5/s",
        ),
    ],
)
def test_what_differs_is_set(written: dict[str, str], change: SetLimit, options: str) -> None:
    found = change_of(NOW, with_given(NOW, written))
    assert found == (change, ["limits", "set", *options.split()])


@each_row("written", [{}, {"total": "20"}, {"total": ""}, {"rate": ""}, {"burst_per_key": "3"}])
def test_what_is_as_now_or_empty_is_no_change(written: dict[str, str]) -> None:
    assert change_of(NOW, with_given(NOW, written)) == (None, [])


@each_row("written", [{"total": "x"}, {"total": "-1"}, {"per_key": "1e9"}, {"total": "9" * 10}])
def test_what_is_no_number_is_refused(written: dict[str, str]) -> None:
    with pytest.raises(cloaca.ConfigError, match="whole number or none"):
        change_of(NOW, with_given(NOW, written))
