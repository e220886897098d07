"""Errors, sizes and values of filters as the page writes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from cloaca_core.observe.filters import Term
from cloaca_core.ui.words.texts import first_line

_THOUSAND: Final = 1_000
_FIRST_ERROR: Final = "; first error: "


def cause(text: str | None) -> str:
    """The first error of a run that failed, without the counts before it."""
    line = first_line(text)
    return line.partition(_FIRST_ERROR)[2] or line


def size(number: int | None) -> str:
    """So many bytes: ``1.2 GB``; nothing for None."""
    if number is None:
        return ""
    left = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if left < _THOUSAND:
            return f"{left:.0f} {unit}" if unit == "B" or left >= 100 else f"{left:.1f} {unit}"
        left /= _THOUSAND
    return f"{left:,.1f} TB"


def term(value: str) -> str:
    """A value as a term of a filter has it."""
    return str(Term("", (value,)))[1:]


FILTERS: Final[Mapping[str, Callable[..., Any]]] = {"cause": cause, "size": size, "term": term}
"""More filters of templates."""
