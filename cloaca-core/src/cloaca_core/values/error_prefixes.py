"""Prefixes of error messages: in 0.x these begin with the operation that failed.

Changes nothing but the text of an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from cloaca_core.errors import (
    AmbiguousWorkflowError,
    ConfigError,
    ContextError,
    DefinitionError,
    ScheduleError,
)

EXECUTION: Final = "Workflow execution failed: "
CRON_WORKFLOW: Final = "Failed to register cron workflow: "
INSTANCE: Final = "Failed to register workflow instance: "
SCHEDULE: Final = "Failed to set schedule: "
UPDATE: Final = "Failed to update cron schedule: "

_REFUSALS: Final = (
    AmbiguousWorkflowError,
    ConfigError,
    ContextError,
    DefinitionError,
    ScheduleError,
)


@contextmanager
def prefixed(prefix: str) -> Iterator[None]:
    """Put ``prefix`` before the message of an error that refuses arguments within."""
    try:
        yield
    except _REFUSALS as error:
        error.args = (f"{prefix}{error}",)
        raise
