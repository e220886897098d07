"""The input of a task as the text of a form, and what was edited in it."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest
from tables import each_row

from cloaca_core.errors import ConfigError
from cloaca_tools.cli.arguments import context_of
from cloaca_tools.shell import command
from cloaca_tools.ui.forms.edited_input import LIMIT, InputBox, box, edited, edits_of

GIVEN: dict[str, Any] = {
    "region": "north",
    "shop": {"name": "Oslo", "token": "sesam"},
    "urls": ["http://ann:sesam@shop.example", 1],
}


def plain(text: str) -> str:
    """Hides nothing."""
    return text


def shown(given: dict[str, Any] | None, **typed: Any) -> InputBox:
    return box("load", given, plain, typed)


def test_the_text_has_no_secrets_and_changes_nothing() -> None:
    found = shown(GIVEN)

    assert json.loads(found.text) == {
        "region": "north",
        "shop": {"name": "Oslo", "token": "***"},
        "urls": ["http://ann:***@shop.example", 1],
    }
    assert (found.is_known, found.changed, found.edits.keys, found.error) == (True, (), {}, "")


@each_row(
    ("text", "keys"),
    [
        ("", {}),
        ('{"region": "south"}', {"region": "south"}),  # keys that are left out stay
        ('{"region": "north", "good": true}', {"good": True}),
        (
            '{"shop": {"token": "***", "name": "Bergen"}}',
            {"shop": {"name": "Bergen", "token": "sesam"}},
        ),
        ('{"shop": {"name": "Oslo"}}', {"shop": {"name": "Oslo"}}),
        (
            '{"urls": ["http://ann:***@shop.example", true]}',  # true is not 1
            {"urls": ["http://ann:sesam@shop.example", True]},
        ),
    ],
)
def test_what_is_hidden_keeps_its_place(text: str, keys: dict[str, Any]) -> None:
    found = edits_of(text, GIVEN, plain).keys

    assert json.dumps(found, sort_keys=True) == json.dumps(keys, sort_keys=True)


def test_a_moved_item_takes_its_hidden_value_along() -> None:
    shops = [{"name": "Oslo", "token": "sesam"}, {"name": "Bergen", "token": "lukk"}]
    text = '{"shops": [{"name": "Bergen", "token": "***"}, {"name": "Oslo", "token": "***"}]}'

    assert edits_of(text, {"shops": shops}, plain).keys == {"shops": shops[::-1]}


@each_row("text", ["[1]", "{", '{"urls": ["ftp://ann:***@shop.example"]}', '{"shop": "***"}'])
def test_a_text_that_cannot_be_meant_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        edits_of(text, GIVEN, plain)

    found = edited(InputBox("load", text, is_known=True), GIVEN, plain)
    assert (found.text, bool(found.error), found.changed) == (text, True, ())


def test_the_change_is_a_diff_without_secrets() -> None:
    text = '{"region": "south", "shop": {"name": "Bergen", "token": "***"}, "good": true}'
    found = edited(InputBox("load", text, is_known=True), GIVEN, plain)

    assert [(each.text, each.mark) for each in found.changed] == [
        ('"region": "north"', "del"),
        ('"region": "south"', "add"),
        ('"shop": {"name": "Oslo", "token": "***"}', "del"),
        ('"shop": {"name": "Bergen", "token": "***"}', "add"),
        ('"good": true', "add"),
    ]
    assert found.says == "+1 ±2 keys"


@each_row(
    "keys",
    [
        {},
        {"region": "south 'x'", "new": [1, {"a": None}]},
        {"urls": ["http://shop.example", 2]},
        {"-key:": "\x03", "shop": {}},
    ],
)
def test_the_options_of_the_command_make_the_same_edits(keys: dict[str, Any]) -> None:
    of = edited(InputBox("load", json.dumps(keys), is_known=True), GIVEN, plain)

    line = shlex.split(command(of.words or ()))[1:]
    assert line[::2] == ["-P"] * len(keys)
    assert context_of(None, line[1::2]) == of.edits.keys == keys


@each_row(
    "text",
    [
        '{"shop": {"name": "Bergen", "token": "***"}}',  # with the token it would be another edit
        '{"shop": {"token": "mellon"}}',
        '{"api_token": "mellon"}',
        '{"a=b": 1}',
        "[1]",
    ],
)
def test_an_edit_has_no_command_that_tells_secrets_or_does_something_else(text: str) -> None:
    assert edited(InputBox("load", text, is_known=True), GIVEN, plain).words is None


def test_what_was_edited_for_one_task_is_edited_in_the_input_of_another() -> None:
    text = '{"region": "south", "shop": {"name": "Bergen", "token": "***"}}'
    edits = edits_of(text, GIVEN, plain)
    other = {"region": "west", "rows": 3}
    found = shown(other, **edits.elsewhere(GIVEN, other))

    assert json.loads(found.text) == {"region": "south", "rows": 3}
    assert found.edits.keys == {"region": "south"}
    assert edits.elsewhere(GIVEN, {**other, "shop": GIVEN["shop"]}) == json.loads(text)


def test_a_key_that_is_too_large_is_left_out_and_stays() -> None:
    found = shown({"all": "x" * LIMIT, "few": 1})

    assert (json.loads(found.text), found.left_out) == ({"few": 1}, "1 larger key")
    assert found.edits.keys == {}


def test_an_input_that_is_not_known_has_no_text() -> None:
    assert (shown(None).text, shown(None).is_known) == ("", False)
    assert (shown({}).text, shown({}).is_known) == ("", True)
