"""Which error of a trigger is kept, and when it is written."""

from __future__ import annotations

from tables import each_row

from cloaca_core.features.triggers.last_error import (
    APART,
    MOST,
    is_to_be_written,
    kept_error,
    told_error,
)
from cloaca_core.values.payloads.redaction import Redaction, unchanged
from cloaca_testing.conformance.rows import NOW, trigger_row


@each_row(
    ("error", "text"),
    [(ValueError("no"), "ValueError: no"), (TimeoutError(), "TimeoutError")],
)
def test_an_error_is_told_by_its_type_and_message(error: Exception, text: str) -> None:
    assert told_error(error) == text


def test_secrets_and_passwords_of_urls_are_hidden_and_a_long_text_is_cut() -> None:
    redact = Redaction()
    redact.add("hunter22")

    text = kept_error("hunter22 postgresql://shop:sesam@db/orders\0", redact)

    assert text == "*** postgresql://shop:***@db/orders\N{SYMBOL FOR NULL}"
    assert kept_error("x" * (MOST + 1), unchanged) == "x" * MOST + "…"
    assert kept_error("x" * MOST, unchanged) == "x" * MOST


@each_row(
    ("text", "after", "written"),
    [
        ("E: no answer at 0x7f3a in 3 s", APART * 9, False),  # the same, numbers aside
        ("E: other", 0, False),
        ("E: other", APART - 1, False),
        ("E: other", APART, True),
        ("E: other", -1, True),  # the clock was set back
    ],
)
def test_an_error_is_written_when_it_is_another_one_and_seldom(
    text: str, after: int, written: bool
) -> None:
    row = trigger_row()._replace(last_error="E: no answer at 0x99 in 12 s", error_at=NOW)

    assert is_to_be_written(row, text, NOW + after) is written


def test_the_first_error_after_a_good_poll_is_written() -> None:
    assert is_to_be_written(trigger_row(), "E", NOW)
