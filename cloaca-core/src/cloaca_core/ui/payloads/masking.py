"""Hides secrets in what programs wrote: texts that are known as secrets, and values under keys that
name one.

A page shows payloads to every visitor who may look; a key such as ``api_token`` says that its value
is not for them. Everything that a page shows or sends of a payload passes through ``masked``. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from cloaca_core.telemetry.redaction import HIDDEN

if TYPE_CHECKING:
    from cloaca_core.telemetry.redaction import Redact

_SECRET: Final = re.compile(
    r"passw|passphrase|secret|token|credential|authorization|private_?key|api_?key|access_?key"
    r"|^pwd$|^pin$",
    re.IGNORECASE,
)


def is_secret(key: str) -> bool:
    """Whether a key names a secret."""
    return _SECRET.search(key.replace("-", "_")) is not None


def masked(value: Any, redact: Redact, key: str = "") -> Any:
    """A copy of a JSON value without secrets, in keys too; ``key`` is its own. None, true and false
    stay.
    """
    if value is None or isinstance(value, bool):
        return value
    if key and is_secret(key):
        return HIDDEN
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {redact(str(name)): masked(each, redact, str(name)) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [masked(each, redact) for each in value]
    return value
