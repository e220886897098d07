"""Hides values that a program has probably not meant to be seen: those under keys that name them.

A page shows payloads of programs to everybody who may look; a key such as ``api_token`` says that
its value is not for them.
"""

from __future__ import annotations

import re
from typing import Final

from cloaca_core.values.json_values import JsonValue

HIDDEN: Final = "•••"
_SECRET: Final = re.compile(
    r"passw|passphrase|secret|token|credential|authorization|private_?key|api_?key|access_?key"
    r"|^pwd$|^pin$",
    re.IGNORECASE,
)


def is_secret(key: str) -> bool:
    """Whether a key names a secret."""
    return _SECRET.search(key.replace("-", "_")) is not None


def masked(value: JsonValue, key: str = "") -> JsonValue:
    """A copy of a value without secrets; ``key`` is its own. None, true and false stay."""
    if value is None or isinstance(value, bool):
        return value
    if key and is_secret(key):
        return HIDDEN
    if isinstance(value, dict):
        return {name: masked(each, name) for name, each in value.items()}
    if isinstance(value, list):
        return [masked(each) for each in value]
    return value
