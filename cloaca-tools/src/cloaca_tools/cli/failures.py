"""From errors to messages and exit codes, for all commands in one place."""

from __future__ import annotations

from typing import IO, Any, Final

import click

from cloaca_core.errors import (
    BackendError,
    CloacaError,
    ConfigError,
    ContextError,
    DefinitionError,
    FilterError,
    PipelineTimeoutError,
    RunCancelledError,
    RunFailedError,
    ScheduleError,
    StoreOpenError,
    StoreReadOnlyError,
    StoreUnavailableError,
    TenantError,
    WorkflowNotFoundError,
)
from cloaca_tools.cli import exits


class Failure(click.ClickException):
    """Ends a command with a message and an exit code."""

    def __init__(self, message: str, code: int = exits.ERROR) -> None:
        super().__init__(message)
        self.exit_code = code  # type: ignore[misc] # click reads it from the instance

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the message to stderr, as click does for its own errors."""
        click.echo(f"Error: {self.format_message()}", file=file, err=file is None)


# The first class that fits counts, so the special ones stand first.
_CODES: Final[tuple[tuple[type[CloacaError], int], ...]] = (
    (PipelineTimeoutError, exits.TIMED_OUT),
    (RunCancelledError, exits.RUN_CANCELLED),
    (RunFailedError, exits.RUN_FAILED),
    (WorkflowNotFoundError, exits.ERROR),
    (StoreOpenError, exits.NO_DATABASE),
    (BackendError, exits.NO_DATABASE),
    # What these refuse was written on the command line, or in a file or variable beside it.
    (FilterError, exits.USAGE),
    (ConfigError, exits.USAGE),
    (ScheduleError, exits.USAGE),
    (ContextError, exits.USAGE),
    (DefinitionError, exits.USAGE),
)


def code_of(error: CloacaError) -> int:
    """The exit code of an error."""
    cause = error.__cause__
    if isinstance(error, TenantError) and isinstance(cause, StoreOpenError | StoreUnavailableError):
        return exits.NO_DATABASE
    return next((code for kind, code in _CODES if isinstance(error, kind)), exits.ERROR)


def failure_of(error: CloacaError) -> Failure:
    """The same error as a command ends with it."""
    return Failure(message_of(error), code_of(error))


def message_of(error: CloacaError) -> str:
    """The text of an error, with the commands that make a database which is not there."""
    match error:
        case StoreOpenError(reason="missing"):
            return f"{error}. `cloaca run`, `cloaca worker` and `cloaca db upgrade` make it"
        case StoreReadOnlyError(is_unmade=True):
            return f"{error}. `cloaca db upgrade` makes what is missing"
        case _:
            return str(error)
