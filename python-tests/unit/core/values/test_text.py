"""Free text is made storable where a record is made; what can be stored is left as it is."""

from __future__ import annotations

from hypothesis import given, strategies as st
from tables import each_row

from cloaca_core.values.text import MAX_TEXT, is_storable, storable_text

ANY_TEXT = st.text(st.characters(exclude_categories=()))


@each_row("text", ["", "plain", "line\nbreak\ttab", "日本 \N{PILE OF POO}", "\x1b[31m"])
def test_what_can_be_stored_stays_as_it_is(text: str) -> None:
    assert storable_text(text) == text
    assert is_storable(text)


@each_row(
    ("text", "expected"),
    [
        # PostgreSQL has no NUL.
        ("a\0b", "a\N{SYMBOL FOR NULL}b"),
        # No database has a lone surrogate, nor have two of them a meaning in Python.
        ("a\udc80b", "a?b"),
        ("\ud83d\ude00", "??"),
    ],
)
def test_what_databases_refuse_is_replaced(text: str, expected: str) -> None:
    assert storable_text(text) == expected
    assert not is_storable(text)


def test_the_longest_text_is_kept_whole() -> None:
    assert storable_text("x" * MAX_TEXT) == "x" * MAX_TEXT


def test_a_longer_one_keeps_its_beginning_and_its_end() -> None:
    """A traceback begins with who called and ends with what happened."""
    beginning, end = "b" * (MAX_TEXT // 2), "e" * (MAX_TEXT // 2)

    assert storable_text(beginning + "12345" + end) == (
        f"{beginning}\n… 5 characters left out …\n{end}"
    )


def test_the_replacement_is_counted_and_not_what_it_replaces() -> None:
    assert storable_text("\0" * MAX_TEXT) == "\N{SYMBOL FOR NULL}" * MAX_TEXT


@given(ANY_TEXT)
def test_every_text_can_be_stored_afterwards(text: str) -> None:
    stored = storable_text(text)

    assert "\0" not in stored
    assert stored.encode().decode() == stored
    assert storable_text(stored) == stored
