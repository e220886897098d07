"""Reads the secrets that a program gives its runner or client, which are then hidden in texts.

Error messages name the place of an item in the collection, never its text.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Final, TypeAlias

from cloaca_core.errors import ConfigError, ConfigTypeError
from cloaca_core.features.executors.names import attribute
from cloaca_core.values.payloads.redaction import LEAST

if TYPE_CHECKING:
    from cloaca_core.config import DefaultRunnerConfig
    from cloaca_core.values.payloads.redaction import Redaction

Secrets: TypeAlias = Collection[str] | Callable[[], Collection[str]]
"""The argument ``redact`` of a runner or client."""

FIELD: Final = "redact"


class Sources:
    """The sources of secrets: the argument and the setting of that name; both count.

    A collection is checked at once, a function when ``load`` calls it.
    """

    def __init__(self, given: Secrets | None, config: DefaultRunnerConfig) -> None:
        self.texts: list[str] = []
        self._functions: list[Callable[[], object]] = []
        if config.redact is not None:
            self._take(_imported(config.redact))
        if given is not None:
            self._take(given)

    def _take(self, source: object) -> None:
        if callable(source):
            self._functions.append(source)
        else:
            self.texts += _checked(source, "")

    @property
    def has_functions(self) -> bool:
        """Whether ``load`` calls code of the program."""
        return bool(self._functions)

    def load(self, redaction: Redaction) -> None:
        """Add the secrets that the functions return. Raises ``ConfigError`` if one of them
        raises.
        """
        for function in self._functions:
            redaction.add(*_checked(_returned(function), "of the function: "))


def _returned(function: Callable[[], object]) -> object:
    try:
        return function()
    except Exception as error:  # its text may have a secret, so only its type is named
        raise ConfigError(
            f"{FIELD}: the function raised {type(error).__name__}", field=FIELD
        ) from error


def _checked(given: object, whose: str) -> list[str]:
    """The texts of a collection; they are secrets."""
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
        raise ConfigTypeError(
            f"{FIELD}: {whose}expected a collection of texts, as a list, or a function that "
            f"returns one, not {type(given).__name__}",
            field=FIELD,
        )
    return [_secret(each, f"{whose}text {number}") for number, each in enumerate(given, 1)]


def _secret(given: object, which: str) -> str:
    if not isinstance(given, str):
        raise ConfigTypeError(
            f"{FIELD}: {which} must be a str, not {type(given).__name__}", field=FIELD
        )
    secret = str.__str__(given)
    if len(secret.strip()) < LEAST:
        raise ConfigError(
            f"{FIELD}: {which} is too short: a secret has at least {LEAST} characters beside "
            "spaces, since a shorter one is part of ordinary words",
            field=FIELD,
        )
    return secret


def _imported(path: str) -> object:
    """The object at ``package.module:name``."""
    module, _, name = path.partition(":")
    try:
        return attribute(import_module(module), name)
    except Exception as error:  # the module is the user's
        raise ConfigError(f"{FIELD}: {path!r} cannot be imported: {error}", field=FIELD) from error
