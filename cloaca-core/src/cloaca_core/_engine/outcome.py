"""What an attempt came to, as values."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TypeAlias

from cloaca_core._engine.merge import Change
from cloaca_core.retry import RetryPolicy
from cloaca_core.store.records import storable_text

log = logging.getLogger("cloaca.engine")


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The body returned. ``text`` is the change as it is stored."""

    change: Change
    text: str


@dataclass(frozen=True, slots=True)
class Raised:
    """The body raised, timed out, or returned what no context can hold.

    ``again`` says whether the policy wants another attempt.
    """

    type: str
    message: str
    traceback: str
    again: bool

    def __str__(self) -> str:
        return f"{self.type}: {self.message}"


Outcome: TypeAlias = Succeeded | Raised


def raised(error: BaseException, *, again: bool, skip_frames: int = 0) -> Raised:
    """The outcome for an exception; ``skip_frames`` of ours are left out of the traceback."""
    trace: TracebackType | None = error.__traceback__
    for _ in range(skip_frames):
        trace = trace.tb_next if trace is not None else None
    return Raised(
        type=storable_text(type(error).__name__),
        message=storable_text(_message(error)),
        traceback=storable_text(_formatted(error, trace)),
        again=again,
    )


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException as broken:  # noqa: BLE001 - a user's __str__ may raise anything
        return f"<its __str__ raised {type(broken).__name__}>"


def _formatted(error: BaseException, trace: TracebackType | None) -> str:
    try:
        return "".join(traceback.format_exception(type(error), error, trace))
    except BaseException as broken:  # noqa: BLE001 - formatting calls the user's __str__ and __repr__
        return f"<the traceback cannot be formatted: {type(broken).__name__}>"


def judged(
    task_id: str,
    policy: RetryPolicy,
    attempt: int,
    error: BaseException,
    *,
    skip_frames: int = 0,
    ids: Mapping[str, object] | None = None,
) -> Raised:
    """The outcome of attempt ``attempt`` (from 1) for an exception.

    Calls the user's retry condition if there is one, so it belongs on a thread of the bodies;
    a condition that raises is logged with ``ids`` and counts as no. ``skip_frames`` frames of
    ours are left out of the traceback.
    """
    try:
        again = policy.retries(attempt, error)
    except BaseException:  # SystemExit as well: it would end a thread of the bodies
        log.exception(
            "the retry condition of task %r raised; no further attempt",
            task_id,
            extra=ids,
        )
        again = False
    return raised(error, again=again, skip_frames=skip_frames)
