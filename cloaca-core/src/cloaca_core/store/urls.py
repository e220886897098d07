"""Tells a database URL from the name of a file, for ``backends`` and for each backend.

If these two disagreed, one would refuse a name that the other takes for a file. This module knows
no backend.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from urllib.parse import quote_from_bytes, unquote, urlsplit

_WORD = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_PASSWORDS = ("password", "sslpassword")


def url_of(database_url: str | os.PathLike[str]) -> str:
    """Returns a URL unchanged, and for a path the URL of the SQLite file.

    In a path no character is special: it never means a database in memory, and ``?`` begins no
    parameters.
    """
    if not isinstance(database_url, os.PathLike):
        return database_url
    path = os.fsdecode(database_url)
    if path.startswith("/"):
        return f"sqlite:///{_quoted(path)}"
    return f"sqlite://{_quoted(path if path.startswith('~') else f'./{path}')}"


def _quoted(path: str) -> str:
    return quote_from_bytes(os.fsencode(path))


def may_have_scheme(url: str) -> bool:
    """True when the URL begins with a word and ``:``, which may be a known scheme."""
    return _WORD.match(url) is not None


def scheme_of(url: str, known: Collection[str]) -> str | None:
    """The scheme of a URL in lower case; None for the name of a file.

    A word before ``:`` is a scheme if ``//`` follows it, or if it is one of ``known``:
    ``mysql://host`` and ``file:work.db`` have one, ``data:2026.db`` and ``C:\\work.db`` have none.
    """
    word = _WORD.match(url)
    if word is None:
        return None
    scheme = word[1].lower()
    return scheme if url.startswith("//", word.end()) or scheme in known else None


def names_mode_ro(url: str) -> bool:
    """Whether a URL says that the database is opened read-only."""
    _, _, parameters = url.partition("?")
    return "mode=ro" in parameters.split("&")


def passwords_in(url: str) -> set[str]:
    """The passwords of a URL, each as it is written and as it is decoded."""
    if "@" not in url and "password=" not in url.lower():
        return set()  # nearly all
    try:
        parts = urlsplit(url)
        written = {parts.password or ""} | _password_parameters(parts.query)
    except ValueError:  # no URL of a server
        return set()
    return (written | set(map(unquote, written))) - {""}


def _password_parameters(query: str) -> set[str]:
    """The values of ``password`` and ``sslpassword``, as they are written."""
    pairs = [each.partition("=") for each in query.split("&")]
    return {value for name, _, value in pairs if name.lower() in _PASSWORDS}
