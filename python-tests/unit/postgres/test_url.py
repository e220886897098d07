"""Database URLs are parsed, and ones that cannot be used are refused with the reason."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st
from tables import each_row

from cloaca_core.errors import StoreOpenError
from cloaca_core.features.tenants.credentials import refusal_of_schema
from cloaca_postgres.url import Target, check_schema, parse, url_of

CANARY = "hunter2"


@each_row(
    ("url", "expected"),
    [
        (
            "postgresql://me:pw@db.example:5433/work",
            {
                "user": "me",
                "password": "pw",
                "host": "db.example",
                "port": "5433",
                "dbname": "work",
            },
        ),
        ("postgres://db/work", {"host": "db", "dbname": "work"}),
        ("postgresql://", {}),  # everything from the environment, as libpq has it
        ("postgresql://me:p%40ss@db", {"user": "me", "password": "p@ss", "host": "db"}),
        ("postgresql://a:1,b:2/work", {"host": "a,b", "port": "1,2", "dbname": "work"}),
        ("postgresql:///work?host=/run/pg", {"host": "/run/pg", "dbname": "work"}),
        ("postgresql:///?service=main", {"service": "main"}),
        ("postgresql://?service=main", {"service": "main"}),
        ("postgresql://[::1]:5433/work", {"host": "::1", "port": "5433"}),
        ("postgresql://[fe80::1],b/work", {"host": "fe80::1,b"}),
        ("postgresql://%2Frun%2Fpg/work", {"host": "/run/pg"}),
        ("postgresql://me@?host=/run/pg&dbname=work", {"host": "/run/pg", "dbname": "work"}),
        ("postgresql://db/my%20d%C3%A9%2Fb%3F%25", {"dbname": "my dé/b?%"}),
        ("postgresql://db?options=-c%20search_path%3Dx", {"options": "-c search_path=x"}),
        ("postgresql://me@db?password=a+b", {"password": "a+b"}),
        ("postgresql://me@db?passfile=/p&password=a%26b", {"passfile": "/p", "password": "a&b"}),
        ("postgresql://db/work?sslmode=require", {"sslmode": "require"}),
    ],
)
def test_libpq_s_part_of_a_url(url: str, expected: dict[str, str]) -> None:
    found = parse(url)

    assert {name: found.parameters.get(name) for name in expected} == expected
    assert (found.schema, found.pooler) == (None, False)


def test_our_parameters_never_reach_libpq() -> None:
    found = parse("postgresql://db/work?schema=tenant_a&pooler=true&sslmode=disable")

    assert (found.schema, found.pooler) == ("tenant_a", True)
    assert found.parameters == {"host": "db", "dbname": "work", "sslmode": "disable"}
    assert "tenant_a" not in found.conninfo()
    assert parse("postgresql://db?pooler=false").pooler is False


@each_row(("query", "read_only"), [("", False), ("?mode=rw", False), ("?mode=ro", True)])
def test_a_database_may_be_opened_to_be_looked_at(query: str, read_only: bool) -> None:
    target = parse(f"postgresql://db/work{query}")

    assert target.read_only is read_only
    assert parse(url_of(target)) == target


def test_what_the_url_says_comes_before_a_default() -> None:
    target = parse("postgresql://db?connect_timeout=7")

    assert "connect_timeout=7" in target.conninfo(connect_timeout=2, keepalives_idle=10)
    assert "keepalives_idle=10" in target.conninfo(connect_timeout=2, keepalives_idle=10)


@each_row(
    ("query", "told"),
    [
        ("shcema=x", "unknown parameter 'shcema': did you mean 'schema'"),
        ("poler=true", "unknown parameter 'poler': did you mean 'pooler'"),
        ("ssl_mode=require", "did you mean 'sslmode'"),
        ("cache=shared", "unknown parameter 'cache'. Of our own there are schema, pooler, mode"),
        ("schema=a&schema=b", "parameter 'schema' is given twice"),
        ("pooler=yes", "pooler=yes: expected one of true, false"),
        ("mode=rwc", "mode=rwc: expected one of rw, ro"),
        ("schema=", "Schema name cannot be empty"),
        ("schema=a-b", "Schema name must contain only alphanumeric characters and underscores"),
        ("sslmode=on", "sslmode=on: expected one of disable, allow"),
        ("connect_timeout=soon", "connect_timeout=soon: expected a whole number"),
        ("options=%zz", "cannot be read"),
        ("options=%ff", "cannot be read"),
        ("client_encoding=latin1", "client_encoding=latin1: cloaca speaks UTF8"),
    ],
)
def test_a_wrong_parameter_is_refused_by_name(query: str, told: str) -> None:
    with pytest.raises(StoreOpenError) as caught:
        parse(f"postgresql://db/work?{query}")

    assert told in str(caught.value)


@each_row(
    "url",
    [
        f"postgresql://me:{CANARY}@db:port/work",  # a port that is none
        f"postgresql://me:{CANARY}@db:0/work",
        f"postgresql://me:a@{CANARY}@db/work",  # an @ that was not encoded
        f"postgresql://me:a/{CANARY}@db/work",  # a slash
        f"postgresql://me:a?{CANARY}@db/work",  # a question mark
        f"postgresql://me:a#{CANARY}@db/work",
        f"postgresql://me:{CANARY}%zz@db/work",  # an escape that is none
        f"postgresql://me:{CANARY}@[::1/work",  # an address that is none
        f"postgresql://me:{CANARY}@db/work?sslmoed=disable",
        f"postgresql://me:{CANARY}@db/work\0",
        f"postgresql://me:{CANARY}%ff@db/work",  # bytes that are no UTF-8
        f"postgresql://me:{CANARY}@db/\ud800",  # text that has no UTF-8
        f"postgresql://me@db/work?password={CANARY}%ff",
        f"postgresql://me@db/work?password={CANARY}\ud800",
        f"mysql://me:{CANARY}@db/work",
    ],
)
def test_neither_message_nor_context_repeats_a_password(url: str) -> None:
    with pytest.raises(StoreOpenError) as caught:
        parse(url)

    assert CANARY not in str(caught.value)
    assert CANARY not in repr(caught.value.__context__)


def test_a_target_shows_no_password() -> None:
    target = parse(f"postgresql://me:{CANARY}@db/work")

    assert CANARY not in repr(target)
    assert target.place == "PostgreSQL database work on db"


@each_row("name", ["a", "_a", "Tenant_1", "a" * 63])
def test_a_schema_s_name_is_letters_digits_and_underscores(name: str) -> None:
    assert check_schema(name) == name


@each_row(
    ("name", "told"),
    [
        ("", "Schema name cannot be empty"),
        ("a b", "only alphanumeric characters and underscores"),
        ('a"; DROP TABLE x', "only alphanumeric characters and underscores"),
        ("größe", "only alphanumeric characters and underscores"),
        ("a\n", "only alphanumeric characters and underscores"),
        ("1a", "must not start with a digit"),
        ("a" * 64, "at most 63 characters"),
        ("pg_temp", "one of PostgreSQL's own"),
        ("PG_x", "one of PostgreSQL's own"),
        ("Information_Schema", "one of PostgreSQL's own"),
    ],
)
def test_other_names_of_schemas_are_refused(name: str, told: str) -> None:
    with pytest.raises(StoreOpenError, match="Schema name") as caught:
        check_schema(name)

    assert told in str(caught.value)


# -- there and back ------------------------------------------------------------------------------

ANY = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
TEXTS = st.text(st.sampled_from("@/?#:&=%+,;[]' \"\\a7é") | ANY, min_size=1)
NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,62}", fullmatch=True).filter(
    lambda name: refusal_of_schema(name) is None
)
HOSTS = st.one_of(
    st.from_regex(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", fullmatch=True),
    st.ip_addresses().map(str),
    st.lists(st.sampled_from(["a.example", "::1", "127.0.0.1", "/run/pg"]), min_size=2).map(
        ",".join
    ),
    TEXTS.map("/{}".format),  # a socket's folder
)
PORTS = st.lists(st.integers(1, 65535), min_size=1, max_size=3).map(
    lambda ports: ",".join(map(str, ports))
)
PARAMETERS = st.fixed_dictionaries(
    {},
    optional={
        "user": TEXTS,
        "password": TEXTS,
        "host": HOSTS,
        "port": PORTS,
        "dbname": TEXTS,
        "service": TEXTS,
        "options": TEXTS,
        "passfile": TEXTS,
        "sslmode": st.sampled_from(["disable", "require", "verify-full"]),
    },
)


@given(st.builds(Target, PARAMETERS, st.none() | NAMES, st.booleans()))
def test_a_target_s_url_means_that_target(target: Target) -> None:
    assert parse(url_of(target)) == target
