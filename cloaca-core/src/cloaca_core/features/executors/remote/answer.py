"""The answer of a worker: a change, or an error as texts and, if possible, as an object."""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import NamedTuple, Self

from cloaca_core.definition.retries.retry_after import RetryAfter
from cloaca_core.features.executors.names import attribute


class Behind(NamedTuple):
    """An exception behind another: its cause, or the exception that was being handled when it was
    raised. ``error`` is the JSON of a ``RemoteError``.
    """

    error: str
    pickled: bytes | None
    is_cause: bool


class Answer(NamedTuple):
    """Sent as it is. ``change`` is the JSON of a body that returned, ``error`` that of a
    ``RemoteError``; with neither, it was told to end. ``pickled`` is the exception, ``behind`` has
    those behind it, each behind the one before. ``lines`` is the JSON of what the body has logged,
    if that is anything. It ``is_apart`` if the body was not called, since its worker cannot tell
    the runner that it begins.
    """

    change: str | None = None
    error: str | None = None
    pickled: bytes | None = None
    lines: str | None = None
    is_apart: bool = False
    behind: tuple[Behind, ...] = ()


@dataclass(frozen=True, slots=True)
class RemoteError:
    """An exception of a body. The texts are those that an attempt records.

    ``module`` and ``name`` are its class, ``bases`` those of the exceptions that this derives from,
    the nearest ones first. A body that asked to be tried again has the seconds as ``after``; then
    the class is that of the cause, if it ``has_cause``.
    """

    type: str
    message: str
    traceback: str
    module: str
    name: str
    after: float | None = None
    counts: bool = True
    has_cause: bool = True
    bases: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> str:
        """The form in which it is sent."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The inverse of ``to_json``."""
        members = json.loads(text)
        bases = tuple((module, name) for module, name in members.pop("bases"))
        return cls(**members, bases=bases)

    def exception(self, pickled: bytes | None, behind: Sequence[Behind] = ()) -> BaseException:
        """The exception, for retry conditions to judge, with the exceptions behind it. If it could
        not be pickled: another of its class, with its message as the only argument. A class that
        does not exist here is replaced by one of its name, derived from the same exceptions as far
        as they exist here.
        """
        error = self._itself(pickled)
        with suppress(Exception):  # its class may refuse attributes
            _put_behind(error, behind)
        if self.after is None:
            return error
        return RetryAfter(self.after, error if self.has_cause else None, count=self.counts)

    def _itself(self, pickled: bytes | None) -> BaseException:
        error = _unpickled(pickled)
        return self._bare() if error is None else error

    def _bare(self) -> BaseException:
        with suppress(Exception):  # its __new__ is the user's; or none of its bases is here
            kind = _class_here(self.module, self.name)
            if kind is None:
                kind = _class_in_the_place_of(self)
            return kind.__new__(kind, self.message)
        return RuntimeError(f"{self.type}: {self.message}")


def _put_behind(error: BaseException, behind: Sequence[Behind]) -> None:
    for each in behind:
        next_one = RemoteError.from_json(each.error)._itself(each.pickled)
        if each.is_cause:
            error.__cause__ = next_one
        else:
            error.__context__ = next_one
        error = next_one


def _class_in_the_place_of(error: RemoteError) -> type[BaseException]:
    """An exception class of the same name; it derives from the nearest bases that are here."""
    bases = [kind for each in error.bases if (kind := _class_here(*each)) is not None]
    nearest = [kind for kind in bases if sum(issubclass(each, kind) for each in bases) == 1]
    return type(error.type, tuple(nearest), {"__module__": error.module})


def _class_here(module: str, name: str) -> type[BaseException] | None:
    """The exception class of this name; None if it is not in this process."""
    try:
        kind = attribute(sys.modules[module], name)
    except (KeyError, AttributeError):
        return None
    return kind if isinstance(kind, type) and issubclass(kind, BaseException) else None


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
