"""How the page names the database: its file or its name, never its folder, host or password."""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote, urlsplit

_BACKENDS: Final = {"sqlite": "SQLite", "postgres": "PostgreSQL"}


def database_name(url: str, backend: str) -> str:
    """``shop.db · SQLite`` or ``shop · PostgreSQL``; the backend alone where nothing has a name."""
    title = _BACKENDS.get(backend, backend)
    name = unquote(urlsplit(url).path).replace("\\", "/").rpartition("/")[2]
    return f"{name} · {title}" if name else title
