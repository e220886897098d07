"""URLs of PostgreSQL databases: changes their parts, and masks their secrets for output."""

from __future__ import annotations

from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

_OURS = ("schema", "pooler", "mode")
"""Query parameters that only cloaca knows."""


def with_database(url: str, name: str) -> str:
    """The URL of another database on the same server."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{quote(name, safe='')}"))


def with_query(url: str, **parameters: str) -> str:
    """The URL with these query parameters, which replace those of the same name."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True)) | parameters
    return urlunsplit(parts._replace(query=urlencode(query, quote_via=quote)))


def with_port(url: str, port: int) -> str:
    """The URL of the same server on another port."""
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user}@{host.rpartition(':')[0]}:{port}"))


def for_libpq(url: str) -> str:
    """The URL without the query parameters that only cloaca knows."""
    return without_query(url, *_OURS)


def without_query(url: str, *parameters: str) -> str:
    """The URL without these query parameters."""
    parts = urlsplit(url)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    query = {name: value for name, value in pairs if name not in parameters}
    return urlunsplit(parts._replace(query=urlencode(query, quote_via=quote)))


def masked(url: str) -> str:
    """The URL for output: without its password and its query."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.username or ''}@{parts.hostname or ''}{port}{parts.path}"
