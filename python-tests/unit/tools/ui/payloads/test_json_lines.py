"""Payloads as lines: secrets hidden, big values folded, cut at the limit."""

from __future__ import annotations

import json
from typing import Any

from tables import each_row

from cloaca_core.values.payloads.json_values import JsonValue
from cloaca_core.values.payloads.redaction import Redaction
from cloaca_tools.ui.payloads import json_lines
from cloaca_tools.ui.payloads.json_lines import LIMIT, Line, Payload
from cloaca_tools.views.run.changes import KeyChange, key_change


def plain(text: str) -> str:
    """Hides nothing."""
    return text


def drawn(lines: tuple[Line, ...]) -> list[str]:
    """The lines as text, those of folds too."""
    found = []
    for line in lines:
        found.append(f"{line.text}{line.note}{line.tail}")
        found += drawn(line.lines or ())
    return found


def shown(value: Any) -> Payload:
    return json_lines.payload(value, plain)


def test_an_object_has_a_line_for_each_key() -> None:
    found = shown({"changes": 318, "by": {"choice": "approve", "by": "ann"}, "none": []})

    assert drawn(found.lines) == [
        "{",
        '  "changes": 318,',
        '  "by": {"choice": "approve", "by": "ann"},',
        '  "none": []',
        "}",
    ]
    assert [line.number for line in found.lines] == [1, 2, 3, 4, 5]
    assert (found.says, found.is_cut) == ("3 keys, 70 bytes", False)


def test_a_long_list_is_folded_with_its_count_and_size() -> None:
    rows = [{"sku": number} for number in range(40)]
    first, row, last = shown({"rows": rows}).lines

    assert (row.text, row.note, row.tail) == ('  "rows": [ ', "40 items, 510 bytes", " ]")
    assert row.lines is not None
    assert [row.lines[0].text, row.lines[-1].text] == ['    {"sku": 0},', '    {"sku": 39}']
    assert (first.number, row.number, row.lines[0].number, last.number) == (1, 2, 3, 43)


@each_row(
    "value",
    [
        {"rows": [{"a": "x" * 90} for _ in range(5_000)]},  # many items
        {"text": "x" * 200_000},  # one long line
        {"text": "line\n" * 40_000},  # many lines
        {f"key {number}": number for number in range(20_000)},  # many keys
        ["x" * 200_000],
        "x" * 200_000,
    ],
)
def test_no_more_than_the_limit_is_shown(value: Any) -> None:
    found = shown(value)

    assert found.is_cut
    assert sum(map(len, drawn(found.lines))) < LIMIT + 5_000


def test_a_small_value_is_not_cut() -> None:
    assert not shown({"rows": list(range(1_000)), "text": "x" * 700}).is_cut


@each_row("value", [None, True, 3, 1.5, "text", [], {}])
def test_a_plain_value_is_one_line(value: Any) -> None:
    assert drawn(shown(value).lines) == [json.dumps(value)]


def test_secrets_are_hidden_in_values_and_keys() -> None:
    redact = Redaction()
    redact.add("hunter2")
    value = {"key hunter2": ["a hunter2 b", 1], "text": "hunter2" * 200}

    everything = "".join(drawn(json_lines.payload(value, redact).lines))
    everything += json_lines.document(value, redact) + json_lines.text("hunter2", redact).text

    assert "hunter2" not in everything
    assert "a *** b" in everything


def test_a_document_is_all_of_a_value() -> None:
    rows = ["x" * 90] * 5_000
    assert json.loads(json_lines.document({"rows": rows}, plain)) == {"rows": rows}


def test_a_text_is_cut_at_the_limit() -> None:
    assert json_lines.text("a" * LIMIT, plain) == json_lines.Text("a" * LIMIT, False)
    assert json_lines.text("a" * LIMIT + "b", plain) == json_lines.Text("a" * LIMIT, True)
    assert json_lines.text(None, plain) == json_lines.Text("", False)


# -- changes -------------------------------------------------------------------------------------


def marked(lines: tuple[Line, ...]) -> list[tuple[str, str]]:
    return [(line.mark, f"{line.text}{line.note}{line.tail}") for line in lines]


