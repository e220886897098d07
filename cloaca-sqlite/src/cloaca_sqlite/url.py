"""Parses database URLs to targets, without any I/O but for the name of a home directory.

The table of ``parse`` has all accepted forms; the error for another form names an accepted one.
Messages name parameters and values but never repeat a URL, which might hold the password of another
database.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import parse_qsl, unquote

from cloaca_core.errors import StoreOpenError
from cloaca_core.store.urls import scheme_of
from cloaca_core.values.arguments import nearest_name

MEMORY = ":memory:"
READ_ONLY = "ro"
DEFAULT_BUSY_TIMEOUT_MS = 5000

SCHEMES = ("sqlite", "file")
_CREDENTIALS = re.compile(r"[^/]*:[^/]*@")


@dataclass(frozen=True, slots=True)
class Target:
    """A database to open, and its options.

    ``path`` is as the user wrote it, ``:memory:`` for a private database in memory.
    ``relative_reading`` is the path that a user who wrote ``sqlite:///rel.db`` may have meant.
    """

    path: str
    mode: str = "rwc"
    synchronous: str = "FULL"
    busy_timeout_ms: int = DEFAULT_BUSY_TIMEOUT_MS
    relative_reading: str | None = None

    @property
    def in_memory(self) -> bool:
        """True when the database exists only as long as its single connection."""
        return self.path == MEMORY


def parse(url: str) -> Target:
    """Parse a URL to a target, or raise ``StoreOpenError``.

    ======================================================  ==========================
    ``:memory:``, ``sqlite://:memory:``, ``sqlite:///:memory:``  in memory
    ``work.db``, ``/abs/work.db``, ``data:2026.db``         a path, as it is
    ``~/work.db``, ``sqlite://~/work.db``                   in the home directory
    ``file:work.db``, ``file:/abs.db``, ``file:///abs.db``  as SQLite reads them
    ``sqlite://work.db``                                    relative
    ``sqlite:///abs.db``, ``sqlite:////abs.db``             absolute
    ======================================================  ==========================

    Each may be followed by ``?mode=…&_journal_mode=…&_synchronous=…&_busy_timeout=…``.
    """
    before, _, query = url.partition("?")
    path, relative_reading = _path(before)
    _refuse_unusable(path)
    _refuse_white_space(before, path)
    return _target(path, relative_reading, _options(query))


def _refuse_unusable(path: str) -> None:
    if "\0" in path:
        raise StoreOpenError("a path cannot contain NUL")
    try:
        os.fsencode(path)
    except UnicodeEncodeError as error:
        raise StoreOpenError(f"a path cannot contain {path[error.start]!a}") from error


def _refuse_white_space(text: str, path: str) -> None:
    """Refuse a path from a shell variable that is unset, or that ends with a newline."""
    if not path.strip():
        raise StoreOpenError("the database URL names no file; for example sqlite://work.db")
    if path != MEMORY and path.strip().lower() == MEMORY:
        raise StoreOpenError(f"{path!r} would be the name of a file: did you mean {MEMORY!r}?")
    if text != text.strip():
        raise StoreOpenError(
            "the database URL begins or ends with white space (%20 is a space that is meant)"
        )


def _path(text: str) -> tuple[str, str | None]:
    """The path in a URL without its query, and the relative one the user may have meant."""
    scheme = scheme_of(text, SCHEMES)
    if scheme is None:
        return at_home(text), None
    rest = text[len(scheme) + 1 :]
    if scheme == "sqlite":
        return _sqlite_path(rest)
    if scheme == "file":
        return _file_path(rest), None
    raise StoreOpenError(f"not a SQLite URL: scheme {scheme!r} (sqlite://, file: or a plain path)")


def _sqlite_path(rest: str) -> tuple[str, str | None]:
    if not rest.startswith("//"):
        raise StoreOpenError("a SQLite URL has two slashes: sqlite://work.db")
    path = rest[2:]
    if _CREDENTIALS.match(path):
        raise StoreOpenError("a SQLite URL has no user, password or host: sqlite://work.db")
    path = _decoded(path)
    if path in (MEMORY, f"/{MEMORY}"):
        return MEMORY, None
    if path.startswith("//"):
        return "/" + path.lstrip("/"), None
    if path.startswith("/"):
        return path, path[1:]
    return at_home(path), None


def at_home(path: str) -> str:
    """Expand a leading ``~/`` or ``~user/`` of a path, as a shell does."""
    if path.startswith("~") and "/" in path:
        return os.path.expanduser(path)  # noqa: PTH111 - a Path would raise for an unknown user
    return path


def _file_path(rest: str) -> str:
    path = _decoded(rest)
    if not path.startswith("//"):
        return path
    host, slash, absolute = path[2:].partition("/")
    if host not in ("", "localhost"):
        raise StoreOpenError("a file: URL has no host: file:work.db or file:///abs/work.db")
    return slash + absolute


def _decoded(path: str) -> str:
    """Decode a path; keep bytes that are not UTF-8 distinct, as in all paths of Python: two such
    names must not become the same file.
    """
    return unquote(path, errors="surrogateescape")


def _target(path: str, relative_reading: str | None, options: dict[str, str]) -> Target:
    mode = options.get("mode", "rwc")
    in_memory = path == MEMORY or mode == "memory"
    if in_memory and mode == READ_ONLY:
        raise StoreOpenError("mode=ro makes no sense for a database in memory")
    return Target(
        path=MEMORY if in_memory else path,
        mode=mode,
        synchronous=options.get("_synchronous", "FULL"),
        busy_timeout_ms=int(options.get("_busy_timeout", DEFAULT_BUSY_TIMEOUT_MS)),
        relative_reading=None if in_memory else relative_reading,
    )


def _options(query: str) -> dict[str, str]:
    """Check and return the parameters after the ``?``."""
    options: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in _PARAMETERS:
            _refuse_unknown(name)
        if name in options:
            raise StoreOpenError(f"parameter {name!r} is given twice")
        options[name] = _PARAMETERS[name](name, value)
    return options


def _refuse_unknown(name: str) -> NoReturn:
    raise StoreOpenError(f"unknown parameter {name!r}{_hint(name)} Known: {', '.join(_PARAMETERS)}")


def _hint(name: str) -> str:
    if name == "cache":  # SQLite's own URLs use it to share a database in memory
        return ": each runner has one connection of its own, and no database in memory is shared."
    near = nearest_name(name, _PARAMETERS)
    return f": did you mean {near!r}?" if near else "."


def _one_of(*accepted: str) -> Callable[[str, str], str]:
    by_lower = {value.lower(): value for value in accepted}

    def check(name: str, value: str) -> str:
        if value.lower() not in by_lower:
            raise StoreOpenError(f"{name}={value}: expected one of {', '.join(accepted)}")
        return by_lower[value.lower()]

    return check


def _milliseconds(name: str, value: str) -> str:
    if not (value.isascii() and value.isdigit() and len(value) <= 9):
        raise StoreOpenError(f"{name}={value}: expected whole milliseconds, 0 or more")
    return value


_PARAMETERS: dict[str, Callable[[str, str], str]] = {
    "mode": _one_of("rwc", "rw", READ_ONLY, "memory"),
    "_journal_mode": _one_of("WAL"),
    "_synchronous": _one_of("FULL", "NORMAL", "EXTRA"),
    "_busy_timeout": _milliseconds,
}
