"""Lists of columns and rows are written out as each database takes them, or refused."""

from __future__ import annotations

import pytest
from tables import each_row

from cloaca_core.run.rows import AttemptRow
from cloaca_core.store.sql.lists import Arrays
from cloaca_core.store.sql.queries import Wording, compile_statement

ONE_BY_ONE = Wording("?", "IN (?)", "items(?)")
ARRAYS = Arrays("texts({})", "ints({})", "reals({})", "rows({})", "= ANY(ARRAY[{}])", "= ALL({})")
AT_ONCE = Wording("%s", "IN (%s)", "items(%s)", ARRAYS)


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
            "SELECT one.run_id, f(one.a, '') AS tag, one.content",
        ),
        ("ORDER BY :key(run_tag)", "ORDER BY run_id, tag"),
        ("ORDER BY :key(run_tag DESC)", "ORDER BY run_id DESC, tag DESC"),
        # the order of the key is not that of the columns
        ("ORDER BY :key(restart)", "ORDER BY run_id, task_id, item, first_attempt"),
    ],
)
def test_columns_are_those_of_the_table(sql: str, expected: str) -> None:
    assert compiled(sql) == (expected, ())


def test_a_record_has_the_columns_of_its_fields() -> None:
    (sql, _) = compiled("SELECT :columns(AttemptRow AS one, change = NULL)")

    fields = [f"one.{name}" for name in AttemptRow._fields]
    fields[AttemptRow._fields.index("change")] = "NULL AS change"
    assert sql == f"SELECT {', '.join(fields)}"


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
            "statement it has a value for no column of its list: \"inptu = ''",
        ),
        (
            "SELECT :columns(run, input)",
            "statement it has a value for no column of its list: 'input'",
        ),
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


def test_rows_that_are_written_at_once_can_be_numbered() -> None:
    sql = "SELECT new.place FROM :rows WITH ORDINALITY AS new WHERE :new.tick > 1"

    assert compiled(sql, AT_ONCE)[0] == (
        "SELECT new.place FROM rows(ints(%s)) WITH ORDINALITY AS new (tick, place)"
        " WHERE new.tick > 1"
    )


def test_a_look_up_is_equality_as_each_database_words_it() -> None:
    sql = "WHERE a IN [b.c] AND d IN (1, 2) AND e IN [\n    SELECT f(1)\n]"

    assert compiled(sql)[0] == "WHERE a = b.c AND d IN (1, 2) AND e IN (SELECT f(1))"
    expected = "WHERE a = ANY(ARRAY[b.c]) AND d IN (1, 2) AND e = ALL(SELECT f(1))"
    assert compiled(sql, AT_ONCE)[0] == expected


@each_row(
    "lock",
    ["FOR UPDATE", "FOR NO KEY UPDATE OF t", "FOR KEY SHARE OF t", "FOR UPDATE OF t SKIP LOCKED"],
)
def test_one_writer_at_a_time_locks_no_rows(lock: str) -> None:
    sql = f"SELECT a FROM t\nORDER BY a\n{lock};\n"

    assert compiled(sql)[0] == "SELECT a FROM t\nORDER BY a"
    assert compiled(sql, AT_ONCE)[0] == f"SELECT a FROM t\nORDER BY a\n{lock}"
