"""How the page names the database: its file or its name, never its folder, host or password."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, unquote, urlsplit

_BACKENDS: Final = {"sqlite": "SQLite", "postgres": "PostgreSQL"}


def database_name(url: str, backend: str) -> str:
    """``shop.db · SQLite`` or ``shop · PostgreSQL``; the backend alone where nothing has a name."""
    title = _BACKENDS.get(backend, backend)
    name = _file(url) if backend == "sqlite" else _last(urlsplit(url).path)
    return f"{name} · {title}" if name else title


def short_url(url: str, backend: str) -> str:
    """The URL by which a program in the same folder, or on the same server, opens the database;
    without user, password and folder.
    """
    if backend == "sqlite":
        return f"sqlite://{quote(_file(url))}"
    return f"postgresql://…/{quote(_last(urlsplit(url).path))}"


def _file(url: str) -> str:
    """The name of the file, which may stand where others have a host: ``sqlite://shop.db``."""
    return _last(url.partition("?")[0].rpartition("://")[2].replace("\\", "/"))


def _last(path: str) -> str:
    return unquote(path.rpartition("/")[2])
