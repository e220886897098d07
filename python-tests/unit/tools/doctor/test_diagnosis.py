"""How a diagnosis is put together."""

from __future__ import annotations

import pytest
from durability import beside_durability

import cloaca
from cloaca_core.errors import ConfigTypeError, StoreOpenError
from cloaca_core.features.transfer.examination import Finding
from cloaca_core.values.times.clock import Clock
from cloaca_tools.doctor.diagnosis import Diagnosis, diagnose

HOUR = 3_600_000_000


class FastClock(Clock):
    """An hour ahead."""

    def wall(self) -> int:
        return super().wall() + HOUR


def test_it_can_be_written_as_json() -> None:
    finding = Finding("code", "error", "text", "cure")

    assert Diagnosis((finding,), "sqlite", {"SQLite": "3"}, 2, 10).to_dict() == {
        "backend": "sqlite",
        "versions": {"SQLite": "3"},
        "schema": 2,
        "size": 10,
        "findings": [
            {"code": "code", "severity": "error", "text": "text", "cure": "cure"},
        ],
    }


def test_a_clock_that_differs_from_the_database_is_found(postgres_url: str) -> None:
    cloaca.DefaultRunner(postgres_url).shutdown()

    (finding,) = beside_durability(diagnose(postgres_url, clock=FastClock()).findings)

    assert finding.code == "clock_difference"
    assert "3,600.0 s ahead of" in finding.text


def test_what_is_no_url_is_refused_at_once() -> None:
    with pytest.raises(ConfigTypeError):
        diagnose(5)  # type: ignore[arg-type] # the refusal is the test
    with pytest.raises(StoreOpenError):
        diagnose("sqlite://?mode=none")
