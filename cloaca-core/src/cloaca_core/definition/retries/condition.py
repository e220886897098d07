"""Retry conditions: decide which errors are retried.

Judges an exception, or its stored text; knows nothing of attempts and delays.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, assert_never

from cloaca_core.definition.callables import is_async_callable
from cloaca_core.errors import DefinitionError, DefinitionTypeError, StoreUnavailableError
from cloaca_core.values.arguments import one_of, text, wrong_type


@dataclass(frozen=True, slots=True)
class ErrorText:
    """An error without its exception object: the name of its class, and its text."""

    type: str
    message: str

    @staticmethod
    def of(error: BaseException) -> ErrorText:
        """The text of an exception, also of one whose ``__str__`` fails."""
        try:
            message = str(error)
        except Exception:  # noqa: BLE001 - a user's __str__ may raise anything
            message = "(the exception has no readable text)"
        return ErrorText(type(error).__name__, message)

    def __str__(self) -> str:
        return f"{self.type}: {self.message}"


TRANSIENT_TYPES: Final = (TimeoutError, ConnectionError, StoreUnavailableError)
TRANSIENT_WORDS: Final = (
    "timeout",
    "connection",
    "network",
    "temporary",
    "unavailable",
    "busy",
    "overloaded",
    "rate limit",
)


@dataclass(frozen=True, slots=True, repr=False)
class RetryCondition:
    """Decides which errors are retried. Made by the four methods below."""

    kind: Literal["never", "transient", "all", "pattern"]
    patterns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        one_of("kind", self.kind, dict.fromkeys(("never", "transient", "all", "pattern")))
        if self.kind == "pattern":
            object.__setattr__(self, "patterns", _checked_patterns(self.patterns))
        elif self.patterns:
            raise DefinitionError(f"a condition of the kind {self.kind} has no patterns")

    @staticmethod
    def never() -> RetryCondition:
        """No error."""
        return RetryCondition("never")

    @staticmethod
    def transient_only() -> RetryCondition:
        """Timeouts, connection errors, an unavailable database, or text that mentions such.

        Text: the error's class name and message contain, in any case, one of timeout,
        connection, network, temporary, unavailable, busy, overloaded, rate limit.
        """
        return RetryCondition("transient")

    @staticmethod
    def all_errors() -> RetryCondition:
        """Every error."""
        return RetryCondition("all")

    @staticmethod
    def error_pattern(patterns: Sequence[str]) -> RetryCondition:
        """Errors whose class name and message contain one of ``patterns``, in any case.

        TypeError unless it is a list or tuple of str; ValueError when there is none, or an empty
        one, which every error contains.
        """
        return RetryCondition("pattern", _checked_patterns(patterns))

    def matches(self, error: BaseException | ErrorText) -> bool:
        """True when ``error`` is worth another attempt."""
        match self.kind:
            case "never":
                return False
            case "transient":
                return is_one_of(error, TRANSIENT_TYPES) or _mentions(error, TRANSIENT_WORDS)
            case "all":
                return True
            case "pattern":
                return _mentions(error, self.patterns)
            case _:
                assert_never(self.kind)

    def __repr__(self) -> str:
        match self.kind:
            case "never":
                return "RetryCondition.never()"
            case "transient":
                return "RetryCondition.transient_only()"
            case "all":
                return "RetryCondition.all_errors()"
            case "pattern":
                return f"RetryCondition.error_pattern({list(self.patterns)!r})"
            case _:
                assert_never(self.kind)


Condition: TypeAlias = (
    RetryCondition | tuple[type[BaseException], ...] | Callable[[BaseException], bool]
)
"""A policy's condition: a RetryCondition, exception classes, or a function of the exception."""


def _checked_patterns(patterns: object) -> tuple[str, ...]:
    if not isinstance(patterns, list | tuple):
        raise wrong_type("patterns", "a list of str", patterns)
    if not patterns:
        raise DefinitionError("patterns must not be empty; never() is the condition for no error")
    for position, pattern in enumerate(patterns):
        text(f"patterns[{position}]", pattern)
        if not pattern:
            raise DefinitionError(
                f"patterns[{position}] is empty; all_errors() accepts every error"
            )
    return tuple(patterns)


def _mentions(error: BaseException | ErrorText, words: tuple[str, ...]) -> bool:
    text = error if isinstance(error, ErrorText) else ErrorText.of(error)
    folded = str(text).casefold()
    return any(word.casefold() in folded for word in words)


def is_one_of(error: BaseException | ErrorText, classes: tuple[type[BaseException], ...]) -> bool:
    """True when the error is of one of these classes, as far as its name shows."""
    if isinstance(error, BaseException):
        return isinstance(error, classes)
    if any(error.type == known.__name__ for known in classes):
        return True
    # From a name alone, only the base classes of built-in exceptions are known.
    found = getattr(builtins, error.type, None)
    return isinstance(found, type) and issubclass(found, classes)


def checked_condition(name: str, value: object) -> Condition:
    """``value`` as a condition, exception classes as a tuple; DefinitionTypeError for others."""
    if isinstance(value, RetryCondition):
        return value
    if isinstance(value, list | tuple):
        return _exception_classes(name, value)
    if isinstance(value, type):
        return _exception_classes(name, (value,))
    if callable(value) and not is_async_callable(value):
        return value
    raise wrong_type(
        name, "a RetryCondition, exception classes or a function that is not async", value
    )


def _exception_classes(name: str, classes: Sequence[object]) -> tuple[type[BaseException], ...]:
    if not classes:
        raise DefinitionError(f"{name} must not be empty; RetryCondition.never() is for no error")
    found = tuple(c for c in classes if isinstance(c, type) and issubclass(c, BaseException))
    if len(found) != len(classes):
        raise DefinitionTypeError(f"{name} must have exception classes only, got {classes!r:.200}")
    return found
