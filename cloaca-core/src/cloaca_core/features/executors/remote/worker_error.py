"""The answer of a body that raised: its error, as far as a runner can know it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Final

from cloaca_core.definition.retries.retry_after import RetryAfter
from cloaca_core.engine.execute.outcome import class_and_message, raised
from cloaca_core.features.executors.remote.answer import Answer, Behind, RemoteError, pickled

_NOT_OF_THE_BODY: Final = (
    str(Path(__file__).with_name("worker.py")),
    str(Path(asyncio.__file__).parent),
)
"""Beginnings of the file names of the frames that a traceback leaves out before the body's first
frame.
"""
MOST_BEHIND: Final = 20
"""The largest number of exceptions, behind the body's own, that are sent."""


def answer_of(error: BaseException) -> Answer:
    """The answer of a body that raised this."""
    asked = error if isinstance(error, RetryAfter) else None
    shown = error if asked is None or asked.cause is None else asked.cause
    whole = BaseException.with_traceback(error, _of_body(error.__traceback__))
    answered = replace(
        _told(shown),
        traceback=raised(whole, again=False).traceback,
        after=None if asked is None else asked.seconds,
        counts=asked is None or asked.count,
        has_cause=shown is not error,
    )
    return Answer(error=answered.to_json(), pickled=pickled(shown), behind=tuple(_behind(shown)))


def _told(error: BaseException) -> RemoteError:
    """Of this error all but its traceback."""
    kind, message = class_and_message(error)
    (module, name), *bases = _classes_of(error)
    return RemoteError(
        type=kind,
        message=message,
        traceback="",
        module=module,
        name=name,
        bases=tuple(bases),
    )


def _behind(error: BaseException) -> Iterator[Behind]:
    """The exceptions that a traceback shows above this one, the nearest first."""
    seen = {id(error)}
    for _ in range(MOST_BEHIND):
        cause, context = error.__cause__, error.__context__
        behind = context if cause is None and not error.__suppress_context__ else cause
        if behind is None or id(behind) in seen:
            return
        yield Behind(_told(behind).to_json(), pickled(behind), is_cause=behind is cause)
        seen.add(id(behind))
        error = behind


def _classes_of(error: BaseException) -> list[tuple[str, str]]:
    """The modules and the names of its class and of the exceptions that this derives from, as far
    as they tell them: all are user code.
    """
    try:
        kinds = [kind for kind in type(error).__mro__ if issubclass(kind, BaseException)]
        return [(str(kind.__module__), str(kind.__qualname__)) for kind in kinds]
    except Exception:  # noqa: BLE001 - a metaclass may raise anything
        return [("", "")]


def _of_body(trace: TracebackType | None) -> TracebackType | None:
    """The traceback from the body's first frame on; the whole one if no frame is the body's."""
    inner = trace
    while inner is not None and inner.tb_frame.f_code.co_filename.startswith(_NOT_OF_THE_BODY):
        inner = inner.tb_next
    return inner or trace
