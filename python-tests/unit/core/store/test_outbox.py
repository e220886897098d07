"""The errors for what is given as a connection and is none."""

from __future__ import annotations

from tables import each_row

from cloaca_core.store.outbox import unusable, wrong_type

OF_DJANGO = (
    "give its .connection, after its .ensure_connection() (within transaction.atomic() it is there)"
)


def of(module: str, name: str, *bases: type) -> object:
    """An object of a class that calls itself so."""
    return type(name, bases, {"__module__": module})()


def test_it_says_what_is_accepted_and_what_was_given() -> None:
    error = wrong_type("a psycopg.Connection", of("asyncpg.connection", "Connection"))

    accepted = "connection must be a psycopg.Connection, not asyncpg.connection.Connection"
    assert str(error) == accepted
    assert error.field == "connection"
    assert str(wrong_type("a T", 1)) == "connection must be a T, not int"


@each_row(
    ("hint", "given"),
    [
        ("give its .connection.driver_connection", of("sqlalchemy.engine.base", "Connection")),
        (
            "give its .connection().connection.driver_connection",
            of("sqlalchemy.orm.session", "Session"),
        ),
        (
            "give (await it.get_raw_connection()).driver_connection",
            of("sqlalchemy.ext.asyncio.engine", "AsyncConnection"),
        ),
        (
            "give (await (await it.connection()).get_raw_connection()).driver_connection",
            of("sqlalchemy.ext.asyncio.session", "AsyncSession"),
        ),
        ("give its .driver_connection", of("sqlalchemy.pool.base", "_ConnectionFairy")),
        # Others derive their own, such as SQLModel.
        (
            "give its .connection().connection.driver_connection",
            of("sqlmodel.orm.session", "Session", type(of("sqlalchemy.orm.session", "Session"))),
        ),
        # ``django.db.connection`` stands for one of ``django.db.connections``.
        (OF_DJANGO, of("django.utils.connection", "ConnectionProxy")),
        (
            OF_DJANGO,
            of(
                "django.db.backends.postgresql.base",
                "DatabaseWrapper",
                type(of("django.db.backends.base.base", "BaseDatabaseWrapper")),
            ),
        ),
    ],
)
def test_what_has_the_drivers_connection_is_told_how(hint: str, given: object) -> None:
    assert str(wrong_type("a psycopg.Connection", given)).endswith(f": {hint}")


@each_row(
    "given",
    [
        of("sqlalchemy.engine.result", "Result"),  # nothing that has a connection
        of("sqlalchemyish.engine", "Connection"),  # another package
    ],
)
def test_nothing_is_said_of_what_is_not_known(given: object) -> None:
    assert ": give" not in str(wrong_type("a psycopg.Connection", given))


def test_what_cannot_be_used_is_a_value_of_the_same_field() -> None:
    assert unusable("is closed").field == "connection"
    assert str(unusable("is closed")) == "connection is closed"
