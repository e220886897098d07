"""What needs places of limits, in the form of its rows."""

from __future__ import annotations

from typing import Final, TypeAlias

Needs: TypeAlias = tuple[tuple[str, str], ...]
"""The limits of which a body or a run needs places, each with its key as a JSON text."""

ALL_KEYS: Final = ""
"""In the place of a key: the limit as a whole. Keys are JSON texts, so none is empty."""
