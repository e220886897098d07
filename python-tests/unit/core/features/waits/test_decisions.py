"""A decision is one that its approval asks for, and is told in one form."""

from __future__ import annotations

import json

import pytest
from tables import each_row

from cloaca_core.errors import ConfigError
from cloaca_core.features.waits.decisions import (
    Asked,
    Decided,
    Decision,
    asked_in,
    decided_in,
    refuse_wrong,
)
from cloaca_core.features.waits.records import WaitRow
from cloaca_core.values.payloads.json_schema import Schema
from cloaca_core.values.payloads.json_values import JsonValue
from cloaca_core.values.waits import APPROVAL

NOW = 1_700_000_000_000_000
AMOUNT: Schema = {
    "type": "object",
    "properties": {"amount": {"type": "integer"}},
    "required": ["amount"],
}


def decision(choice: str = "approve", data: JsonValue = None) -> Decision:
    return Decision("signed", choice, "ann", "in time", data)


def asked(*choices: str, schema: Schema | None = None) -> Asked:
    return Asked("Pay?", choices, schema)


def test_its_message_has_who_decided_what_and_when() -> None:
    wait = WaitRow("r", "signed", APPROVAL, "signed", 0, 1, "", NOW, None)
    message = decision(data={"amount": 7}).message("m", wait, NOW)

    assert message[:4] == ("m", "r", APPROVAL, "signed")
    assert (message.dedupe_key, message.sent_by, message.sent_at) == (None, "ann", NOW)
    assert json.loads(message.payload) == {
        "choice": "approve",
        "by": "ann",
        "at": "2023-11-14T22:13:20+00:00",
        "note": "in time",
        "data": {"amount": 7},
    }
    at = "2023-11-14T22:13:20+00:00"
    assert decided_in(message.payload) == Decided("ann", at, "approve", "in time")
    assert message.reason == "signed: approve, in time"
    assert (message.for_task, message.for_item) == ("signed", -1)


def test_the_message_to_an_item_names_it() -> None:
    wait = WaitRow("r", "each", APPROVAL, "signed", 1, 1, "", NOW, None, item=2)
    message = decision().message("m", wait, NOW, "each[north]")

    assert message.reason == "signed: approve, for each[north], in time"
    assert (message.for_task, message.for_item) == ("each", 2)


@each_row(
    ("given", "wanted"),
    [
        (decision(), asked("approve", "reject")),
        (decision("large"), asked("small", "large")),
        (decision(data={"amount": 7}), asked("approve", schema=AMOUNT)),
        (decision(data=[1]), asked("approve")),  # without a schema data are the caller's
        (decision("reject"), asked("approve", "reject", schema=AMOUNT)),
    ],
)
def test_one_that_is_asked_for_passes(given: Decision, wanted: Asked) -> None:
    refuse_wrong(given, wanted)


@each_row(
    ("message", "field", "given", "wanted"),
    [
        (
            "choice must be one of 'small', 'large' for 'signed', got 'approve'",
            "choice",
            decision(),
            asked("small", "large"),
        ),
        (
            "data.amount must be an integer, not a text",
            "data",
            decision(data={"amount": "7"}),
            asked("approve", schema=AMOUNT),
        ),
        (
            "data must be an object, not null",
            "data",
            decision(),
            asked("approve", "reject", schema=AMOUNT),
        ),
        (  # a rejection that has data has the right ones
            "data must have 'amount'",
            "data",
            decision("reject", data={}),
            asked("reject", schema=AMOUNT),
        ),
    ],
)
def test_another_is_refused(message: str, field: str, given: Decision, wanted: Asked) -> None:
    with pytest.raises(ConfigError) as caught:
        refuse_wrong(given, wanted)
    assert (str(caught.value), caught.value.field) == (message, field)


@each_row(
    ("detail", "found"),
    [
        (
            '{"prompt":"Pay?","choices":["a","b"],"schema":{"type":"null"}}',
            Asked("Pay?", ("a", "b"), {"type": "null"}),
        ),
        ('{"prompt":"Pay?","choices":["a"],"schema":null}', Asked("Pay?", ("a",), None)),
        ('{"prompt":7,"choices":[7,"a"],"schema":[]}', Asked("", ("a",), None)),
        ('{"choices":{}}', Asked("", (), None)),
        ("[]", Asked("", (), None)),
        ("{", Asked("", (), None)),
    ],
)
def test_of_a_damaged_row_is_read_what_can_be(detail: str, found: Asked) -> None:
    assert asked_in(detail) == found


@each_row("payload", ["null", "{", '{"by":7,"at":[]}'])
def test_of_another_text_nothing_is_known(payload: str) -> None:
    assert decided_in(payload) == Decided()
