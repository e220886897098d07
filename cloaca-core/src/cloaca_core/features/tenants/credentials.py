"""Names and credentials of tenants, checked and masked. Pure.

A tenant is a schema on PostgreSQL and a file on SQLite; both are named by the same rules, so that
a program can move from one to the other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, NamedTuple

from cloaca_core.errors import ConfigError, TenantNameError
from cloaca_core.values.arguments import refuse_other_types

LONGEST_NAME: Final = 63
"""Bytes of an identifier that PostgreSQL keeps; it cuts the rest off silently."""
MASK: Final = "***"
_SHARED_SCHEMA: Final = "public"
_SYSTEM_PREFIX: Final = "pg_"


def refusal_of_schema(name: str) -> str | None:
    """The reason why a schema cannot have this name, or None."""
    if not name:
        return "Schema name cannot be empty"
    if not re.fullmatch(r"[A-Za-z0-9_]+", name):
        return "Schema name must contain only alphanumeric characters and underscores"
    if name[0].isdigit():
        return f"Schema name must not start with a digit, got {name!r}"
    if len(name) > LONGEST_NAME:
        return f"Schema name must have at most {LONGEST_NAME} characters, got {len(name)}"
    if name.lower().startswith(_SYSTEM_PREFIX) or name.lower() == "information_schema":
        return f"Schema name must not be one of PostgreSQL's own, got {name!r}"
    return None


def refusal_of_tenant(name: str) -> str | None:
    """The reason why a tenant's schema or file cannot have this name, or None."""
    if name.lower() == _SHARED_SCHEMA:
        return f"Schema name {name!r} is shared by all users: a tenant cannot have it"
    return refusal_of_schema(name)


def checked_tenant_name(name: str) -> str:
    """Return the name if a tenant's schema or file may have it, else raise ``TenantNameError``."""
    refuse_other_types("schema_name", name, str, "a str")
    if (reason := refusal_of_tenant(name)) is not None:
        raise TenantNameError(reason, tenant=name)
    return name


def checked_role_name(name: str) -> str:
    """Return the name if a tenant's role may have it, else raise ``TenantNameError``."""
    refuse_other_types("username", name, str, "a str")
    if not name or "\0" in name or not name.isprintable():
        raise TenantNameError(f"username must be printable and not empty, got {name!r}")
    if len(name.encode("utf-8", "replace")) > LONGEST_NAME:
        raise TenantNameError(f"username must have at most {LONGEST_NAME} bytes, got {name!r}")
    if name.lower().startswith(_SYSTEM_PREFIX) or name.lower() in ("public", "none"):
        raise TenantNameError(f"username must not be one of PostgreSQL's own, got {name!r}")
    return name


@dataclass(frozen=True, slots=True)
class TenantConfig:
    """A tenant to be made. An empty ``password`` means a random one of 32 characters."""

    schema_name: str
    username: str
    password: str = ""

    def __post_init__(self) -> None:
        checked_tenant_name(self.schema_name)
        checked_role_name(self.username)
        refuse_other_types("password", self.password, str, "a str")
        if "\0" in self.password or any("\ud800" <= each <= "\udfff" for each in self.password):
            raise ConfigError("password must not contain NUL or a lone surrogate", field="password")

    def __repr__(self) -> str:
        return (
            f"TenantConfig(schema_name={self.schema_name!r}, username={self.username!r}, "
            f"password={MASK!r})"
        )


class TenantInfo(NamedTuple):
    """An existing tenant: its schema, and the role that reaches it."""

    schema_name: str
    username: str


@dataclass(frozen=True, slots=True)
class TenantCredentials:
    """A tenant's login. ``DefaultRunner(credentials.connection_string)`` opens its schema."""

    username: str
    password: str
    schema_name: str
    connection_string: str

    def __repr__(self) -> str:
        return (
            f"TenantCredentials(username={self.username!r}, schema_name={self.schema_name!r}, "
            f"password={MASK!r}, connection_string={MASK!r})"
        )
