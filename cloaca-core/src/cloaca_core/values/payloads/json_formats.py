"""The formats of texts that stand for other values: dates, numbers, bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple


class Format(NamedTuple):
    """``words`` say what a text is that has the format; ``read`` makes the value that a text stands
    for, and raises ValueError or ArithmeticError if it stands for none.
    """

    words: str
    read: Callable[[str], object]

    def has(self, text: str) -> bool:
        """Whether a text has the format."""
        try:
            self.read(text)
        except (ValueError, ArithmeticError):
            return False
        return True


# Each imports what it needs: few programs have inputs, and each module is time to the first result.


def _date_time(text: str) -> object:
    from datetime import datetime

    return datetime.fromisoformat(text)


def _date(text: str) -> object:
    from datetime import date

    return date.fromisoformat(text)


def _time(text: str) -> object:
    from datetime import time

    return time.fromisoformat(text)


def _decimal(text: str) -> object:
    from decimal import Decimal

    number = Decimal(text)
    if not number.is_finite():
        raise ValueError(text)
    return number


def _uuid(text: str) -> object:
    from uuid import UUID

    return UUID(text)


def _base64(text: str) -> object:
    from base64 import b64decode

    return b64decode(text, validate=True)


FORMATS: Final[Mapping[str, Format]] = {
    "date-time": Format("a date and time (2026-12-31T18:30:00)", _date_time),
    "date": Format("a date (2026-12-31)", _date),
    "time": Format("a time (18:30:00)", _time),
    "decimal": Format('a decimal number as a text ("12.50")', _decimal),
    "uuid": Format("a UUID", _uuid),
    "base64": Format("bytes in base64", _base64),
}
"""By the names that schemas have for them."""
