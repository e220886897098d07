"""Addresses within the page."""

from __future__ import annotations

from tables import each_row

from cloaca_tools.ui.paths import Paths, number_in

AT = Paths("/ops", "abc")


def test_addresses_stand_below_the_mount() -> None:
    assert AT.now() == "/ops/"
    assert AT.runs() == "/ops/runs"
    assert AT.run("01a2", "/cancel") == "/ops/runs/01a2/cancel"
    assert AT.page("inbox") == "/ops/inbox"
    assert AT.static("page.css") == "/ops/static/abc/page.css"


def test_what_is_empty_stands_in_no_address() -> None:
    assert AT.runs("", before=None) == "/ops/runs"
    assert AT.runs("status:failed", before="01a2") == "/ops/runs?q=status%3Afailed&before=01a2"


@each_row("name", ["..", "a/b", "a?b#c", "a&name=b", "<b>", "é ", "%2e%2e"])
def test_a_name_of_a_workflow_can_be_anything(name: str) -> None:
    from urllib.parse import parse_qs, urlsplit

    parts = urlsplit(AT.workflow(name))

    assert parts.path == "/ops/workflow"
    assert parse_qs(parts.query) == {"name": [name]}


def test_an_id_cannot_leave_its_place() -> None:
    assert AT.run("../x?y") == "/ops/runs/..%2Fx%3Fy"


@each_row(
    ("text", "number"),
    [("12", 12), ("", 0), ("-1", 0), ("x", 0), ("²", 0), ("1" * 9, 111_111_111), ("1" * 10, 0)],
)
def test_numbers_in_addresses(text: str, number: int) -> None:
    assert number_in({"page": text}, "page") == number
    assert number_in({}, "page") == 0
