"""Replaces secret values in a payload, and in the messages of errors. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any, Final

from cloaca_core.values.payloads.secret_names import is_secret

MASK: Final = "***"
EVERYTHING: Final = "*"
"""In place of a key: every value is masked."""
_SHORTEST: Final = 4
"""A text or a number that is shorter is not looked for in messages: it may be there by chance."""


class Masking:
    """Masks the values of these keys, and with ``secrets`` of those that name one, at any depth;
    remembers them as messages show them.
    """

    def __init__(self, keys: Collection[str], *, secrets: bool = False) -> None:
        self._keys = frozenset(keys)
        self._secrets = secrets
        self._texts: set[str] = set()

    def value(self, value: Any, key: str = "") -> Any:
        """A copy in which the values of the keys are masked; ``key`` is its own."""
        if EVERYTHING in self._keys or self._hides(key):
            return self._masked(value)
        if isinstance(value, dict):
            return {name: self.value(each, name) for name, each in value.items()}
        if isinstance(value, list):
            return [self.value(each) for each in value]
        return value

    def text(self, text: str | None) -> str | None:
        """A message without the values that were masked before."""
        for each in sorted(self._texts, key=len, reverse=True):
            text = text.replace(each, MASK) if text is not None else None
        return text

    def _hides(self, key: str) -> bool:
        return key in self._keys or (self._secrets and key != "" and is_secret(key))

    def _masked(self, value: Any) -> Any:
        """The same shape; keys and the length of lists can be read."""
        if isinstance(value, dict):
            return {key: self._masked(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self._masked(each) for each in value]
        if value is None or isinstance(value, bool):
            return None if value is None else MASK
        self._texts |= {form for form in _forms(value) if len(form) >= _SHORTEST}
        return MASK


def _forms(value: str | float) -> set[str]:
    """A value as it stands in messages: as it is, within a repr, and within JSON."""
    text = str(value)
    quoted = [repr(text), json.dumps(text), json.dumps(text, ensure_ascii=False)]
    return {text, *[each[1:-1] for each in quoted]}
