"""The spans of submissions, which begin in the context of their callers; rows of runs name them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.trace import SpanKind, Status, StatusCode

from cloaca_core.features.telemetry.origin import Origin

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from cloaca_core.features.telemetry.chosen_ids import Tracers


class SubmitTracing:
    """Makes spans on the threads of callers."""

    def __init__(self, tracers: Tracers) -> None:
        self._tracers = tracers

    def begin(self, name: str, *, within: bool, runs: int = 1) -> SubmitSpan:
        """Begin the span of a submission, in the context of the caller. ``name`` is the span's
        name, ``runs`` the number of runs submitted. With ``within``, the runs belong to the
        caller's trace.
        """
        attributes: dict[str, str | int] = {}
        if name.startswith("submit "):
            attributes["cloaca.workflow.name"] = name.removeprefix("submit ")
        if runs != 1:
            attributes["cloaca.run.count"] = runs
        tracer = self._tracers.tracer
        span = tracer.start_span(name, kind=SpanKind.PRODUCER, attributes=attributes)
        return SubmitSpan(span, within=within)


class SubmitSpan:
    """The span of a submission. ``trace`` is what the row of its run has, None without an SDK."""

    def __init__(self, span: Span, *, within: bool) -> None:
        self._span = span
        found = span.get_span_context()
        self.trace: str | None = None
        if found.is_valid:
            flags = int(found.trace_flags)
            self.trace = Origin(found.trace_id, found.span_id, flags, within).text()

    def accepted(self, run_id: str | None) -> None:
        """The submission is durable, as this run or as an existing run with its key."""
        if self._span.is_recording():
            if run_id is not None:
                self._span.set_attribute("cloaca.run.id", run_id)
            self._span.end()

    def failed(self, error: BaseException) -> None:
        """It was not accepted; does nothing after ``accepted``."""
        if self._span.is_recording():
            self._span.set_attribute("error.type", type(error).__qualname__)
            self._span.set_status(Status(StatusCode.ERROR))
            self._span.end()
