"""Text that every database can store."""

from __future__ import annotations

from cloaca_core.errors import ConfigError, ConfigTypeError

MAX_TEXT = 64_000
"""Characters of an error text or a traceback that are kept; the middle of a longer one is cut."""


def storable_text(text: str) -> str:
    """Remove characters that databases refuse (NUL, lone surrogates); cut to ``MAX_TEXT``."""
    if type(text) is str and text.isascii() and len(text) <= MAX_TEXT and "\0" not in text:
        return text  # nearly all
    clean = text.replace("\0", "\N{SYMBOL FOR NULL}").encode("utf-8", "replace").decode("utf-8")
    if len(clean) <= MAX_TEXT:
        return clean
    half = MAX_TEXT // 2
    return f"{clean[:half]}\n… {len(clean) - 2 * half} characters left out …\n{clean[-half:]}"


def is_storable(text: str) -> bool:
    """True when databases accept the text unchanged."""
    return storable_text(text) == text


def checked_text(name: str, value: object) -> str:
    """Check a text of 1 to 255 characters that every database can store."""
    if not isinstance(value, str):
        raise ConfigTypeError(f"{name} must be a str, not {type(value).__name__}", field=name)
    if not value or len(value) > 255 or not is_storable(value):
        raise ConfigError(
            f"{name} must have 1 to 255 characters, no NUL and no lone surrogate, "
            f"got {value!r:.80}",
            field=name,
        )
    return str.__str__(value)  # a driver may store an enum by its name
