"""A submission is sent within a span, which ends as the submission does."""

from __future__ import annotations

import concurrent.futures

import pytest

from cloaca_core.features.telemetry.tracing import first, only, traced

Sent = concurrent.futures.Future[tuple[str, bool]]


class Span:
    """Notes how it ends."""

    def __init__(self) -> None:
        self.trace: str | None = "link x"
        self.end: object = None

    def accepted(self, run_id: str | None) -> None:
        self.end = run_id

    def failed(self, error: BaseException) -> None:
        self.end = error


class Tracer:
    def __init__(self) -> None:
        self.begun: list[tuple[str, bool, int]] = []
        self.span = Span()

    def begin(self, name: str, *, within: bool, runs: int = 1) -> Span:
        self.begun.append((name, within, runs))
        return self.span


def test_the_span_ends_with_the_id_of_the_run() -> None:
    tracer, future = Tracer(), Sent()
    sent: list[str | None] = []

    def send(trace: str | None) -> Sent:
        sent.append(trace)
        return future

    assert traced(tracer, "submit order", send, read=first, within=True) is future
    assert (tracer.begun, sent) == ([("submit order", True, 1)], ["link x"])
    assert tracer.span.end is None
    future.set_result(("run", True))
    assert tracer.span.end == "run"


def test_the_span_ends_with_the_error() -> None:
    tracer, future, error = Tracer(), Sent(), ValueError()
    traced(tracer, "submit order", lambda _: future, read=first)
    future.set_exception(error)

    assert tracer.span.end is error


def test_one_that_cannot_be_sent_ends_with_that() -> None:
    tracer, error = Tracer(), ValueError()

    def send(_: str | None) -> Sent:
        raise error

    with pytest.raises(ValueError):
        traced(tracer, "submit order", send, read=first)
    assert tracer.span.end is error


def test_one_that_is_given_up_ends_as_cancelled() -> None:
    tracer, future = Tracer(), Sent()
    traced(tracer, "submit order", lambda _: future, read=first)
    future.cancel()

    assert isinstance(tracer.span.end, concurrent.futures.CancelledError)


def test_without_a_tracer_nothing_is_named() -> None:
    sent: list[str | None] = []

    def send(trace: str | None) -> Sent:
        sent.append(trace)
        return Sent()

    traced(None, "submit order", send, read=first)
    assert sent == [None]


def test_one_span_names_no_run_of_many() -> None:
    assert (only(["a"]), only(["a", "b"]), only([])) == ("a", None, None)
