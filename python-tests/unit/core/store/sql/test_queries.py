"""Named SQL is parsed, compiled and bound as written, or refused when it is loaded."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given, strategies as st
from tables import each_row

from cloaca_core.store.sql.queries import Wording, compile_statement, load_statements, parse

QUESTION_MARKS = Wording("?", "IN (SELECT value FROM json_each(?))", "json_each(?)")


def compiled(sql: str, wording: Wording = QUESTION_MARKS) -> tuple[str, tuple[str, ...]]:
    statement = compile_statement("it", sql, wording)
    return statement.sql, statement.parameters


@each_row(
    ("sql", "expected", "parameters"),
    [
        ("SELECT :a, :b_2;", "SELECT ?, ?", ("a", "b_2")),
        ("SELECT :a + :a", "SELECT ? + ?", ("a", "a")),  # each occurrence is one placeholder
        ("SELECT ':a', :b", "SELECT ':a', ?", ("b",)),
        ("SELECT 'it''s :a', :b", "SELECT 'it''s :a', ?", ("b",)),
        ('SELECT ":a", :b', 'SELECT ":a", ?', ("b",)),
        ("SELECT '-- no comment', :b", "SELECT '-- no comment', ?", ("b",)),
        ("SELECT 1 -- it's :a\n, :b", "SELECT 1 \n, ?", ("b",)),
        ("SELECT /* :a ' \n :c */ :b", "SELECT  ?", ("b",)),
        ("SELECT x::text, :b::int", "SELECT x::text, ?::int", ("b",)),  # PostgreSQL's cast
        ("SELECT '%', 5 % 2", "SELECT '%', 5 % 2", ()),
    ],
)
def test_parameters_become_placeholders_outside_quotes_and_comments(
    sql: str, expected: str, parameters: tuple[str, ...]
) -> None:
    assert compiled(sql) == (expected, parameters)


def test_a_percent_is_doubled_where_it_would_start_a_placeholder() -> None:
    percents = Wording("%s", "= ANY(%s)", "unnest(%s)")

    assert compiled("SELECT '%', 5 % :a WHERE 1 IN :b", percents) == (
        "SELECT '%%', 5 %% %s WHERE 1 = ANY(%s)",
        ("a", "b"),
    )


@each_row(
    ("sql", "expected", "parameters"),
    [
        ("WHERE a IN :b AND c = :d", "WHERE a IN (SELECT value FROM json_each(?)) AND c = ?", "bd"),
        ("WHERE NOT a IN\n :b", "WHERE NOT a IN (SELECT value FROM json_each(?))", "b"),
        ("SELECT x.value FROM :b AS x", "SELECT x.value FROM json_each(?) AS x", "b"),
        ("SELECT 'IN :a', :b -- FROM :c", "SELECT 'IN :a', ?", "b"),
        ("SELECT MIN :b", "SELECT MIN ?", "b"),  # no word of its own
    ],
)
def test_a_parameter_after_in_or_from_is_a_list(sql: str, expected: str, parameters: str) -> None:
    assert compiled(sql) == (expected, tuple(parameters))


@each_row("sql", ["SELECT 'a", 'SELECT "a', "SELECT 1 /* a", "SELECT ':a''"])
def test_what_is_not_closed_is_refused(sql: str) -> None:
    with pytest.raises(ValueError, match="statement it has a quote or a comment that is not"):
        compiled(sql)


@given(st.text(alphabet="a'\"-/*\n :%?", max_size=30))
def test_a_quoted_text_is_never_changed(text: str) -> None:
    quoted = "'" + text.replace("'", "''") + "'"

    sql, parameters = compiled(f"SELECT {quoted}, :p")

    assert parameters == ("p",)
    assert sqlite3.connect(":memory:").execute(sql, (1,)).fetchone() == (text, 1)


def test_a_file_is_cut_at_its_name_lines() -> None:
    text = "-- about\n\n-- name: one\n-- what it is for\nSELECT 1;\n-- name: two\nSELECT 2;\n"

    assert {n: compiled(t)[0] for n, t in parse(text).items()} == {
        "one": "SELECT 1",
        "two": "SELECT 2",
    }


@each_row(
    ("text", "message"),
    [
        ("SELECT 1;\n-- name: one\nSELECT 1;", "SQL before the first"),
        ("-- name: one\nSELECT 1;\n-- name: one\nSELECT 2;", "one is defined twice"),
        ("-- name: One Two\nSELECT 1;", "not a statement name: 'One Two'"),
        ("-- name:\nSELECT 1;", "not a statement name: ''"),
        ("-- part: a\nSELECT 1\n-- name: one\n:part(b)", "without its '-- part:' line"),
    ],
)
def test_a_wrong_file_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(text)


def test_statements_of_a_file_share_parts() -> None:
    text = "-- part: a\nFROM a\n\n-- name: one\nSELECT 1 :part(a);\n-- name: two\n:part(a)"

    assert parse(text) == {"one": "SELECT 1 FROM a;", "two": "FROM a"}


def test_a_statement_without_sql_is_refused() -> None:
    with pytest.raises(ValueError, match="one is empty"):
        load_statements(["-- name: one\n-- only a comment\n;\n"], ("one",), QUESTION_MARKS)


def test_an_override_comes_before_the_shared_statement() -> None:
    shared = "-- name: one\nSELECT 1;\n-- name: two\nSELECT 2;"

    loaded = load_statements([shared, "-- name: two\nSELECT 22;"], ("one", "two"), QUESTION_MARKS)

    assert {name: statement.sql for name, statement in loaded.items()} == {
        "one": "SELECT 1",
        "two": "SELECT 22",
    }


def test_a_statement_missing_in_both_is_refused() -> None:
    with pytest.raises(LookupError, match="statements without SQL: three, two"):
        load_statements(["-- name: one\nSELECT 1;"], ("one", "two", "three"), QUESTION_MARKS)


def test_a_statement_that_nothing_asks_for_is_refused() -> None:
    with pytest.raises(LookupError, match="SQL of unknown statements: insrt"):
        load_statements(
            ["-- name: insrt\nSELECT 1;\n-- name: one\nSELECT 1"], ("one",), QUESTION_MARKS
        )


def test_values_are_bound_in_the_order_of_the_placeholders() -> None:
    statement = compile_statement("it", "SELECT :b, :a, :b", QUESTION_MARKS)

    assert statement.bind(a=1, b=2) == (2, 1, 2)


@each_row("values", [{"a": 1}, {"a": 1, "b": 2, "c": 3}])
def test_missing_and_unknown_values_are_refused(values: dict[str, int]) -> None:
    statement = compile_statement("it", "SELECT :a, :b", QUESTION_MARKS)

    with pytest.raises(TypeError, match=r"statement it takes \['a', 'b'\]"):
        statement.bind(**values)


@each_row(
    ("sql", "expected"),
    [
        ("SELECT :b, :a, :b", (2, 1, 2)),
        ("SELECT :b", (2,)),
        ("SELECT :a, :b, :c", (1, 2, 3)),
    ],
)
def test_rows_are_bound_by_their_field_names(sql: str, expected: tuple[int, ...]) -> None:
    binder = compile_statement("it", sql, QUESTION_MARKS).binder(("a", "b", "c"))

    assert binder((1, 2, 3)) == expected


def test_a_row_that_lacks_a_parameter_is_refused_before_any_row_comes() -> None:
    with pytest.raises(ValueError, match="not in tuple"):
        compile_statement("it", "SELECT :z", QUESTION_MARKS).binder(("a", "b"))
