"""Tables, lines and JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest
from tables import each_row

from cloaca_tools.cli.output import Column, Output, fitted, plain, table_lines, write_file

ROWS: list[dict[str, Any]] = [
    {"id": "one", "about": "short", "count": 7, "tags": {"shop": "oslo"}},
    {"id": "two", "about": "a text that is longer than there is room for", "count": 12, "tags": {}},
]
COLUMNS = (
    Column("ID", lambda row: row["id"][:2], lambda row: row["id"]),
    Column("ABOUT", lambda row: row["about"], gives_way=True),
    Column("COUNT", lambda row: str(row["count"]), right=True),
)


def test_where_nothing_is_cut_cells_are_whole() -> None:
    assert list(table_lines(ROWS, COLUMNS, None)) == [
        "ID   ABOUT                                         COUNT",
        "one  short                                             7",
        "two  a text that is longer than there is room for     12",
    ]


def test_on_a_terminal_what_gives_way_is_cut() -> None:
    lines = list(table_lines(ROWS, COLUMNS, 30))

    assert lines[2] == "tw  a text that is l…     12"
    assert max(map(len, lines)) <= 30


def test_a_narrow_terminal_cuts_lines() -> None:
    assert {len(line) for line in table_lines(ROWS, COLUMNS, 12)} == {12}


def test_line_ends_in_a_cell_do_not_break_a_table() -> None:
    assert fitted([{"x": "a\nb"}], [Column("X", lambda row: row["x"])], None) == [["a b"]]


def listed(out: Output, rows: list[dict[str, Any]], **more: Any) -> None:
    out.listing("things", rows, COLUMNS, empty="No things.", **more)


def test_a_list_as_json_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    listed(Output(as_json=True, fields=("id", "count")), ROWS, following="two")

    told = capsys.readouterr()
    assert json.loads(told.out) == {
        "schema": 1,
        "things": [{"id": "one", "count": 7}, {"id": "two", "count": 12}],
        "next": "two",
    }
    assert told.err == ""


def test_fields_are_separated_by_tabs_and_have_no_titles(
    capsys: pytest.CaptureFixture[str],
) -> None:
    listed(Output(fields=("id", "tags.shop", "tags")), ROWS)

    assert capsys.readouterr().out == 'one\toslo\t{"shop": "oslo"}\ntwo\t\t{}\n'


def test_an_unknown_field_is_refused_with_the_nearest() -> None:
    with pytest.raises(click.BadParameter, match="no field 'cuont', did you mean 'count'"):
        listed(Output(fields=("cuont",)), ROWS)
    with pytest.raises(click.BadParameter, match="there are id, about, count, tags"):
        listed(Output(fields=("zzz",)), ROWS)


def test_an_empty_list_is_a_note(capsys: pytest.CaptureFixture[str]) -> None:
    listed(Output(), [])

    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "No things.\n")


def test_more_to_come_is_a_note(capsys: pytest.CaptureFixture[str]) -> None:
    listed(Output(), ROWS, following="two")

    told = capsys.readouterr()
    assert told.err == "There are more: --before two\n"
    assert "two" in told.out


@each_row("out", [Output(), Output(as_json=True), Output(fields=("id",))])
def test_a_list_that_is_cut_says_so(out: Output, capsys: pytest.CaptureFixture[str]) -> None:
    listed(out, ROWS, limit=1)

    told = capsys.readouterr()
    assert told.err == "There are more than 1: give a larger --limit\n"
    assert "two" not in told.out
    listed(out, ROWS, limit=2)
    assert capsys.readouterr().err == ""


def test_events_as_json_are_lines(capsys: pytest.CaptureFixture[str]) -> None:
    out = Output(as_json=True)
    out.event({"n": 1}, "first")
    out.event({"n": 2}, "second")

    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [
        {"schema": 1, "n": 1},
        {"schema": 1, "n": 2},
    ]


@each_row(
    ("text", "value"), [("", None), ("a b", "a\n\tb"), ("true", True), ("[1]", [1]), ("é", "é")]
)
def test_a_value_on_one_line(text: str, value: object) -> None:
    assert plain(value) == text


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(click.FileError, match="No such file or directory"):
        write_file(str(tmp_path / "nowhere" / "case.json"), "{}")
