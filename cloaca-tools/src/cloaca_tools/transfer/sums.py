"""Counts and checksums of tables, which do not depend on the backend or the order of rows. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

_BYTES: Final = 16
_MODULUS: Final = 1 << (8 * _BYTES)


@dataclass(slots=True)
class TableSum:
    """``checksum`` is the sum of the digests of rows."""

    rows: int = 0
    checksum: int = 0

    def add(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Count these rows as well."""
        for row in rows:
            self.rows += 1
            self.checksum = (self.checksum + digest_of(row)) % _MODULUS

    @property
    def text(self) -> str:
        """The checksum as people compare it."""
        return f"{self.checksum:032x}"


def digest_of(row: tuple[Any, ...]) -> int:
    """The digest of a row of texts, numbers and None."""
    encoded = json.dumps(row, separators=(",", ":")).encode()
    return int.from_bytes(blake2b(encoded, digest_size=_BYTES).digest())
