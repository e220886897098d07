"""Digests of JSON values: equal values have equal ones, in every process."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from cloaca_core.values.payloads.json_values import canonical, decode

if TYPE_CHECKING:
    from cloaca_core.values.payloads.json_values import JsonValue

_BYTES: Final = 16


def digest_of(value: JsonValue) -> str:
    """The digest of a value, in hex. Memos are kept for the digest of their task's input."""
    return hashlib.blake2b(canonical(value).encode(), digest_size=_BYTES).hexdigest()


def are_equal(text: str, other: str) -> bool:
    """Whether two texts have the same value: objects may have their keys in another order."""
    return text == other or canonical(decode(text)) == canonical(decode(other))
