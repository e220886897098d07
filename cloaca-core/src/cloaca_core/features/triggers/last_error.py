"""The last error of a trigger, as its row keeps it: its text, and when it is written. Pure.

An error is not written at each poll: the function of a trigger may fail once a second, with
another address or number in its message each time.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from cloaca_core.values.payloads.redaction import without_passwords
from cloaca_core.values.text import storable_text
from cloaca_core.values.times.instants import SECOND

if TYPE_CHECKING:
    from cloaca_core.features.triggers.records import TriggerRow
    from cloaca_core.values.payloads.redaction import Redact

APART: Final = 60 * SECOND
"""The shortest time between two writes of different error texts."""
MOST: Final = 2_000
"""Characters that are kept of an error; the log of the runner has all of it."""
_VOLATILE: Final = re.compile(r"0x[0-9a-fA-F]+|[0-9a-fA-F]{8}[0-9a-fA-F-]*|\d+")
"""Addresses, ids and numbers, which may differ from poll to poll."""


def told_error(error: BaseException) -> str:
    """An error as lists show it: its type and its message."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def kept_error(text: str, redact: Redact) -> str:
    """A text without secrets, as it is written."""
    clean = storable_text(without_passwords(redact(text)))
    return clean if len(clean) <= MOST else f"{clean[:MOST]}…"


def is_to_be_written(row: TriggerRow, text: str, now: int) -> bool:
    """Whether the error of a poll is news: the poll before was good, or its error was another one,
    numbers aside, and has been written some time ago.
    """
    if row.last_error is None or row.error_at is None:
        return True
    if now - row.error_at < APART and now >= row.error_at:
        return False
    return _VOLATILE.sub("", text) != _VOLATILE.sub("", row.last_error)
