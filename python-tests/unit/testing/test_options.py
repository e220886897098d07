"""The settings of a harness are a copy of its user's, for an engine that is alone."""

from __future__ import annotations

from typing import Any

import pytest
from tables import each_row

import cloaca
from cloaca_core.config import DefaultRunnerConfig
from cloaca_testing.options import LEASE_SECONDS, settings_of


def test_an_engine_that_is_alone_renews_no_lease_and_grants_no_grace() -> None:
    made = settings_of(None, None)

    assert (made.lease_seconds, made.shutdown_grace_seconds) == (LEASE_SECONDS, 0)
    assert made.evict_after_seconds == DefaultRunnerConfig().evict_after_seconds


def test_those_of_the_user_stay_as_they_are() -> None:
    given = DefaultRunnerConfig(max_active_runs=3, lease_seconds=20, evict_after_seconds=7)

    made = settings_of(given, "always")

    assert (made.max_active_runs, made.evict_after_seconds) == (3, 0)
    assert (given.lease_seconds, given.evict_after_seconds) == (20, 7)


@each_row(
    ("config", "evict", "error"),
    [
        ({}, None, TypeError),  # no settings
        (None, "never", cloaca.ConfigError),  # the usual way is None
        (None, True, cloaca.ConfigError),
    ],
)
def test_others_are_refused(config: Any, evict: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        settings_of(config, evict)
