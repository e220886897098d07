"""Statements about what cannot be a parameter, and those of ``schema.sql``."""

from __future__ import annotations

from tables import each_row

from cloaca_postgres.statements import STATEMENTS, naming, step


@each_row(
    ("name", "sql"),
    [
        ("plain", 'LISTEN "plain"'),
        # Quoted, so that any text is one name.
        ('"; DROP TABLE x; --', 'LISTEN """; DROP TABLE x; --"'),
        ("Ünïcode", 'LISTEN "Ünïcode"'),
        # Doubled: what is sent is searched for placeholders, of which there are none.
        ("100%s", 'LISTEN "100%%s"'),
    ],
)
def test_a_name_is_quoted_and_holds_no_placeholder(name: str, sql: str) -> None:
    named = naming("listen", "LISTEN {}", name)

    assert (named.statement.name, named.statement.sql) == ("listen", sql)
    assert named.statement.parameters == named.params == ()


def test_a_step_has_its_values_in_the_order_of_the_statement() -> None:
    notify = step(STATEMENTS.notify, sender="s", channel="c")

    assert dict(zip(notify.statement.parameters, notify.params, strict=True)) == {
        "channel": "c",
        "sender": "s",
    }


def test_every_statement_is_named_as_it_is_used() -> None:
    assert {name: one.name for name, one in STATEMENTS._asdict().items()} == {
        name: name for name in STATEMENTS._fields
    }
