"""A span gets the ids that were chosen for it, and no other span does."""

from __future__ import annotations

import threading
from typing import cast

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import NoOpTracerProvider, SpanContext, SpanKind, TraceFlags
from tables import each_row

from cloaca_core.features.telemetry.chosen_ids import ChosenIds, Tracers, within


class Plain:
    """Ids that count up from a hundred; those of traces are not random."""

    def __init__(self) -> None:
        self._last = 100

    def generate_span_id(self) -> int:
        self._last += 1
        return self._last

    generate_trace_id = generate_span_id

    def is_trace_id_random(self) -> bool:
        return False


def test_the_ids_of_one_span_are_chosen() -> None:
    ids = ChosenIds(Plain())
    with ids.chosen(7, 8):
        chosen = (ids.generate_trace_id(), ids.generate_span_id())

    assert chosen == (7, 8)
    assert ids.generate_span_id() == 101
    assert not ids.is_trace_id_random()


def test_another_thread_gets_ids_as_ever() -> None:
    ids, found = ChosenIds(Plain()), []
    with ids.chosen(7, 8):
        other = threading.Thread(target=lambda: found.append(ids.generate_span_id()))
        other.start()
        other.join()

    assert found == [101]


def test_spans_of_the_sdk_get_them_at_a_root_and_below() -> None:
    tracers = Tracers(TracerProvider())
    parent = SpanContext(3, 4, is_remote=True, trace_flags=TraceFlags(1))
    with tracers.choosing(7, 8):
        root = tracers.tracer.start_span("root", within(None))
    with tracers.choosing(3, 9):
        below = tracers.tracer.start_span("below", within(parent))

    found = [span.get_span_context() for span in (root, below)]
    assert [(each.trace_id, each.span_id) for each in found] == [(7, 8), (3, 9)]
    assert tracers.chooses


def test_two_users_of_one_provider_put_one_generator_into_its_tracer() -> None:
    provider = TracerProvider()
    tracer = provider.get_tracer("cloaca")
    known = cast("TracerProvider", type("P", (), {"get_tracer": lambda *_: tracer})())

    for _ in range(2):
        with Tracers(known).choosing(7, 8):
            assert tracer.start_span("s").get_span_context().span_id == 8


def test_a_provider_without_a_generator_makes_spans_all_the_same() -> None:
    tracers = Tracers(NoOpTracerProvider())
    with tracers.choosing(7, 8):
        tracers.tracer.start_span("s").end()

    assert not tracers.chooses


def test_the_provider_that_the_program_sets_later_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "get_tracer_provider", trace.ProxyTracerProvider)
    tracers = Tracers(None)
    assert not tracers.chooses

    provider = TracerProvider()
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    assert tracers.chooses


@each_row(
    ("provider", "flags", "sampled"),
    [
        (TracerProvider(), 1, True),
        (TracerProvider(), 0, False),  # the usual sampler follows the parent
        (TracerProvider(sampler=ALWAYS_OFF), 1, False),
        (NoOpTracerProvider(), 1, True),  # without a sampler, the parent is all there is
        (NoOpTracerProvider(), 0, False),
    ],
)
def test_whether_a_span_will_be_sampled_is_known_before_it_is_made(
    provider: trace.TracerProvider, flags: int, sampled: bool
) -> None:
    parent = SpanContext(3, 4, is_remote=True, trace_flags=TraceFlags(flags))
    found, _ = Tracers(provider).sampled(parent, 3, "run x", SpanKind.CONSUMER, {}, [])

    assert found.sampled is sampled


def test_a_span_without_a_parent_is_sampled_where_no_sampler_is_known() -> None:
    found, _ = Tracers(NoOpTracerProvider()).sampled(None, 3, "x", SpanKind.CONSUMER, {}, [])
    assert found.sampled
