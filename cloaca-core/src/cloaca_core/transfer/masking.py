"""Replaces values in a payload that nobody is to read. Pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

MASK: Final = "***"
EVERYTHING: Final = "*"
"""In place of a key: every value is masked."""
_SHORTEST: Final = 4
"""A text that is shorter is not looked for in messages: it may stand there by chance."""


class Masking:
    """Masks the values of these keys, at any depth; remembers the texts that it has seen."""

    def __init__(self, keys: Collection[str]) -> None:
        self._keys = frozenset(keys)
        self._texts: set[str] = set()

    def value(self, value: Any) -> Any:
        """A copy in which the values of the keys are masked."""
        if EVERYTHING in self._keys:
            return self._masked(value)
        if isinstance(value, dict):
            return {
                key: self._masked(each) if key in self._keys else self.value(each)
                for key, each in value.items()
            }
        if isinstance(value, list):
            return [self.value(each) for each in value]
        return value

    def text(self, text: str | None) -> str | None:
        """A message without the texts that were masked before."""
        for each in sorted(self._texts, key=len, reverse=True):
            text = text.replace(each, MASK) if text is not None else None
        return text

    def _masked(self, value: Any) -> Any:
        """The same shape; keys and the length of lists can be read."""
        if isinstance(value, dict):
            return {key: self._masked(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self._masked(each) for each in value]
        if isinstance(value, str) and len(value) >= _SHORTEST:
            self._texts.add(value)
        return None if value is None else MASK
