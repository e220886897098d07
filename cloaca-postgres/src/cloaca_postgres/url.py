"""Parses database URLs to targets, without any I/O.

libpq reads the URL, without our own parameters (``schema``, ``pooler``, ``mode``). Messages name
parameters but never repeat a part of a URL that could be a piece of a password.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, NoReturn
from urllib.parse import quote, unquote

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from cloaca_core.errors import StoreOpenError
from cloaca_core.values.arguments import nearest_name

_OURS: Final = ("schema", "pooler", "mode")
_SCHEMES: Final = ("postgresql://", "postgres://")
_EXAMPLE: Final = "postgresql://user:password@host:5432/database"
_ENCODE: Final = "in a user or password write @ / ? # : and % percent-encoded (@ is %40)"
_PLAIN_HOST: Final = re.compile(r"[A-Za-z0-9.-]+")
_PARAMETER_NAME: Final = re.compile(r"[A-Za-z_]{1,40}")
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class Target:
    """A database to connect to, and its options.

    ``parameters`` are libpq's. ``schema`` None means the first one of the session's own search
    path. ``pooler`` is true when a pooler may run each transaction in another session. One that is
    ``read_only`` is opened to be looked at.
    """

    parameters: Mapping[str, str] = field(repr=False)
    schema: str | None = None
    pooler: bool = False
    read_only: bool = False

    @property
    def place(self) -> str:
        """The name of the database in messages."""
        found = self.parameters
        if "service" in found:
            return f"PostgreSQL service {found['service']}"
        host = found.get("host") or found.get("hostaddr") or "the default host"
        return f"PostgreSQL database {found.get('dbname', '(default)')} on {host}"

    def conninfo(self, **defaults: str | int) -> str:
        """The connection string for libpq; the URL's parameters win over the defaults."""
        return make_conninfo("", **{**defaults, **self.parameters})


def parse(url: str) -> Target:
    """Parse a URL to a target, or raise ``StoreOpenError``.

    ``postgresql://user:password@host:port/database?…`` (or ``postgres://``), with several hosts,
    a socket's folder as host or a service, as libpq reads them. The query holds libpq's
    parameters and our own: ``schema=name``, ``pooler=true`` and ``mode=ro``.
    """
    before, _, query = url.partition("?")
    _refuse_what_could_leak(before)
    options = _options(query)
    ours = {name: options.pop(name) for name in _OURS if name in options}
    parameters = _read(before, options)
    _check_ports(parameters.get("port") or "")
    return Target(
        parameters,
        schema=ours.get("schema"),
        pooler=ours.get("pooler") == "true",
        read_only=ours.get("mode") == "ro",
    )


def url_of(target: Target) -> str:
    """The URL that ``parse`` reads as this target."""
    rest = dict(target.parameters)
    user, password = rest.pop("user", ""), rest.pop("password", "")
    database = quote(rest.pop("dbname", ""), safe="")
    who = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
    where = ""
    if _PLAIN_HOST.fullmatch(rest.get("host", "")) and "," not in rest.get("port", ""):
        where = rest.pop("host") + (f":{rest.pop('port')}" if "port" in rest else "")
    if target.schema is not None:
        rest["schema"] = target.schema
    if target.pooler:
        rest["pooler"] = "true"
    if target.read_only:
        rest["mode"] = "ro"
    query = "&".join([f"{name}={quote(value, safe='')}" for name, value in rest.items()])
    return f"postgresql://{who}{'@' if who else ''}{where}/{database}{'?' if query else ''}{query}"


def check_schema(name: str) -> str:
    """Return the name if a tenant's schema may have it; raise ``StoreOpenError`` otherwise."""
    from cloaca_core.features.tenants.credentials import (
        refusal_of_schema,  # here: most programs name no schema
    )

    if (reason := refusal_of_schema(name)) is not None:
        raise StoreOpenError(reason)
    return name


def _refuse_what_could_leak(before: str) -> None:
    """Refuse URLs in which a piece of a password would be taken for something else."""
    if not before.lower().startswith(_SCHEMES):
        raise StoreOpenError(f"not a PostgreSQL URL: it has the form {_EXAMPLE}")
    if "\0" in before:
        raise StoreOpenError("a database URL cannot contain NUL")
    authority, _, path = before.partition("://")[2].partition("/")
    if authority.count("@") > 1 or "@" in path or "#" in before:
        raise StoreOpenError(f"the database URL cannot be read: {_ENCODE}")


