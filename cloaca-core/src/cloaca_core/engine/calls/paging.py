"""Checks the page arguments of listings of schedules and triggers."""

from __future__ import annotations

import sys
from typing import Final

from cloaca_core.values.arguments import whole

DEFAULT_LIMIT: Final = 100


def checked_page(limit: int | None, offset: int | None) -> dict[str, int]:
    """The checked ``limit`` and ``offset`` of a statement; None stands for the default."""
    return {
        "limit": min(whole("limit", DEFAULT_LIMIT if limit is None else limit), sys.maxsize),
        "offset": min(whole("offset", 0 if offset is None else offset), sys.maxsize),
    }
