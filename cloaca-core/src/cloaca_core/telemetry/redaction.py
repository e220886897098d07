"""Removes the values of secrets from texts that are kept or shown.

Nothing adds a value yet: the provider of secrets will, when a body has got one.
"""

from __future__ import annotations

from typing import Final, Protocol

HIDDEN: Final = "***"
"""Stands in the place of a value."""


class Redact(Protocol):
    """Makes a text that may be kept of one that a body has written. Any thread may call it."""

    def __call__(self, text: str) -> str: ...


class Redaction:
    """Replaces values that were added; any thread may add one. Empty values are left out, as they
    are in every text.
    """

    def __init__(self) -> None:
        self._values: tuple[str, ...] = ()

    def add(self, value: str) -> None:
        """Hide this value from now on. The longest come first: one may contain another."""
        if value:
            self._values = tuple(sorted({*self._values, value}, key=len, reverse=True))

    def __call__(self, text: str) -> str:
        for value in self._values:
            if value in text:
                text = text.replace(value, HIDDEN)
        return text
