"""Hides secrets in what programs wrote: texts that are known as secrets, values under keys that
name one, and passwords in URLs.

A page shows payloads to every visitor who may look; a key such as ``api_token`` says that its value
is not for them. Everything that the page and the tools of assistants show or send of a payload
passes through ``masked``. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from cloaca_core.values.payloads.redaction import HIDDEN, without_passwords

if TYPE_CHECKING:
    from cloaca_core.values.payloads.redaction import Redact

_SECRET: Final = re.compile(
    r"passw|passphrase|secret|token|credential|cookie|private_?key|api_?key|access_?key"
    r"|auth(?!or)|authori[sz]|^pwd$|^pin$",
    re.IGNORECASE,
)
"""An author is none, nor is an authority."""


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
        return without_passwords(redact(value))
    if isinstance(value, Mapping):
        return {redact(str(name)): masked(each, redact, str(name)) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [masked(each, redact) for each in value]
    return value
