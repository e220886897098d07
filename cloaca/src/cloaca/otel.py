"""Traces by OpenTelemetry; needs the extra ``otel``."""

from cloaca_core.runner.otel import instrument as instrument

__all__ = ["instrument"]
