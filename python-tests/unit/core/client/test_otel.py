"""Tracing needs its extra, and an open runner."""

from __future__ import annotations

import sys

import pytest

import cloaca
from cloaca_core.errors import MissingExtraError


def test_the_extra_is_named_where_the_package_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [
        name for name in sys.modules if name.startswith("cloaca_core.features.telemetry.")
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with (
        cloaca.DefaultRunner(":memory:") as runner,
        pytest.raises(MissingExtraError, match=r"pip install \"cloaca\[otel\]==") as caught,
    ):
        cloaca.otel.instrument(runner)

    assert caught.value.extra == "otel"


def test_a_runner_that_is_closed_is_refused() -> None:
    with cloaca.DefaultRunner(":memory:") as runner:
        pass
    with pytest.raises(cloaca.RunnerClosedError):
        cloaca.otel.instrument(runner)


def test_a_runner_that_is_traced_already_stays_as_it_is() -> None:
    with cloaca.DefaultRunner(":memory:") as runner:
        cloaca.otel.instrument(runner)
        known = runner._host.tracer
        cloaca.otel.instrument(runner)

        assert known is not None
        assert runner._host.tracer is known
