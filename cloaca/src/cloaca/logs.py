"""Log records of a program as lines of JSON."""

from cloaca_core.features.telemetry.json_logs import JsonFormatter as JsonFormatter

__all__ = ["JsonFormatter"]
