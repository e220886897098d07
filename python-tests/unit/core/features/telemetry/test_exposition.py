"""A sample becomes text that a parser of the format reads, with all metrics and no others."""

from __future__ import annotations

import sys

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tables import each_row

from cloaca_core.engine.execute.usage import SlotUse
from cloaca_core.errors import MissingExtraError
from cloaca_core.features.limits.looks.records import LimitLoad, Load
from cloaca_core.features.limits.records import LimitRow
from cloaca_core.features.telemetry import exposition
from cloaca_core.features.telemetry.exposition import WHAT, text_of
from cloaca_core.features.telemetry.gauges import Gauges
from cloaca_core.features.telemetry.run_metrics import RunMetrics
from cloaca_core.features.telemetry.sample import Sample


def limit(name: str, content: str, changes: str, load: Load) -> LimitLoad:
    return LimitLoad(LimitRow(name, content, changes, 0, None, None), load)


LIMITS = [
    limit("api", '{"total":20}', '{"total":5}', Load(3, 0, 7, 40_000_000)),
    limit("gpu", '{"total":2}', '{"total":"none"}', Load(1, 0, 0, None)),
]


def sample(gauges: Gauges) -> Sample:
    metrics = RunMetrics()
    metrics.runs.add(("order", "Failed"), 2)
    metrics.run_seconds.add(("order",), 0.3)
    metrics.attempts.add(('say "hi"\n', "charge", "Completed"))
    metrics.task_seconds.add(("order", "charge"), 0.2)
    metrics.items.add(("order", "convert", "Completed"))
    metrics.item_seconds.add(("order", "convert"), 0.2)
    metrics.schedule_to_start.add(("order",), 0.01)
    metrics.tick_lag.add(("order",), 0.01)
    metrics.committed(0.002)
    return Sample(
        metrics=metrics,
        gauges=gauges,
        at=70_000_000,
        slots={"threads": SlotUse(1, 3, 9)},
        recoveries=4,
        lease_losses=1,
        pruned_runs=7,
        loops={"claim": 12.5},
        limits=LIMITS,
    )


def found(gauges: Gauges) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """The value of each series."""
    return {
        (each.name, tuple(sorted(each.labels.items()))): each.value
        for family in text_string_to_metric_families(text_of(sample(gauges)))
        for each in family.samples
    }


BUSY = Gauges({"Pending": 3, "Odd": 1}, 60_000_000, 4096)


def test_all_metrics_and_no_others_are_shown() -> None:
    endings = ("_bucket", "_count", "_sum")
    names = {name for name, _ in found(BUSY)}
    shown = {
        name.removesuffix(ending)
        for name in names
        for ending in [next((e for e in endings if name.endswith(e)), "")]
    }
    assert shown == set(WHAT)


@each_row(
    ("name", "labels", "value"),
    [
        ("cloaca_runs_total", {"workflow": "order", "status": "Failed"}, 2),
        ("cloaca_run_duration_seconds_bucket", {"workflow": "order", "le": "0.1"}, 0),
        ("cloaca_run_duration_seconds_bucket", {"workflow": "order", "le": "0.5"}, 1),
        ("cloaca_run_duration_seconds_sum", {"workflow": "order"}, 0.3),
        (
            "cloaca_task_attempts_total",
            {"workflow": 'say "hi"\n', "task": "charge", "status": "Completed"},
            1,
        ),
        ("cloaca_runs", {"status": "Pending"}, 3),
        ("cloaca_runs", {"status": "Running"}, 0),  # shown although there is none
        ("cloaca_runs", {"status": "Odd"}, 1),
        ("cloaca_oldest_pending_seconds", {}, 10),
        ("cloaca_limit_used", {"limit": "api"}, 3),
        ("cloaca_limit_places", {"limit": "api"}, 5),
        ("cloaca_limit_waiting", {"limit": "api"}, 7),
        ("cloaca_limit_oldest_seconds", {"limit": "api"}, 30),
        ("cloaca_limit_oldest_seconds", {"limit": "gpu"}, 0),
        ("cloaca_slots", {"kind": "threads", "state": "queued"}, 9),
        ("cloaca_recoveries_total", {}, 4),
        ("cloaca_lease_losses_total", {}, 1),
        ("cloaca_pruned_runs_total", {}, 7),
        ("cloaca_loop_last_success_seconds", {"loop": "claim"}, 12.5),
        ("cloaca_database_bytes", {}, 4096),
    ],
)
def test_a_number_is_where_it_belongs(name: str, labels: dict[str, str], value: float) -> None:
    assert found(BUSY)[name, tuple(sorted(labels.items()))] == value


def test_nothing_that_waits_has_waited_for_no_time() -> None:
    assert found(Gauges({}, None, None))["cloaca_oldest_pending_seconds", ()] == 0


def test_a_clock_that_is_behind_makes_no_negative_wait() -> None:
    assert found(Gauges({}, 99_000_000, None))["cloaca_oldest_pending_seconds", ()] == 0


def test_a_size_that_is_not_known_is_left_out() -> None:
    assert "cloaca_database_bytes" not in {name for name, _ in found(Gauges({}, None, None))}


def test_of_many_limits_those_that_are_waited_for_are_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exposition, "MOST_LIMITS", 1)

    used = {labels for name, labels in found(BUSY) if name == "cloaca_limit_used"}
    assert used == {(("limit", "api"),)}


def test_a_limit_that_is_lifted_has_no_total() -> None:
    assert ("cloaca_limit_places", (("limit", "gpu"),)) not in found(BUSY)


def test_the_extra_is_named_where_the_package_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)

    with pytest.raises(MissingExtraError, match=r"pip install \"cloaca\[metrics\]==") as caught:
        text_of(sample(BUSY))
    assert caught.value.extra == "metrics"
