"""Tags of runs, as rows hold them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from cloaca_core.errors import ContextValueError
from cloaca_core.values.payloads.json_values import decode


def tags_of(text: str) -> Mapping[str, str]:
    """The tags of a run; empty if the row is damaged, so that the other runs are still listed."""
    try:
        tags = decode(text)
    except ContextValueError:
        return {}
    return cast("dict[str, str]", tags) if isinstance(tags, dict) else {}
