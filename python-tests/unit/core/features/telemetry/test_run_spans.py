"""Spans are made of rows; those of a tracer whose ids cannot be chosen stay in one trace."""

from __future__ import annotations

from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from cloaca_core.features.telemetry.chosen_ids import Tracers
from cloaca_core.features.telemetry.origin import Origin, run_span_id, trace_id_of
from cloaca_core.features.telemetry.run_spans import RunSpans, RunTracing
from cloaca_core.run.rows import RunRow
from cloaca_core.run.watcher import BodySpans, Recorded
from cloaca_core.values.states import TaskStatus
from cloaca_testing.conformance.rows import attempt, run_end

ROW = RunRow(
    *("r", "public::embedded::order", "v", "Running", "me", 1, 0, "{}", "{}", None, None, None),
    *(9, 10, None),
)


class Run:
    """A run of this runner."""

    def __init__(self, row: RunRow = ROW) -> None:
        self.row = row
        self.spans: BodySpans | None = None

    def ready_at(self, task_id: str) -> int | None:
        raise AssertionError(task_id)

    def attempt_of(self, task_id: str) -> int:
        assert task_id == "convert"
        return 2


def recorded(
    run: Run, provider: TracerProvider | None = None, *, adopted: bool = True
) -> list[str]:
    """The names of the spans that the end of a run and of a task make."""
    provider, exporter = provider or TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing = RunTracing(Tracers(provider))
    if adopted:
        tracing.adopted(run)
    rows = [
        attempt("r", "t"),
        attempt("r", "u", status=TaskStatus.RUNNING),  # a start mark
        attempt("r", "s", status=TaskStatus.SKIPPED)._replace(attempt=0),
    ]
    tracing.recorded(Recorded(run, rows, [], run_end("r")))
    return [span.name for span in exporter.get_finished_spans()]


def test_what_has_ended_makes_spans() -> None:
    assert recorded(Run()) == ["task order.t", "run order"]


def test_a_run_that_came_before_the_program_traced_makes_none() -> None:
    assert recorded(Run(), adopted=False) == []


def test_a_clock_that_was_set_back_makes_no_span_that_ends_before_it_begins() -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    spans = RunSpans(Tracers(provider), ROW._replace(started_at=50))
    spans.emit_run(run_end("r")._replace(ended_at=40))

    (span,) = exporter.get_finished_spans()
    assert (span.start_time, span.end_time) == (50_000, 50_000)


class Noting(trace.NoOpTracer):
    """A tracer whose ids cannot be chosen; notes the parents of its spans."""

    def __init__(self) -> None:
        self.parents: dict[str, tuple[int, int]] = {}

    def start_span(
        self, name: str, context: Context | None = None, *_: Any, **__: Any
    ) -> trace.Span:
        parent = trace.get_current_span(context).get_span_context()
        self.parents[name] = (parent.trace_id, parent.span_id)
        return trace.INVALID_SPAN


class NotingProvider(trace.NoOpTracerProvider):
    def __init__(self) -> None:
        self.tracer = Noting()

    def get_tracer(self, *_: object, **__: object) -> trace.Tracer:
        return self.tracer


def parents_of(row: RunRow) -> dict[str, tuple[int, int]]:
    provider = NotingProvider()
    spans = RunSpans(Tracers(provider), row)
    spans.emit_task(attempt("r", "t"))
    spans.emit_run(run_end("r"))
    return provider.tracer.parents


def test_without_a_choice_of_ids_the_run_is_in_the_trace_of_its_tasks() -> None:
    own = (trace_id_of("r", 1), run_span_id("r", 1))
    assert parents_of(ROW) == {"task order.t": own, "run order": own}


def test_without_a_choice_of_ids_the_run_is_below_its_submission() -> None:
    row = ROW._replace(trace=Origin(3, 4, 1, is_within=True).text())
    assert parents_of(row) == {"task order.t": (3, run_span_id("r", 1)), "run order": (3, 4)}
