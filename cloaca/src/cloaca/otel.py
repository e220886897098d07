"""Traces by OpenTelemetry; needs the extra ``otel``."""

from cloaca_core.client.otel import instrument as instrument

__all__ = ["instrument"]
