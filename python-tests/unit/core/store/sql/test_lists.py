"""Lists of columns and rows are written out as each database takes them, or refused."""

from __future__ import annotations

import pytest
from tables import each_row

from cloaca_core.store.sql.lists import Arrays
from cloaca_core.store.sql.queries import Wording, compile_statement

ONE_BY_ONE = Wording("?", "IN (?)", "items(?)")
ARRAYS = Arrays(text="texts({})", int="ints({})", real="reals({})", rows="rows({})")
AT_ONCE = Wording("%s", "IN (%s)", "items(%s)", ARRAYS, "= ANY(ARRAY[{}])")


def compiled(sql: str, wording: Wording = ONE_BY_ONE) -> tuple[str, tuple[str, ...]]:
    statement = compile_statement("it", sql, wording)
    return statement.sql, statement.parameters


@each_row(
    ("sql", "expected"),
    [
        ("SELECT :columns(run_tag)", "SELECT run_id, tag, content"),
        ("SELECT :columns(run_tag AS one)", "SELECT one.run_id, one.tag, one.content"),
        (
            "SELECT :columns(\n    run_tag AS one,\n    tag = f(one.a, '')\n)",
            "SELECT one.run_id, f(one.a, ''), one.content",
        ),
        ("ORDER BY :key(run_tag)", "ORDER BY run_id, tag"),
        ("ORDER BY :key(run_tag DESC)", "ORDER BY run_id DESC, tag DESC"),
        # the order of the key is not that of the columns
        ("ORDER BY :key(restart)", "ORDER BY run_id, task_id, item, first_attempt"),
    ],
)
def test_columns_are_those_of_the_table(sql: str, expected: str) -> None:
    assert compiled(sql) == (expected, ())


def test_the_values_of_a_key_are_parameters() -> None:
    assert compiled("WHERE (:key(round)) > (:key_values(round))") == (
        "WHERE (run_id, round) > (?, CAST(? AS BIGINT))",
        ("run_id", "round"),
    )


@each_row(
    ("sql", "message"),
    [
        ("SELECT :columns(rnu)", "statement it has a list of columns of an unknown table: 'rnu'"),
        (
            "SELECT :columns(run, inptu = '')",
            "statement it replaces no column of run: \"inptu = ''",
        ),
        ("SELECT :columns(run, input)", "statement it replaces no column of run: 'input'"),
        ("SELECT :columns(run", "statement it has a list that is not closed"),
    ],
)
def test_columns_that_are_not_there_are_refused(sql: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        compiled(sql)


@each_row(
    ("wording", "expected"),
    [
        (ONE_BY_ONE, "INSERT INTO t (run_id, tick) VALUES (?, ?)"),
        (AT_ONCE, "INSERT INTO t (run_id, tick) SELECT * FROM rows(texts(%s), ints(%s))"),
    ],
)
def test_rows_are_inserted_as_they_are(wording: Wording, expected: str) -> None:
    sql = "INSERT INTO t :rows(run_id, tick)"

    assert compiled(sql, wording) == (expected, ("run_id", "tick"))


def test_a_field_of_no_column_is_refused() -> None:
    with pytest.raises(ValueError, match="statement it has fields of no known column: tikc, x"):
        compiled("INSERT INTO t :rows(run_id, tikc, x)", AT_ONCE)


@each_row(
    ("sql", "one_by_one", "at_once", "parameters"),
    [
        (
            "SET tick = :new.tick FROM :rows AS new WHERE run_id IN [:new.run_id]",
            "SET tick = ?  WHERE run_id = ?",
            (
                "SET tick = new.tick FROM rows(ints(%s), texts(%s)) AS new (tick, run_id)"
                " WHERE run_id = ANY(ARRAY[new.run_id])"
            ),
            ("tick", "run_id"),
        ),
        # the tables after it stay
        (
            "USING :rows AS old, t WHERE t.a > :old.tick AND t.b = :old.tick",
            "USING t WHERE t.a > ? AND t.b = ?",
            "USING rows(ints(%s)) AS old (tick), t WHERE t.a > old.tick AND t.b = old.tick",
            ("tick",),
        ),
        # what guards the rows of a journal, and what is no column
        (
            "FROM :rows(seen:int) AS one WHERE :one.runner_id + :one.fence + :one.seen",
            "WHERE ? + ? + ?",
            (
                "FROM rows(texts(%s), ints(%s), ints(%s)) AS one (runner_id, fence, seen)"
                " WHERE one.runner_id + one.fence + one.seen"
            ),
            ("runner_id", "fence", "seen"),
        ),
    ],
)
def test_a_statement_is_for_one_row_or_for_all(
    sql: str, one_by_one: str, at_once: str, parameters: tuple[str, ...]
) -> None:
    single, every = compiled(sql), compiled(sql, AT_ONCE)

    assert (single[0], every[0]) == (one_by_one, at_once)
    assert tuple(dict.fromkeys(single[1])) == every[1] == parameters


def test_a_look_up_is_equality_as_each_database_words_it() -> None:
    sql = "WHERE a IN [b.c] AND d IN (1, 2)"

    assert compiled(sql)[0] == "WHERE a = b.c AND d IN (1, 2)"
    assert compiled(sql, AT_ONCE)[0] == "WHERE a = ANY(ARRAY[b.c]) AND d IN (1, 2)"


@each_row("wording", [ONE_BY_ONE, AT_ONCE])
def test_a_parameter_that_is_no_field_of_its_rows_is_refused(wording: Wording) -> None:
    with pytest.raises(ValueError, match="statement it has rows, and a parameter beside them: now"):
        compiled("SELECT :now FROM :rows AS new WHERE tick = :new.tick", wording)