def _read(before: str, options: Mapping[str, str]) -> dict[str, str]:
    """The parameters as libpq reads them, by their names there."""
    with suppress(psycopg.Error, UnicodeError):
        rest = "&".join([f"{name}={quote(value, safe='')}" for name, value in options.items()])
        found = conninfo_to_dict(f"{before}?{rest}" if rest else before)
        return {name: str(value) for name, value in found.items()}
    raise _unreadable()


def _unreadable() -> StoreOpenError:
    """Make the error for an unreadable URL.

    Raise it outside of ``except``: the other error has a part of the URL and would be its context.
    """
    return StoreOpenError(f"the database URL cannot be read; it has the form {_EXAMPLE}; {_ENCODE}")


def _check_ports(ports: str) -> None:
    for port in filter(None, ports.split(",")):
        if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise StoreOpenError("the port in the database URL is not one between 1 and 65535")


def _options(query: str) -> dict[str, str]:
    """Check and return the parameters after the ``?``."""
    options: dict[str, str] = {}
    for name, value in _pairs(query):
        if name not in _known():
            _refuse_unknown(name)
        if name in options:
            raise StoreOpenError(f"parameter {name!r} is given twice")
        check = _CHECKS.get(name)
        options[name] = value if check is None else check(name, value)
    return options


def _pairs(query: str) -> Iterator[tuple[str, str]]:
    """Split a query as libpq does: a + is a +, unlike in a web form."""
    if _BAD_ESCAPE.search(query):
        raise _unreadable()
    for pair in filter(None, query.split("&")):
        name, _, value = pair.partition("=")
        yield _decoded(name), _decoded(value)


def _decoded(text: str) -> str:
    with suppress(UnicodeDecodeError):
        return unquote(text, errors="strict")
    raise _unreadable()


def _known() -> list[str]:
    libpq = [option.keyword.decode() for option in pq.Conninfo.get_defaults()]
    return [*_OURS, *libpq]


def _refuse_unknown(name: str) -> NoReturn:
    if not _PARAMETER_NAME.fullmatch(name):
        raise StoreOpenError(f"unknown parameter in the database URL; {_ENCODE}")
    near = nearest_name(name, _known())
    hint = f": did you mean {near!r}?" if near else "."
    raise StoreOpenError(
        f"unknown parameter {name!r}{hint} Of our own there are {', '.join(_OURS)}, all others are"
        " libpq's"
    )


def _one_of(*accepted: str) -> Callable[[str, str], str]:
    def check(name: str, value: str) -> str:
        if value.lower() not in accepted:
            raise StoreOpenError(f"{name}={value}: expected one of {', '.join(accepted)}")
        return value.lower()

    return check


def _whole(name: str, value: str) -> str:
    if not (value.isascii() and value.isdigit() and len(value) <= 9):
        raise StoreOpenError(f"{name}={value}: expected a whole number, 0 or more")
    return value


def _utf8(name: str, value: str) -> str:
    if value.lower().replace("-", "") not in ("utf8", "auto"):
        raise StoreOpenError(f"{name}={value}: cloaca speaks UTF8 with the database")
    return "UTF8"


_CHECKS: Final[dict[str, Callable[[str, str], str]]] = {
    "schema": lambda _, value: check_schema(value),
    "pooler": _one_of("true", "false"),
    "mode": _one_of("rw", "ro"),
    "client_encoding": _utf8,
    "connect_timeout": _whole,
    "keepalives": _one_of("0", "1"),
    "keepalives_idle": _whole,
    "keepalives_interval": _whole,
    "keepalives_count": _whole,
    "tcp_user_timeout": _whole,
    "sslmode": _one_of("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "gssencmode": _one_of("disable", "prefer", "require"),
    "channel_binding": _one_of("disable", "prefer", "require"),
    "target_session_attrs": _one_of("any", "read-write", "primary"),
    "load_balance_hosts": _one_of("disable", "random"),
}
