"""The names that a tenant may have; and its password is never shown."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tables import each_row

from cloaca_core.errors import ConfigError, ConfigTypeError, TenantNameError
from cloaca_core.features.tenants.credentials import (
    TenantConfig,
    TenantCredentials,
    checked_role_name,
    checked_tenant_name,
    refusal_of_schema,
)

CANARY = "c4nary"


@each_row("name", ["acme", "ACME_2", "_x", "a" * 63, "pgbouncer"])
def test_a_schema_may_be_called(name: str) -> None:
    assert refusal_of_schema(name) is None
    assert checked_tenant_name(name) == name


@each_row(
    ("name", "reason"),
    [
        ("", "Schema name cannot be empty"),
        ("a-b", "Schema name must contain only alphanumeric characters and underscores"),
        ('a"; DROP SCHEMA x; --', "only alphanumeric"),
        ("../x", "only alphanumeric"),
        ("x\0", "only alphanumeric"),
        ("x\n", "only alphanumeric"),  # a pattern that ends in $ would take it
        ("größe", "only alphanumeric"),
        ("\u202egnp", "only alphanumeric"),  # right to left
        ("٣x", "only alphanumeric"),  # a digit elsewhere
        ("1st", "digit"),
        ("a" * 64, "63"),
        ("pg_catalog", "PostgreSQL's own"),
        ("PG_x", "PostgreSQL's own"),
        ("information_schema", "PostgreSQL's own"),
    ],
)
def test_a_schema_may_not_be_called(name: str, reason: str) -> None:
    assert reason in (refusal_of_schema(name) or "")
    with pytest.raises(TenantNameError, match=reason):
        checked_tenant_name(name)


def test_a_tenant_cannot_have_the_schema_that_all_share() -> None:
    assert refusal_of_schema("public") is None
    with pytest.raises(TenantNameError, match="is shared by all users"):
        checked_tenant_name("public")


@each_row("name", ["acme", "o'brien", 'a"b', "größe", "has space", "a" * 63])
def test_a_role_may_be_called(name: str) -> None:
    assert checked_role_name(name) == name


@each_row(
    "name",
    ["", "a\0b", "a\nb", "\u202ex", "ä" * 32, "pg_monitor", "public", "NONE", "\ud800"],
)
def test_a_role_may_not_be_called(name: str) -> None:
    with pytest.raises(TenantNameError, match="username"):
        checked_role_name(name)


@each_row("check", [checked_tenant_name, checked_role_name])
def test_a_name_is_a_str(check: Callable[[object], str]) -> None:
    with pytest.raises(ConfigTypeError, match="must be a str, not bytes"):
        check(b"acme")


@each_row(
    ("password", "error"),
    [
        (None, ConfigTypeError),
        (b"x", ConfigTypeError),
        ("x\0", ConfigError),
        ("\ud800", ConfigError),
    ],
)
def test_a_password_is_a_str_without_nul(password: str, error: type[Exception]) -> None:
    with pytest.raises(error, match="password"):
        TenantConfig("acme", "acme", password)


def test_passwords_are_not_shown() -> None:
    config = TenantConfig("acme", "acme_role", CANARY)
    credentials = TenantCredentials("acme_role", CANARY, "acme", f"postgresql://u:{CANARY}@h/d")

    assert CANARY not in repr(config) + str(config) + repr(credentials) + str(credentials)
    assert "acme_role" in repr(config)
    assert "acme_role" in repr(credentials)
