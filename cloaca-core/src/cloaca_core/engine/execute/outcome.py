"""The outcomes of an attempt, as values, and which of them an error is."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from cloaca_core.definition.retries.policy import RetryPolicy
from cloaca_core.definition.retries.retry_after import RetryAfter
from cloaca_core.engine.execute.forked import OneProcess
from cloaca_core.errors import BodySuspended
from cloaca_core.logs import SafeLogger
from cloaca_core.run.merge import Change
from cloaca_core.values.payloads.redaction import Redact, unchanged
from cloaca_core.values.text import storable_text

if TYPE_CHECKING:
    from cloaca_core.definition.task import Task

log = SafeLogger("cloaca.engine")

_NAME: Final = type.__dict__["__name__"]


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The body returned. ``text`` is the change as it is stored."""

    change: Change
    text: str


@dataclass(frozen=True, slots=True)
class Raised:
    """The body raised, timed out, or returned a value that no context can hold.

    ``again`` says whether another attempt follows; if the body requested it with ``RetryAfter``,
    ``after`` is the number of seconds until then. ``counts`` is False for an attempt that uses up
    none of the task's attempts. ``crashed`` is True if a process died under it, ``shared`` if other
    bodies died with it.
    """

    type: str
    message: str
    traceback: str
    again: bool
    after: float | None = None
    counts: bool = True
    crashed: bool = False
    shared: bool = False

    def __str__(self) -> str:
        return f"{self.type}: {self.message}"


@dataclass(frozen=True, slots=True)
class CutOff:
    """The body ended because its run is being cancelled."""


@dataclass(frozen=True, slots=True)
class Suspended:
    """The body has ended in a wait because it was asked to. It runs again from its top, and comes
    to the same wait.
    """


class Judged(Protocol):
    """The attempt of a body whose error is judged, as far as that matters."""

    @property
    def task(self) -> Task: ...
    @property
    def counted(self) -> int: ...
    @property
    def redact(self) -> Redact: ...
    def log_ids(self) -> dict[str, object]: ...


Outcome: TypeAlias = Succeeded | Raised | CutOff | Suspended


def raised(
    error: BaseException, *, again: bool, redact: Redact = unchanged, skip_frames: int = 0
) -> Raised:
    """The outcome for an exception. The first ``skip_frames`` frames, which are the engine's, are
    left out of the traceback. Secrets are hidden before long texts are cut, as the cut might leave
    a part of one.
    """
    kind, message = class_and_message(error, redact)
    return Raised(
        type=kind,
        message=message,
        traceback=storable_text(redact(_formatted(error, skip_frames))),
        again=again,
    )


def class_and_message(error: BaseException, redact: Redact = unchanged) -> tuple[str, str]:
    """The texts of an exception, whose own code may raise anything."""
    return storable_text(redact(_class_name(error))), storable_text(redact(_message(error)))


def _class_name(error: BaseException) -> str:
    """The name of its class, read without user code: its metaclass may raise."""
    return str.__str__(_NAME.__get__(type(error)))


def _message(error: BaseException) -> str:
    try:
        return str.__str__(str(error))  # a user's __str__ may return a str with other methods
    except BaseException as broken:  # noqa: BLE001 - or raise anything
        return f"<its __str__ raised {_class_name(broken)}>"


def _formatted(error: BaseException, skip_frames: int) -> str:
    try:
        trace = error.__traceback__
        for _ in range(skip_frames):
            trace = trace.tb_next if trace is not None else None
        return "".join(traceback.format_exception(type(error), error, trace))
    except BaseException as broken:  # noqa: BLE001 - it may call user code
        return f"<the traceback cannot be formatted: {_class_name(broken)}>"


def swallowed_signal(error: BaseException | None) -> BodySuspended | None:
    """The error of a body that was asked to suspend and has not let the signal pass: it ended with
    ``error``, or by a return if that is None. None if it has suspended.
    """
    if _is_signal(error):
        return None
    how = "returned" if error is None else f"raised {type(error).__name__}"
    swallowed = BodySuspended(
        f"the body {how} instead of letting BodySuspended pass; it leaves while it waits, and runs "
        "again when its wait is over"
    )
    swallowed.__cause__ = error
    return swallowed


def _is_signal(error: BaseException | None) -> bool:
    """Whether the signal to suspend has ended the body: alone, or, where the body waits for tasks
    of its own, together with their signals.
    """
    if isinstance(error, BaseExceptionGroup):
        return all(map(_is_signal, error.exceptions))
    return isinstance(error, BodySuspended | asyncio.CancelledError)


def judged(
    policy: RetryPolicy,
    attempt: int,
    error: BaseException,
    *,
    who: object,
    ids: Mapping[str, object],
    redact: Redact,
    skip_frames: int = 0,
) -> Raised:
    """The outcome for an exception of the attempt that counts as number ``attempt`` (from 1).

    Calls the user's retry condition if there is one, so it must run on a thread of the bodies. A
    condition that raises is logged with ``ids``, in a text that begins with ``who``, and counts as
    no. ``redact`` and ``skip_frames`` are as in ``raised``.
    """
    try:
        if isinstance(error, RetryAfter):
            return _asked(policy, attempt, error, redact, skip_frames)
        with OneProcess():
            again = policy.retries(attempt, error)
    except BaseException:  # SystemExit as well: it would end a thread of the bodies
        message = "%s: the retry condition raised; no further attempt"
        log.exception(message, who, extra=ids)
        again = False
    return raised(error, again=again, redact=redact, skip_frames=skip_frames)


def _asked(
    policy: RetryPolicy, attempt: int, asked: RetryAfter, redact: Redact, skip_frames: int
) -> Raised:
    """The outcome of an attempt whose body requested another one. Its error is the cause; its
    traceback shows both.
    """
    error = asked if asked.cause is None else asked.cause
    again = not asked.count or attempt < policy.max_attempts
    return replace(
        raised(error, again=again, redact=redact),
        traceback=storable_text(redact(_formatted(asked, skip_frames))),
        after=asked.seconds if again else None,
        counts=asked.count,
    )


def outcome_of(attempt: Judged, error: BaseException, *, skip_frames: int = 1) -> Raised:
    """The outcome that the task's retry policy gives to this error. The traceback of a body begins
    with one frame of the engine.
    """
    return judged(
        attempt.task.retry,
        attempt.counted,
        error,
        who=attempt,
        ids=attempt.log_ids(),
        redact=attempt.redact,
        skip_frames=skip_frames,
    )


def left(attempt: Judged, error: BaseException | None) -> Outcome:
    """The outcome of a body that was asked to suspend: it must not have caught the signal."""
    swallowed = swallowed_signal(error)
    return Suspended() if swallowed is None else outcome_of(attempt, swallowed)
