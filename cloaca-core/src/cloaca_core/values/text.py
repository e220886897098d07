"""Text that every database can store."""

from __future__ import annotations

MAX_TEXT = 64_000
"""Characters of an error text or a traceback that are kept; the middle of a longer one is cut."""


def storable_text(text: str) -> str:
    """Remove characters that databases refuse (NUL, lone surrogates); cut to ``MAX_TEXT``."""
    clean = text.replace("\0", "\N{SYMBOL FOR NULL}").encode("utf-8", "replace").decode("utf-8")
    if len(clean) <= MAX_TEXT:
        return clean
    half = MAX_TEXT // 2
    return f"{clean[:half]}\n… {len(clean) - 2 * half} characters left out …\n{clean[-half:]}"


def is_storable(text: str) -> bool:
    """True when databases accept the text unchanged."""
    return storable_text(text) == text
