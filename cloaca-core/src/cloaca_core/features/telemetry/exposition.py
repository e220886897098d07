"""The text that Prometheus reads, made of a sample by the package ``prometheus_client``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from cloaca_core.errors import missing_extra
from cloaca_core.features.telemetry.tallies import Count, Distribution
from cloaca_core.values.queue_names import DEFAULT_QUEUE
from cloaca_core.values.times.instants import SECOND

if TYPE_CHECKING:
    from prometheus_client import Metric

    from cloaca_core.features.telemetry.sample import Sample

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
"""The ``Content-Type`` of an answer with this text."""

MOST_LIMITS: Final = 100
"""Limits that are shown."""

WHAT: Final = {
    "cloaca_runs_total": "Runs that have ended here, by how.",
    "cloaca_run_duration_seconds": "From the start of a run to its end.",
    "cloaca_task_attempts_total": "Attempts of tasks that have ended here, by how.",
    "cloaca_task_duration_seconds": "From the start of an attempt to its end.",
    "cloaca_item_attempts_total": "Attempts of items of maps that have ended here, by how.",
    "cloaca_item_duration_seconds": "From the start of an attempt of an item to its end.",
    "cloaca_schedule_to_start_seconds": (
        "From when the first attempt of a task could begin until it did."
    ),
    "cloaca_runs": "Runs in the database that have not ended, by their state.",
    "cloaca_oldest_pending_seconds": (
        "For how long the run that may be claimed, and has waited longest, has waited."
    ),
    "cloaca_queue_waiting": "Runs that may be claimed, by the queue that they wait in.",
    "cloaca_limit_used": "Places of a limit that are taken.",
    "cloaca_limit_places": "Places that a limit has, if they are limited.",
    "cloaca_limit_waiting": "Bodies and items that wait for a place of a limit.",
    "cloaca_limit_oldest_seconds": "For how long the first waits for a place of a limit.",
    "cloaca_slots": "Slots for bodies that are used or free, and bodies queued for one.",
    "cloaca_recoveries_total": "Runs of dead runners that this one has made claimable.",
    "cloaca_lease_losses_total": "How often this runner was declared dead by another one.",
    "cloaca_journal_commit_seconds": "How long the database took for a commit of records.",
    "cloaca_tick_lag_seconds": "From the instant of a schedule's tick until its run was there.",
    "cloaca_loop_last_success_seconds": "When a loop of the runner has last succeeded, since 1970.",
    "cloaca_database_bytes": "The size of cloaca's tables and indexes.",
    "cloaca_pruned_runs_total": "Runs that this runner has deleted, as their time was over.",
}
"""The names of all metrics, and their help texts."""


def text_of(sample: Sample) -> str:
    """The sample as text; ``MissingExtraError`` without the package."""
    try:
        from prometheus_client import CollectorRegistry, generate_latest
    except ImportError as error:
        raise missing_extra("cloaca.metrics", "metrics", "prometheus_client") from error
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(sample))
    return generate_latest(registry).decode()


class _Families:
    """A collector, as the package calls it."""

    def __init__(self, sample: Sample) -> None:
        self._sample = sample

    def collect(self) -> Iterator[Metric]:
        """All metrics of the sample."""
        sample, metrics = self._sample, self._sample.metrics
        yield _counter("cloaca_runs_total", ("workflow", "status"), metrics.runs)
        yield _histogram("cloaca_run_duration_seconds", ("workflow",), metrics.run_seconds)
        yield _counter("cloaca_task_attempts_total", _OF_ATTEMPTS, metrics.attempts)
        yield _histogram("cloaca_task_duration_seconds", _OF_TASKS, metrics.task_seconds)
        yield _counter("cloaca_item_attempts_total", _OF_ATTEMPTS, metrics.items)
        yield _histogram("cloaca_item_duration_seconds", _OF_TASKS, metrics.item_seconds)
        lateness = metrics.schedule_to_start
        yield _histogram("cloaca_schedule_to_start_seconds", ("workflow",), lateness)
        yield _histogram("cloaca_journal_commit_seconds", (), metrics.commit_seconds)
        yield _histogram("cloaca_tick_lag_seconds", ("workflow",), metrics.tick_lag)
        yield _total("cloaca_recoveries_total", sample.recoveries)
        yield _total("cloaca_lease_losses_total", sample.lease_losses)
        yield _total("cloaca_pruned_runs_total", sample.pruned_runs)
        yield from self._gauges()

    def _gauges(self) -> Iterator[Metric]:
        sample, gauges = self._sample, self._sample.gauges
        states = sorted({*_UNDER_WAY, *gauges.runs})
        runs = [((state,), float(gauges.runs.get(state, 0))) for state in states]
        yield _gauge("cloaca_runs", ("status",), runs)
        since = gauges.claimable_since
        oldest = 0.0 if since is None else max(0.0, (sample.at - since) / SECOND)
        yield _gauge("cloaca_oldest_pending_seconds", (), [((), oldest)])
        queues = {DEFAULT_QUEUE: 0, **gauges.queues}
        waiting = [((name,), float(number)) for name, number in sorted(queues.items())]
        yield _gauge("cloaca_queue_waiting", ("queue",), waiting)
        yield from _of_limits(sample)
        slots = [
            ((kind, state), float(number))
            for kind, use in sample.slots.items()
            for state, number in use._asdict().items()
        ]
        yield _gauge("cloaca_slots", ("kind", "state"), slots)
        loops = [((name,), at) for name, at in sample.loops.items()]
        yield _gauge("cloaca_loop_last_success_seconds", ("loop",), loops)
        if gauges.database_bytes is not None:
            size = [((), float(gauges.database_bytes))]
            yield _gauge("cloaca_database_bytes", (), size)


def _of_limits(sample: Sample) -> Iterator[Metric]:
    """Limits by name; of many those for which most wait."""
    if not sample.limits:
        return
    from cloaca_core.values.limits.settings import LimitChanges, LimitSettings

    by_waiting = sorted(sample.limits, key=lambda each: (-each.load.waiting, each.row.name))
    used, totals, waiting, oldest = [], [], [], []
    for row, load in sorted(by_waiting[:MOST_LIMITS]):
        changes = LimitChanges.read(row.changes)
        total = LimitSettings.read(row.content).changed_by(changes).total
        since = sample.at if load.oldest is None else load.oldest
        labels = (row.name,)
        used.append((labels, float(load.held)))
        waiting.append((labels, float(load.waiting)))
        oldest.append((labels, max(0.0, (sample.at - since) / SECOND)))
        if total is not None:
            totals.append((labels, float(total)))
    yield _gauge("cloaca_limit_used", ("limit",), used)
    yield _gauge("cloaca_limit_places", ("limit",), totals)
    yield _gauge("cloaca_limit_waiting", ("limit",), waiting)
    yield _gauge("cloaca_limit_oldest_seconds", ("limit",), oldest)


_UNDER_WAY: Final = ("Pending", "Running", "Waiting", "Paused")
"""States that are shown also when no run is in them."""
_OF_TASKS: Final = ("workflow", "task")
_OF_ATTEMPTS: Final = ("workflow", "task", "status")


def _counter(name: str, labels: Sequence[str], count: Count) -> Metric:
    from prometheus_client.core import CounterMetricFamily

    family = CounterMetricFamily(name, WHAT[name], labels=labels)
    for values, number in count.items():
        family.add_metric(values, number)
    return family


def _total(name: str, number: int) -> Metric:
    count = Count()
    count.add((), number)
    return _counter(name, (), count)


def _histogram(name: str, labels: Sequence[str], found: Distribution) -> Metric:
    from prometheus_client.core import HistogramMetricFamily

    family = HistogramMetricFamily(name, WHAT[name], labels=labels)
    for values, buckets, total in found.items():
        family.add_metric(values, buckets=buckets, sum_value=total)
    return family


def _gauge(
    name: str, labels: Sequence[str], values: Sequence[tuple[tuple[str, ...], float]]
) -> Metric:
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily(name, WHAT[name], labels=labels)
    for each, number in values:
        family.add_metric(each, number)
    return family
