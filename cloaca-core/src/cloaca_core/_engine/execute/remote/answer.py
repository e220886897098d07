"""What comes back from a worker: a change, or an error as texts and, if it can, as an object."""

from __future__ import annotations

import json
import pickle
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import NamedTuple, Self

from cloaca_core.definition.retry_after import RetryAfter
from cloaca_core.executors.names import attribute


class Answer(NamedTuple):
    """Sent as it is. ``change`` is the JSON of a body that returned, ``error`` that of a
    ``RemoteError``; with neither, it was told to end. ``pickled`` is the exception, ``lines`` the
    JSON of what the body has logged, if that is anything. It ``is_apart`` if the body was not
    called, since its worker cannot tell the runner that it begins.
    """

    change: str | None = None
    error: str | None = None
    pickled: bytes | None = None
    lines: str | None = None
    is_apart: bool = False


@dataclass(frozen=True, slots=True)
class RemoteError:
    """An exception of a body. The texts are those that an attempt records.

    ``module`` and ``name`` are its class. A body that asked to be tried again has the seconds as
    ``after``; then the class is that of the cause, if it ``has_cause``.
    """

    type: str
    message: str
    traceback: str
    module: str
    name: str
    after: float | None = None
    counts: bool = True
    has_cause: bool = True

    def to_json(self) -> str:
        """The form in which it is sent."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The inverse of ``to_json``."""
        return cls(**json.loads(text))

    def exception(self, pickled: bytes | None) -> BaseException:
        """The exception, for retry conditions to judge. If it could not be pickled, one of its
        class with its message as the only argument; if there is no such class here, a RuntimeError.
        """
        error = _unpickled(pickled) or self._bare()
        if self.after is None:
            return error
        return RetryAfter(self.after, error if self.has_cause else None, count=self.counts)

    def _bare(self) -> BaseException:
        with suppress(Exception):  # its __new__ is the user's
            kind = attribute(sys.modules[self.module], self.name)
            if isinstance(kind, type) and issubclass(kind, BaseException):
                return kind.__new__(kind, self.message)
        return RuntimeError(f"{self.type}: {self.message}")


def pickled(error: BaseException) -> bytes | None:
    """The exception as bytes; None unless it is the same after the way there and back."""
    try:
        written = pickle.dumps(error)
        return written if type(_loads(written)) is type(error) else None
    except BaseException:  # noqa: BLE001 - user code pickles itself, and may exit
        return None


def _loads(written: bytes) -> object:
    return pickle.loads(written)  # noqa: S301 - from our own worker, which runs the user's code


def _unpickled(written: bytes | None) -> BaseException | None:
    if written is None:
        return None
    try:
        error = _loads(written)
    except Exception:  # noqa: BLE001 - its class may be missing here
        return None
    return error if isinstance(error, BaseException) else None
