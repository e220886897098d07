"""A line says what its record said, and can be stored whatever that was."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

import pytest
from tables import each_row

from cloaca_core.features.task_logs.lines import (
    Line,
    joined,
    lines_in,
    names_of,
    redacted,
    text_of_call,
    text_of_logged,
    text_of_record,
)
from cloaca_core.values.payloads.redaction import Redaction

PLAIN = Redaction()


def record(msg: object, *args: object, **more: Any) -> logging.LogRecord:
    """A record as ``logging`` makes it."""
    logger = logging.getLogger("app.load")
    exc_info = more.pop("exc_info", None)
    return logger.makeRecord("app.load", 30, "f.py", 1, msg, args, exc_info, **more)


def line_of_record(given: logging.LogRecord, at: int, redaction: Redaction) -> Line:
    return Line(*json.loads(text_of_record(given, at, redaction)))


def line_of_logged(msg: object, *args: object) -> Line:
    return Line(*json.loads(text_of_logged(names_of("WARNING", "app.load"), msg, args, 7, PLAIN)))


def line_of_call(
    message: object, level: str, fields: dict[str, Any], at: int, redaction: Redaction
) -> Line:
    return Line(*json.loads(text_of_call(message, level, fields, at, redaction)))


class Mute:
    """Has no text."""

    def __str__(self) -> str:
        raise ZeroDivisionError

    __repr__ = __str__


class TestCallsOfLoggers:
    @each_row(
        ("msg", "args"),
        [
            ("%s of %d", ("one", 2)),
            ("100 %", ()),
            ("%(a)s", ({"a": 1},)),
            ("%s", ({},)),  # an empty mapping is a value
            ("%s", (["list"],)),
            ("%d", ("not a number",)),
            (Mute(), ()),
            (12, ()),
            ("zero \0 and é " + "x" * 70_000, ()),
        ],
    )
    def test_the_line_is_that_of_the_record(self, msg: object, args: tuple[object, ...]) -> None:
        assert line_of_logged(msg, *args) == line_of_record(record(msg, *args), 7, PLAIN)


class TestRecords:
    def test_the_arguments_are_in_the_message(self) -> None:
        assert line_of_record(record("%s of %d", "one", 2), 7, PLAIN) == Line(
            7, "WARNING", "app.load", "one of 2"
        )

    def test_the_record_stays_as_it_is(self) -> None:
        """Handlers of the program come after it."""
        given = record("%s", "one")
        before = dict(vars(given))

        line_of_record(given, 7, PLAIN)

        assert vars(given) == before

    def test_a_traceback_follows_the_message(self) -> None:
        try:
            raise LookupError("gone")
        except LookupError:
            given = record("failed", exc_info=sys.exc_info())

        message = line_of_record(given, 7, PLAIN).message

        assert message.startswith("failed\nTraceback (most recent call last):")
        assert message.endswith("LookupError: gone")
        assert given.exc_text is None

    def test_a_stack_follows_the_message(self) -> None:
        line = line_of_record(record("here", sinfo="Stack:"), 7, PLAIN)

        assert line.message == "here\nStack:"

    def test_without_an_error_there_is_no_traceback(self) -> None:
        assert line_of_record(record("x", exc_info=(None, None, None)), 7, PLAIN).message == "x"

    @each_row(
        ("msg", "args", "message"),
        [
            ("%d rows", ("many",), "%d rows ('many',)"),
            ("%s and %s", ("one",), "%s and %s ('one',)"),
            ("%s", (Mute(),), "%s <tuple>"),
            (Mute(), (), "<Mute> ()"),
        ],
    )
    def test_no_body_fails_for_its_arguments(
        self, msg: object, args: tuple[object, ...], message: str
    ) -> None:
        assert line_of_record(record(msg, *args), 7, PLAIN).message == message

    def test_characters_that_databases_refuse_are_replaced(self) -> None:
        line = line_of_record(record("a\0b\ud800"), 7, PLAIN)

        assert line.message == "a\N{SYMBOL FOR NULL}b?"

    def test_a_long_message_is_cut(self) -> None:
        line = line_of_record(record("x" * 100_000), 7, PLAIN)

        assert len(line.message) < 65_000
        assert "36000 characters left out" in line.message

    def test_secrets_are_hidden_before_a_message_is_cut(self) -> None:
        redaction = Redaction()
        redaction.add("s3cret")

        line = line_of_record(record("%s", "x" * 31_997 + "s3cret" + "y" * 40_000), 7, redaction)

        assert "s3c" not in line.message


class TestCalls:
    def test_a_line_without_fields_is_four_items_long(self) -> None:
        assert text_of_call("done", "INFO", {}, 7, PLAIN) == '[7,"INFO","handle","done"]'

    def test_fields_are_json_values(self) -> None:
        given = {
            "rows": 3,
            "part": 0.5,
            "name": "x",
            "last": True,
            "none": None,
            "all": [1, {"a": 2}],
        }

        assert line_of_call("done", "INFO", given, 7, PLAIN).fields == given

    @each_row(
        ("value", "kept"),
        [
            ({1, 2}, "{1, 2}"),
            (float("nan"), "nan"),
            (Mute(), "<Mute>"),
            pytest.param(10**5_000, "<int>", id="more digits than Python makes a text of"),
            (-(2**70), -(2**70)),
            ((1, 2), [1, 2]),
            ("a\0", "a\N{SYMBOL FOR NULL}"),
            ({"k": ["\ud800"]}, {"k": ["?"]}),
            ({1: "\0"}, {"1": "\N{SYMBOL FOR NULL}"}),
        ],
    )
    def test_other_values_are_kept_as_text(self, value: object, kept: object) -> None:
        line = line_of_call("done", "INFO", {"x": value}, 7, PLAIN)

        assert line.fields == {"x": kept}

    def test_a_long_value_is_cut_text(self) -> None:
        line = line_of_call("done", "INFO", {"x": ["y" * 100_000]}, 7, PLAIN)

        assert line.fields is not None
        assert isinstance(line.fields["x"], str)
        assert len(line.fields["x"]) < 65_000

    def test_secrets_are_hidden_in_fields_and_messages(self) -> None:
        redaction = Redaction()
        redaction.add("s3cret")
        fields = {"a": "s3cret", "b": ["s3cret", {"s3cret": "xs3cret"}], "c": {"s3cret"}}

        assert "s3cret" not in str(line_of_call("s3cret", "INFO", fields, 7, redaction))

    def test_secrets_are_hidden_in_names(self) -> None:
        redaction = Redaction()
        redaction.add('s3"cret', "LOUD")
        logger, level = 'app.s3"cret', "LOUD"
        record = logging.LogRecord(logger, 7, "f.py", 1, "done", (), None)
        record.levelname = level

        texts = [
            text_of_record(record, 7, redaction),
            text_of_logged(names_of(level, logger), "done", (), 7, redaction),
            redacted(text_of_record(record, 7, PLAIN), redaction),
        ]

        assert texts == ['[7,"***","app.***","done"]'] * 3

    def test_a_message_may_be_any_object(self) -> None:
        assert line_of_call(12, "INFO", {}, 7, PLAIN).message == "12"
        assert line_of_call(Mute(), "INFO", {}, 7, PLAIN).message == "<Mute>"


def test_names_are_cut_and_clean() -> None:
    given = logging.LogRecord("n" * 300 + "\0", 20, "f.py", 1, 'a "b"\n', (), None)
    given.levelname = "\ud800"

    line = line_of_record(given, 7, PLAIN)

    assert line == Line(7, "?", "n" * 255, 'a "b"\n')


def test_lines_of_others_are_redacted_too() -> None:
    redaction = Redaction()
    redaction.add("s3cret")

    plain = redacted('[7,"INFO","app","a s3cret"]', redaction)
    with_fields = redacted('[7,"INFO","app","s3cret",{"x":["s3cret"]}]', redaction)

    assert plain == '[7,"INFO","app","a ***"]'
    assert with_fields == '[7,"INFO","app","***",{"x":["***"]}]'


def test_many_lines_are_one_text() -> None:
    texts = ['[1,"INFO","app","ü"]', '[2,"INFO","app","x",{"rows":1}]']

    text = joined(texts)

    assert text == f"[{texts[0]},{texts[1]}]"
    assert lines_in(text) == [
        Line(1, "INFO", "app", "ü"),
        Line(2, "INFO", "app", "x", {"rows": 1}),
    ]


@each_row(
    "text",
    [
        "",
        "[",
        "3",
        "[[1]]",
        '{"a": 1}',
        '[["1","INFO","app","a"]]',  # no number
        '[[1,"INFO","app",2]]',
        '["abcd"]',
    ],
)
def test_a_damaged_text_gives_no_line(text: str) -> None:
    assert lines_in(text) == []
