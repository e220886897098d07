"""URLs of databases: turned into those of others, and shown without what is secret in them."""

from __future__ import annotations

from tables import each_row

from dev.databases import urls

URL = "postgresql://me:pa%40ss@127.0.0.1:5433/postgres"


@each_row(
    ("expected", "name"),
    [
        ("postgresql://me:pa%40ss@127.0.0.1:5433/work", "work"),
        # Characters that have a meaning in a URL are percent-encoded.
        ("postgresql://me:pa%40ss@127.0.0.1:5433/a%2Fb%3Fc%20d", "a/b?c d"),
    ],
)
def test_another_database_of_the_same_server(expected: str, name: str) -> None:
    assert urls.with_database(URL, name) == expected


def test_a_database_of_a_url_that_has_a_query_keeps_it() -> None:
    assert urls.with_database("postgresql://h/a?sslmode=disable", "b") == (
        "postgresql://h/b?sslmode=disable"
    )


@each_row(
    ("expected", "url"),
    [
        ("postgresql://h/d?schema=one", "postgresql://h/d"),
        ("postgresql://h/d?sslmode=disable&schema=one", "postgresql://h/d?sslmode=disable"),
        # A parameter is given once.
        ("postgresql://h/d?schema=one", "postgresql://h/d?schema=other"),
    ],
)
def test_a_parameter_is_added_or_replaced(expected: str, url: str) -> None:
    assert urls.with_query(url, schema="one") == expected


@each_row(
    ("expected", "url"),
    [
        ("postgresql://me@127.0.0.1:5433/postgres", URL),
        ("postgresql://me@host/work", "postgresql://me@host/work?password=secret"),
    ],
)
def test_a_url_is_shown_without_what_is_secret(expected: str, url: str) -> None:
    assert urls.masked(url) == expected
