"""The span of a submission ends once, and its run's row names it."""

from __future__ import annotations

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NoOpTracerProvider, StatusCode
from tables import each_row

from cloaca_core.features.telemetry.chosen_ids import Tracers
from cloaca_core.features.telemetry.origin import origin_of
from cloaca_core.features.telemetry.submit_spans import SubmitTracing


class Scene:
    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracing = SubmitTracing(Tracers(provider))

    def span(self) -> ReadableSpan:
        (span,) = self._exporter.get_finished_spans()
        return span


@each_row("within", [True, False])
def test_the_row_of_the_run_names_it(within: bool) -> None:
    scene = Scene()
    span = scene.tracing.begin("submit order", within=within)
    span.accepted("r")

    origin, found = origin_of(span.trace), scene.span().get_span_context()
    assert origin is not None
    assert found is not None
    assert (origin.trace_id, origin.span_id, origin.is_within) == (
        found.trace_id,
        found.span_id,
        within,
    )
    assert dict(scene.span().attributes or {}) == {
        "cloaca.workflow.name": "order",
        "cloaca.run.id": "r",
    }


def test_one_that_was_refused_says_by_what() -> None:
    scene = Scene()
    span = scene.tracing.begin("submit order", within=False, runs=3)
    span.failed(ValueError("a secret"))

    assert dict(scene.span().attributes or {}) == {
        "cloaca.workflow.name": "order",
        "cloaca.run.count": 3,
        "error.type": "ValueError",
    }
    assert scene.span().status.status_code is StatusCode.ERROR
    assert "secret" not in scene.span().to_json()


def test_what_comes_after_it_was_accepted_changes_nothing() -> None:
    scene = Scene()
    span = scene.tracing.begin("submit order", within=True)
    span.accepted("r")
    span.failed(ValueError())
    span.accepted("other")

    assert scene.span().status.status_code is StatusCode.UNSET


def test_without_an_sdk_there_is_nothing_to_name() -> None:
    span = SubmitTracing(Tracers(NoOpTracerProvider())).begin("submit order", within=True)
    span.accepted("r")

    assert span.trace is None
