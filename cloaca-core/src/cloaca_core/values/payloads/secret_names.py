"""Keys whose names say that their values are secrets, and values without these."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from cloaca_core.values.payloads.redaction import HIDDEN

if TYPE_CHECKING:
    from cloaca_core.values.payloads.json_values import JsonValue

_SECRET: Final = re.compile(
    r"passw|passphrase|secret|token|credential|cookie|private_?key|api_?key|access_?key"
    r"|auth(?!or)|authori[sz]|^pwd$|^pin$",
    re.IGNORECASE,
)
"""An author is none, nor is an authority."""
_NAMES: Final = re.compile(r'[^.\[\]"]+')
"""The keys in a path."""


def is_secret(key: str) -> bool:
    """Whether a key names a secret."""
    return _SECRET.search(key.replace("-", "_")) is not None


def without_secrets(value: JsonValue, path: str) -> JsonValue:
    """The value at this path with the values of such keys hidden; all of it if a key of the path is
    one.
    """
    if any(map(is_secret, _NAMES.findall(path))):
        return HIDDEN
    if isinstance(value, dict):
        return {key: without_secrets(each, key) for key, each in value.items()}
    if isinstance(value, list):
        return [without_secrets(each, "") for each in value]
    return value
