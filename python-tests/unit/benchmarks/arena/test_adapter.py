"""What the process of the arena tells."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.arena import adapter, phases
from cloaca_core.store.tables import TABLES


def test_the_figures_are_those_of_the_arena() -> None:
    counted = adapter.Counted()
    for latency in range(100, 0, -1):
        counted.began(latency)
    counted.accepted, counted.completed, counted.depth = 20, 10, 7
    assert {name: value for name, value, _ in counted.metrics(2)} == {
        "claim_p50_ms": 50,
        "claim_p95_ms": 95,
        "claim_p99_ms": 99,
        "enqueue_rate": 10,
        "completion_rate": 5,
        "queue_depth": 7,
    }
    counted.accepted = 26
    rates = {name: value for name, value, _ in counted.metrics(2) if name.endswith("_rate")}
    assert rates == {"enqueue_rate": 3, "completion_rate": 0}


def test_no_latency_is_zero() -> None:
    assert {value for _, value, _ in adapter.Counted().metrics(1)} == {0}


def test_another_rate_is_read_while_the_process_works(tmp_path: Path) -> None:
    file = tmp_path / "rate"
    settings = adapter.Settings.of(
        {"DATABASE_URL": "", "PRODUCER_RATE": "200", "PRODUCER_RATE_CONTROL_FILE": str(file)}
    )
    assert settings.rate_now() == 200
    file.write_text("300.0")
    assert settings.rate_now() == 300


def test_a_backlog_is_kept_where_it_is_asked_for() -> None:
    asked = {"DATABASE_URL": "", "PRODUCER_MODE": "depth-target", "TARGET_DEPTH": "50"}
    assert adapter.Settings.of(asked).target_depth == 50
    assert adapter.Settings.of({"DATABASE_URL": ""}).target_depth is None


def test_the_tables_that_are_watched_are_there() -> None:
    manifest = json.loads(Path(adapter.__file__).with_name("adapter.json").read_text())
    assert manifest["event_tables"] == [f"public.{name}" for name in phases.TABLES]
    assert {*phases.TABLES} <= {f"cloaca_{table.name}" for table in TABLES}
