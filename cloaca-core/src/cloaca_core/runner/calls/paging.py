"""What the listings of schedules and triggers share: which rows are asked for, instants as text."""

from __future__ import annotations

import sys
from typing import Final

from cloaca_core.values.arguments import whole
from cloaca_core.values.instants import Instant, to_datetime

DEFAULT_LIMIT: Final = 100


def checked_page(limit: int | None, offset: int | None) -> dict[str, int]:
    """The checked ``limit`` and ``offset`` of a statement; None stands for the default."""
    return {
        "limit": min(whole("limit", DEFAULT_LIMIT if limit is None else limit), sys.maxsize),
        "offset": min(whole("offset", 0 if offset is None else offset), sys.maxsize),
    }


def instant_text(instant: Instant | None) -> str | None:
    """An instant as RFC 3339 in UTC, None for none."""
    return None if instant is None else to_datetime(instant).isoformat()
