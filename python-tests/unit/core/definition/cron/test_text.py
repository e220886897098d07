"""The syntax of cron expressions, and refusals that say what is wrong and where."""

from __future__ import annotations

import pytest
from hypothesis import given
from model.cron_texts import expressions
from tables import each_row

from cloaca_core.definition.cron.text import ALIASES, normal_form
from cloaca_core.errors import CronExpressionError, DefinitionTypeError


@each_row(
    ("normal", "text"),
    [
        ("*/5 9-17 1,15 1-6/2 1-5", "*/5 9-17 1,15 JAN-JUN/2 mon-Fri"),
        ("0 0 * * 5-7", "0 0 * * FRI-SUN"),  # Sunday is 7 where a range ends
        ("0 0 * * 5-7", "0 0 * * 5-0"),
        ("0 0 * * 0-2", "0 0 * * SUN-TUE"),
        ("0 0 * * 5L", "0 0 * * FRIL"),
        ("0 0 * * 1#2,3#1", "0 0 * * MON#2,3#1"),
        ("0 0 L,LW,15W * *", "0 0 l,lw,15w * ?"),
        ("0 0 * * *", "0 0 ? * ?"),
        ("5 7 * * *", "\t05  007 * * * "),
        ("30 0 0 1 1 *", "30 0 0 1 1 *"),  # seconds stay
        ("3/10 * * * *", "3/10 * * * *"),
        ("5 5/2 5 * *", "5-5 5/2 5-5/3 * *"),
    ],
)
def test_there_is_one_way_to_write_it(normal: str, text: str) -> None:
    assert normal_form(text) == normal


@each_row(
    ("meaning", "alias"),
    [
        ("0 0 1 1 *", "@yearly"),
        ("0 0 1 1 *", "@annually"),
        ("0 0 1 * *", "@monthly"),
        ("0 0 * * 0", "@weekly"),
        ("0 0 * * *", "@daily"),
        ("0 0 * * *", "@midnight"),
        ("0 * * * *", "@hourly"),
        ("0 * * * *", " @Hourly "),
    ],
)
def test_an_alias_is_what_it_stands_for(meaning: str, alias: str) -> None:
    assert normal_form(alias) == meaning


@given(expressions())
def test_a_normal_form_is_its_own(text: str) -> None:
    assert normal_form(normal_form(text)) == normal_form(text)


@each_row(
    ("field", "given_term", "text"),
    [
        ("second", "60", "60 * * * * *"),
        ("minute", "61", "61 * * * *"),
        ("minute", "-1", "-1 * * * *"),
        ("minute", "", "1,,2 * * * *"),
        ("minute", "*/0", "*/0 * * * *"),
        ("minute", "*/90", "*/90 * * * *"),  # not every 90 minutes
        ("minute", "30-10", "30-10 * * * *"),
        ("minute", "?", "? * * * *"),
        ("minute", "1/2/3", "1/2/3 * * * *"),
        ("minute", "٣", "٣ * * * *"),
        ("hour", "24", "0 24 * * *"),
        ("hour", "L", "0 L * * *"),
        ("day of month", "0", "0 0 0 * *"),
        ("day of month", "32", "0 0 32 * *"),
        ("day of month", "0W", "0 0 0W * *"),
        ("day of month", "32W", "0 0 32W * *"),
        ("day of month", "1-5W", "0 0 1-5W * *"),
        ("day of month", "L/2", "0 0 L/2 * *"),
        ("day of month", "L-3", "0 0 L-3 * *"),
        ("day of month", "?", "0 0 1,? * *"),
        ("month", "13", "0 0 * 13 *"),
        ("month", "MON", "0 0 * MON *"),
        ("month", "1JAN", "0 0 * 1JAN *"),  # not the eleventh
        ("day of week", "8", "0 0 * * 8"),
        ("day of week", "L", "0 0 * * L"),
        ("day of week", "1#6", "0 0 * * 1#6"),
        ("day of week", "8L", "0 0 * * 8L"),
        ("day of week", "SUN5", "0 0 * * SUN5"),
        ("day of week", "MONDAY", "0 0 * * MONDAY"),
        ("day of week", "\u017fUN", "0 0 * * \u017fUN"),
    ],
)
def test_a_refusal_names_the_field_and_what_it_found(
    field: str, given_term: str, text: str
) -> None:
    with pytest.raises(CronExpressionError) as caught:
        normal_form(text)
    error = caught.value
    assert (error.field, error.given) == (field, given_term)
    assert str(error).startswith(
        f"Invalid cron expression or timezone: {given_term!r} in the {field} field: expected "
    )
    assert isinstance(error, ValueError)


@each_row(
    ("reason", "text"),
    [
        ("'' has 0 fields, expected 5", ""),
        ("'* * * *' has 4 fields, expected 5", "* * * *"),
        ("'* * * * * * *' has 7 fields, expected 5", "* * * * * * *"),
        (f"'@reboot' is none of {', '.join(ALIASES)}", "@reboot"),
        ("1001 characters are too long, at most 1000", "9" * 1001),
    ],
)
def test_what_is_wrong_as_a_whole_is_said(reason: str, text: str) -> None:
    with pytest.raises(CronExpressionError) as caught:
        normal_form(text)
    assert str(caught.value).startswith(f"Invalid cron expression or timezone: {reason}")


def test_another_type_is_a_type_error() -> None:
    with pytest.raises(DefinitionTypeError, match="cron_expression must be a str, got int"):
        normal_form(5)
