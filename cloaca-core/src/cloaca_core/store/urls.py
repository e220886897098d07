"""What begins a database URL and what is part of a file's name, told in one place.

The dispatcher chooses a backend by it and the backend reads on from there: if the two disagreed, a
name that one takes for a file would be refused by the other. Knows no backend.
"""

from __future__ import annotations

import re
from collections.abc import Collection

_WORD = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")


def may_have_scheme(url: str) -> bool:
    """Whether there is a word that is a scheme if it is a known one."""
    return _WORD.match(url) is not None


def scheme_of(url: str, known: Collection[str]) -> str | None:
    """The scheme of a URL in lower case; None when it is a file's name.

    A word before ``:`` is a scheme when ``//`` follows it, or when it is one of ``known``:
    ``mysql://host`` and ``file:work.db`` have one, ``data:2026.db`` and ``C:\\work.db`` have none.
    """
    word = _WORD.match(url)
    if word is None:
        return None
    scheme = word[1].lower()
    return scheme if url.startswith("//", word.end()) or scheme in known else None
