"""Traces of a runner or a client, by OpenTelemetry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloaca_core.errors import missing_extra

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

    from cloaca_core.client.async_client import AsyncClient
    from cloaca_core.client.client import Client


def instrument(
    runner: Client | AsyncClient, *, tracer_provider: TracerProvider | None = None
) -> None:
    """Have an open runner or client make spans of its submissions, and a runner of its runs.

    ``tracer_provider`` is by default the one that the program sets, before or after this call. Call
    it once, before the first submission: spans of other programs link to those that have traced
    theirs. Payloads and messages of errors are in no span. Needs the extra ``otel``: without it
    ``MissingExtraError``, an ImportError.
    """
    try:
        from cloaca_core.features.telemetry.chosen_ids import Tracers
        from cloaca_core.features.telemetry.run_spans import RunTracing
        from cloaca_core.features.telemetry.submit_spans import SubmitTracing
    except ImportError as error:
        raise missing_extra("cloaca.otel", "otel", "opentelemetry") from error
    host = runner._host
    host.refuse_closed()
    if host.tracer is not None:
        return
    tracers = Tracers(tracer_provider)
    host.tracer = SubmitTracing(tracers)
    if host.works:
        tracing = RunTracing(tracers)
        host.send(lambda engine: engine.meter.watch(tracing))  # before all that is sent later
