"""The errors behind that of a body are answered, too."""

from __future__ import annotations

from unit.core.features.executors.remote.bodies import NotFoundError

from cloaca_core.definition.retries.retry_after import RetryAfter
from cloaca_core.features.executors.remote.answer import RemoteError
from cloaca_core.features.executors.remote.worker_error import MOST_BEHIND, answer_of


def behind(error: BaseException) -> list[tuple[str, bool]]:
    """The texts of those behind it, and whether each is a cause."""
    answer = answer_of(error)
    return [(RemoteError.from_json(each.error).message, each.is_cause) for each in answer.behind]


def chain(length: int) -> Exception:
    """As many errors, each the cause of the next."""
    error = Exception("0")
    for number in range(1, length):
        last, error = error, Exception(str(number))
        error.__cause__ = last
    return error


def test_causes_and_what_was_handled_are() -> None:
    error, cause, handled = ValueError("error"), OSError("cause"), KeyError("handled")
    error.__cause__, error.__context__, cause.__context__ = cause, TypeError("other"), handled

    assert behind(error) == [("cause", True), ("'handled'", False)]


def test_what_is_suppressed_is_not() -> None:
    error = ValueError("error")
    error.__context__, error.__suppress_context__ = OSError("handled"), True

    assert behind(error) == []


def test_those_of_a_wish_for_another_attempt_are_behind_its_cause() -> None:
    cause = ValueError("busy")
    cause.__cause__ = OSError("disk")

    assert behind(RetryAfter(1.0, cause)) == [("disk", True)]


def test_one_without_a_pickle_is_told_by_its_class() -> None:
    error = ValueError("error")
    error.__cause__ = NotFoundError("users", "7")
    (cause,) = answer_of(error).behind

    assert cause.pickled is None
    assert isinstance(RemoteError.from_json(cause.error).exception(None), NotFoundError)


def test_of_very_many_the_nearest_are() -> None:
    texts = [text for text, _ in behind(chain(MOST_BEHIND + 2))]

    assert texts == [str(number) for number in range(MOST_BEHIND, 0, -1)]


def test_one_that_is_behind_itself_is_told_once() -> None:
    error, other = ValueError("error"), OSError("other")
    error.__context__, other.__context__ = other, error

    assert behind(error) == [("other", False)]