def test_a_short_change_is_a_line() -> None:
    changed = [
        KeyChange("new", "added", None, 3, ("+3",)),
        KeyChange("n", "changed", 1, 2, ("-1", "+2")),
        KeyChange("old", "removed", "x", None, ('-"x"',)),
    ]

    assert marked(json_lines.changes(changed, plain)) == [
        ("add", '"new": 3'),
        ("del", '"n": 1'),
        ("add", '"n": 2'),
        ("del", '"old": "x"'),
    ]
    assert json_lines.changed_words(changed) == "+1 ±1 \N{MINUS SIGN}1 keys"


def test_a_long_change_is_folded() -> None:
    before, after = list(range(60)), [*range(60), 99]
    diff = ("@@ -58,3 +58,4 @@", "   58,", "-  59", "+  59,", "+  99", " ]")
    (line,) = json_lines.changes([KeyChange("rows", "changed", before, after, diff)], plain)

    assert (line.text, line.note) == ('"rows": ', "+2 \N{MINUS SIGN}1 lines")
    assert line.lines is not None
    assert [each.mark for each in line.lines] == ["", "", "del", "add", "add", ""]


def test_many_changes_are_cut() -> None:
    changed = [KeyChange(f"k{n}", "added", None, "x" * 900, ("+" + "x" * 900,)) for n in range(500)]
    lines = json_lines.changes(changed, plain)

    shown = len(lines) - 1
    assert lines[-1].note == f"{500 - shown} more keys"
    assert sum(map(len, drawn(lines))) < LIMIT + 5_000


def test_keys_that_are_left_out_are_counted_as_keys() -> None:
    """A changed key takes two lines."""
    diff = ("-1", "+2")
    many = [KeyChange(f"k{n}{'x' * 900}", "changed", 1, 2, diff) for n in range(500)]
    lines = json_lines.changes(many, plain)

    assert lines[-1].note == f"{500 - (len(lines) - 1) // 2} more keys"


def test_secrets_are_hidden_in_changes() -> None:
    redact = Redaction()
    redact.add("hunter2")
    diff = ("-old", "+hunter2" + "x" * 200)
    changed = [
        KeyChange("hunter2", "added", None, "hunter2", ("+hunter2",)),
        KeyChange("n", "changed", "old", "hunter2" + "x" * 200, diff),
    ]

    assert "hunter2" not in "".join(drawn(json_lines.changes(changed, redact)))


def test_values_under_keys_that_name_secrets_are_hidden_in_all_that_is_shown() -> None:
    before: JsonValue = {"api_token": "old" * 99, "n": 1}
    after: JsonValue = {"api_token": "new" * 99, "n": 2}
    changed = [
        key_change("login", "changed", before, after),
        key_change("password", "added", None, "new" * 99),
    ]

    everything = "".join(drawn(json_lines.payload(after, plain).lines))
    everything += json_lines.document(after, plain)
    everything += "".join(drawn(json_lines.changes(changed, plain)))

    assert "new" not in everything
    assert "old" not in everything
    assert everything.count('"api_token": "***"') >= 3
    assert '"password": "***"' in everything


def test_what_is_nested_deeply_is_not_folded_further() -> None:
    value: Any = 1
    for _ in range(100):
        value = [value, "x" * 300]
    folds, lines = 0, shown(value).lines
    while inner := [each for each in lines if each.lines]:
        folds, lines = folds + 1, inner[0].lines or ()

    assert folds == 59


def test_large_values_are_folded_less_deep() -> None:
    """Each level is written out to be measured."""
    value: Any = ["x" * 300] * 300
    for _ in range(30):
        value = [value, "x" * 300]
    folds, lines = 0, shown(value).lines
    while inner := [each for each in lines if each.lines]:
        folds, lines = folds + 1, inner[0].lines or ()

    assert folds == 11


def test_a_large_value_leaves_room_for_the_keys_after_it() -> None:
    found = shown({"rows": [{"a": "x" * 90} for _ in range(5_000)], "shop": "no", "day": 7})

    told = drawn(found.lines)
    assert any('"shop": "no"' in each for each in told)
    assert any('"day": 7' in each for each in told)
    assert found.is_cut


def test_several_large_values_have_a_share_each() -> None:
    large = ["x" * 90] * 5_000
    found = shown({"a": large, "b": large, "c": large})

    folds = [each for each in found.lines if each.lines]
    sizes = [sum(map(len, drawn(each.lines or ()))) for each in folds]
    assert len(sizes) == 3
    assert min(sizes) > LIMIT // 4
    assert sum(sizes) < LIMIT * 1.05
