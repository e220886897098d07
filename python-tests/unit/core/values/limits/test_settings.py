"""The settings of a limit, and what people change of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st
from tables import each_row

from cloaca_core.errors import DefinitionError, DefinitionTypeError
from cloaca_core.values.limits.rates import Rate
from cloaca_core.values.limits.settings import (
    LimitChanges,
    LimitSettings,
    read_changes,
    read_settings,
)
from cloaca_core.values.times.no_limit import NO_LIMIT, NoLimit

MINUTE = 60_000_000

SETTINGS = LimitSettings(
    total=20, per_key=2, rate=Rate(100, MINUTE, 10), key_rate=Rate(5, MINUTE, 1)
)

a_number = st.integers(0, 10**6)
a_rate = st.builds(Rate, st.integers(1, 10**6), st.integers(1, 10**15), st.integers(1, 10**6))
a_change = st.builds(
    LimitChanges,
    st.none() | a_number | st.just(NO_LIMIT),
    st.none() | a_number | st.just(NO_LIMIT),
    st.none() | a_rate | st.just(NO_LIMIT),
    st.none() | a_rate | st.just(NO_LIMIT),
)
some_settings = st.builds(
    LimitSettings,
    st.none() | a_number,
    st.none() | a_number,
    st.none() | a_rate,
    st.none() | a_rate,
)


def test_settings_are_read_from_their_arguments() -> None:
    given = read_settings(total=20, per_key=2, rate="100/m", burst=10, rate_per_key="5/m")
    assert given == SETTINGS
    assert read_settings() == LimitSettings()
    # nothing may run: an integration that is paused
    assert read_settings(total=0) == LimitSettings(total=0)
    assert read_settings(rate_per_key="5/m", burst_per_key=3).key_rate == Rate(5, MINUTE, 3)


@each_row(
    ("arguments", "message"),
    [
        ({"total": -1}, "^total must be at least 0, got -1$"),
        ({"total": 1_000_001}, "^total must be 0 to 1000000, got 1000001$"),
        ({"per_key": 0}, "^per_key must be 1 to 1000000, got 0$"),
        ({"per_key": 10**5000}, "^per_key must be 1 to 1000000, got a number of very many digits$"),
        ({"rate": "100"}, "^rate must be written as"),
        ({"rate_per_key": "100"}, "^rate_per_key must be written as"),
        ({"burst": 5}, "^burst needs rate, which is not given$"),
        ({"burst": 5, "rate_per_key": "1/s"}, "^burst needs rate, which is not given$"),
        ({"burst_per_key": 5, "rate": "1/s"}, "^burst_per_key needs rate_per_key"),
    ],
)
def test_another_value_is_refused(arguments: dict[str, Any], message: str) -> None:
    for read in (read_settings, read_changes):
        with pytest.raises(DefinitionError, match=message):
            read(**arguments)


@each_row(
    ("arguments", "message"),
    [
        ({"total": 1.0}, "^total must be an int, got float$"),
        ({"total": float("nan")}, "^total must be an int, got float$"),
        ({"total": True}, "^total must be an int, got bool$"),
        ({"per_key": "2"}, "^per_key must be an int, got str$"),
        ({"rate": 100}, "^rate must be written as .*, got int$"),
        ({"rate": "1/s", "burst": NO_LIMIT}, "^the burst of rate must be an int, got NoLimit$"),
    ],
)
def test_another_type_is_a_type_error(arguments: dict[str, Any], message: str) -> None:
    for read in (read_settings, read_changes):
        with pytest.raises(DefinitionTypeError, match=message):
            read(**arguments)


def test_only_a_change_lifts_a_limit() -> None:
    lifted = read_changes(total=NO_LIMIT, per_key=NO_LIMIT, rate=NO_LIMIT, rate_per_key=NO_LIMIT)
    assert lifted == LimitChanges(NO_LIMIT, NO_LIMIT, NO_LIMIT, NO_LIMIT)
    assert SETTINGS.changed_by(lifted) == LimitSettings()
    with pytest.raises(DefinitionError, match=r"^burst needs rate"):
        read_changes(rate=NO_LIMIT, burst=3)
    for name in ("total", "per_key", "rate", "rate_per_key"):
        with pytest.raises(DefinitionTypeError, match=rf"^{name} must be .* got NoLimit$"):
            read_settings(**{name: NO_LIMIT})  # type: ignore[arg-type]  # what is refused


def test_a_change_wins_field_by_field() -> None:
    assert SETTINGS.changed_by(LimitChanges()) == SETTINGS
    changed = SETTINGS.changed_by(read_changes(total=0, rate=NO_LIMIT, rate_per_key="1/s"))
    assert changed == LimitSettings(total=0, per_key=2, rate=None, key_rate=Rate(1, 1_000_000, 1))


@given(some_settings, a_change, a_change)
def test_a_later_change_goes_over_an_earlier_one(
    settings: LimitSettings, earlier: LimitChanges, later: LimitChanges
) -> None:
    assert settings.changed_by(earlier.then(later)) == settings.changed_by(earlier).changed_by(
        later
    )


@given(some_settings, a_change)
def test_settings_and_changes_are_read_as_they_were_written(
    settings: LimitSettings, changes: LimitChanges
) -> None:
    assert LimitSettings.read(settings.content()) == settings
    assert LimitChanges.read(changes.content()) == changes


def test_the_json_has_what_is_given() -> None:
    assert read_settings(total=0, rate="5/10s").content() == (
        '{"total":0,"rate":{"count":5,"period_us":10000000,"burst":1}}'
    )
    assert LimitChanges(per_key=NO_LIMIT).content() == '{"per_key":"none"}'
    # of a newer version
    assert LimitSettings.read('{"total":3,"colour":"red"}') == LimitSettings(total=3)


@each_row("value", [NO_LIMIT, None])
def test_no_change_of_a_missing_setting_adds_one(value: NoLimit | None) -> None:
    assert LimitSettings().changed_by(LimitChanges(total=value)) == LimitSettings()
