"""What a body asks for by ``RetryAfter``, and what it cannot ask for."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tables import each_row

from cloaca_core.definition.retries.retry_after import RetryAfter
from cloaca_core.errors import CloacaError, DefinitionError, DefinitionTypeError


def raised(asked: RetryAfter, cause: BaseException | None) -> RetryAfter:
    """The exception as it leaves ``raise … from cause``."""
    try:
        raise asked from cause
    except RetryAfter as found:
        return found


def test_it_says_when_and_why_and_counts_by_default() -> None:
    cause = ConnectionError("busy")
    asked = RetryAfter(30, cause)

    assert (asked.seconds, asked.cause, asked.count) == (30.0, cause, True)
    assert str(asked) == "try again after 30 s"
    assert isinstance(asked, CloacaError)


def test_a_timedelta_is_a_number_of_seconds() -> None:
    asked = RetryAfter(timedelta(minutes=2), count=False)

    assert (asked.seconds, asked.cause, asked.count) == (120.0, None, False)


def test_a_cause_may_be_given_as_python_does() -> None:
    cause = ConnectionError("busy")

    assert raised(RetryAfter(1), cause).cause is cause
    assert raised(RetryAfter(1, ValueError("another")), cause).cause is cause
    assert raised(RetryAfter(1, cause), None).cause is None


@each_row(
    ("arguments", "message"),
    [
        (("5", None, True), "seconds must be a number of seconds or a timedelta, got str"),
        ((1, "busy", True), "cause must be an exception or None, got str"),
        ((1, ValueError, True), "cause must be an exception or None, got type"),
        ((1, None, 0), "count must be a bool, got int"),
    ],
)
def test_an_argument_of_another_type_is_refused(
    arguments: tuple[object, object, object], message: str
) -> None:
    seconds, cause, count = arguments
    with pytest.raises(DefinitionTypeError, match=f"^{message}$"):
        RetryAfter(seconds, cause, count=count)  # type: ignore[arg-type]  # what is refused


def test_a_delay_below_zero_is_refused() -> None:
    with pytest.raises(DefinitionError, match=r"^seconds must be 0 to 1000000000 seconds, got -1$"):
        RetryAfter(-1)
