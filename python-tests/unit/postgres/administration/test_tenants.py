"""A tenant's URL, made from the administrator's. Scenario 32 tests the rest of tenants."""

from __future__ import annotations

import string

import psycopg
import pytest
from tables import each_row

from cloaca_core.features.tenants.credentials import TenantConfig
from cloaca_postgres.administration.tenants import (
    PASSWORD_LENGTH,
    _Admin,
    _connection_string,
    _random_password,
)
from cloaca_postgres.url import Target, parse

CONFIG = TenantConfig("acme", "acme's role")
WORD = "p@ss/w:?"


def target_of(admin: str) -> Target:
    """The parsed URL of a tenant, made from the administrator's."""
    return parse(_connection_string(parse(admin), CONFIG, WORD, "work"))


def test_a_tenant_gets_in_by_its_own_name_into_its_own_schema() -> None:
    found = target_of("postgresql://admin:secret@db.example:5433/work")

    assert found.schema == "acme"
    assert found.parameters["user"] == "acme's role"
    assert found.parameters["password"] == WORD


def test_the_way_to_the_server_stays_as_it_is() -> None:
    found = target_of(
        "postgresql://admin@one,two:5433/work?sslmode=require&target_session_attrs=any"
    )

    assert found.parameters["host"] == "one,two"
    assert found.parameters["port"].endswith("5433")
    assert found.parameters["sslmode"] == "require"
    assert not found.pooler


def test_a_pooler_stands_before_the_tenant_too() -> None:
    assert target_of("postgresql://admin@db.example/work?pooler=true").pooler


def test_the_database_is_named_though_the_administrators_was_not() -> None:
    """libpq's default is a database of the user's name, and the tenant's name is another."""
    assert target_of("postgresql://admin@db.example").parameters["dbname"] == "work"


@each_row(
    "parameter",
    [
        "password=secret",
        "passfile=admin.pgpass",
        "sslcert=admin.crt",
        "sslkey=admin.key",
        "options=-c%20role%3Dadmin",
    ],
)
def test_nothing_by_which_the_administrator_gets_in_is_handed_on(parameter: str) -> None:
    found = target_of(f"postgresql://admin@db.example/work?{parameter}")

    name, _, value = parameter.partition("=")
    assert found.parameters.get(name) != value
    assert "admin" not in " ".join(found.parameters.values())


def test_the_schema_of_the_administrator_is_not_the_tenants() -> None:
    assert target_of("postgresql://admin@db.example/work?schema=other").schema == "acme"


def test_passwords_that_are_made_up_need_no_quoting_and_differ() -> None:
    made = {_random_password() for _ in range(100)}

    assert len(made) == 100
    assert {len(each) for each in made} == {PASSWORD_LENGTH}
    assert set("".join(made)) <= set(string.ascii_letters + string.digits)


def test_a_role_that_another_administrator_has_just_removed_need_not_be_shut_out(
    postgres_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was there when it was looked for first."""
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        admin = _Admin(connection, "no_such_schema", "no_such_role")
        monkeypatch.setattr(admin, "_is_ours", lambda kind: kind == "role")

        assert admin.shut_out() is False
