"""Exceptions become outcomes, also those that fail when their attributes are read."""

from __future__ import annotations

import os
import warnings
from typing import NoReturn

import pytest
from tables import each_row

from cloaca_core.definition.retries.policy import RetryCondition, RetryPolicy
from cloaca_core.definition.retries.retry_after import RetryAfter
from cloaca_core.engine.execute.outcome import Raised, judged, raised
from cloaca_core.values.text import MAX_TEXT

POLICY = RetryPolicy.builder().max_attempts(3).build()


def caught(error: BaseException) -> BaseException:
    """The exception as it comes out of a body."""
    try:
        raise error
    except BaseException as found:
        return found


class HostileError(Exception):
    def __str__(self) -> str:
        raise SystemExit(3)


class HostileText(str):
    __slots__ = ()

    def __getattribute__(self, name: str) -> NoReturn:
        raise SystemExit(3)

    def __format__(self, spec: str) -> NoReturn:
        raise SystemExit(3)


class OddlyWordedError(Exception):
    def __str__(self) -> str:
        return HostileText("bad")


class Nameless(type):
    def __getattribute__(cls, name: str) -> object:
        if name in ("__name__", "__qualname__", "__module__"):
            raise SystemExit(3)
        return super().__getattribute__(name)


class NamelessError(Exception, metaclass=Nameless):
    pass


class TracelessError(Exception):
    @property
    def __traceback__(self) -> NoReturn:  # type: ignore[override]  # that is the point
        raise SystemExit(3)


class ClasslessError(Exception):
    @property  # type: ignore[misc]  # object's can be written
    def __class__(self) -> NoReturn:  # type: ignore[override]  # that is the point
        raise SystemExit(3)


class MutelyFailingError(Exception):
    def __str__(self) -> str:
        raise NamelessError


def with_condition(condition: object) -> RetryPolicy:
    builder = RetryPolicy.builder().max_attempts(3)
    return builder.retry_condition(condition).build()  # type: ignore[arg-type]  # what tests give


def judgement(policy: RetryPolicy, attempt: int, error: BaseException) -> Raised:
    return judged(policy, attempt, error, who="run r", ids={"run_id": "r"}, redact=hidden)


def hidden(text: str) -> str:
    return text.replace("s3cret", "***")


class TestRaised:
    def test_it_has_type_message_and_traceback(self) -> None:
        outcome = raised(caught(ValueError("bad")), again=False)

        assert (outcome.type, outcome.message) == ("ValueError", "bad")
        assert outcome.traceback.startswith("Traceback (most recent call last):\n")
        assert outcome.traceback.endswith("ValueError: bad\n")
        assert str(outcome) == "ValueError: bad"

    def test_frames_of_ours_are_left_out(self) -> None:
        outcome = raised(caught(ValueError("bad")), again=False, skip_frames=1)

        assert "in caught" not in outcome.traceback

    def test_what_no_database_takes_is_replaced(self) -> None:
        outcome = raised(caught(ValueError("nul \0 and \ud800")), again=False)

        assert outcome.message == "nul \N{SYMBOL FOR NULL} and ?"
        outcome.traceback.encode()

    def test_a_long_message_is_cut_in_the_middle(self) -> None:
        outcome = raised(caught(ValueError("x" * MAX_TEXT * 2)), again=False)

        assert len(outcome.message) < MAX_TEXT + 100
        assert "characters left out" in outcome.message

    def test_secrets_are_hidden_in_the_message_and_in_the_whole_traceback(self) -> None:
        cause = caught(LookupError("by s3cret"))
        error = caught(ValueError("bad s3cret"))
        error.__cause__ = cause
        error.add_note("see s3cret")

        outcome = raised(error, again=False, redact=hidden)

        assert outcome.message == "bad ***"
        assert "LookupError: by ***" in outcome.traceback
        assert "s3cret" not in str(outcome) + outcome.traceback

    def test_secrets_are_hidden_in_the_name_of_the_class(self) -> None:
        kind = type("Tells_s3cret", (ValueError,), {})

        outcome = raised(caught(kind("bad")), again=False, redact=hidden)

        assert outcome.type == "Tells_***"
        assert "s3cret" not in outcome.traceback

    def test_secrets_are_hidden_before_a_long_text_is_cut(self) -> None:
        at_the_cut = "x" * (MAX_TEXT // 2 - 3) + "s3cret" + "x" * MAX_TEXT

        outcome = raised(caught(ValueError(at_the_cut)), again=False, redact=hidden)

        assert "s3c" not in outcome.message + outcome.traceback

    def test_an_exception_that_cannot_be_shown_is_still_one(self) -> None:
        outcome = raised(caught(HostileError()), again=False)

        assert outcome.type == "HostileError"
        assert outcome.message == "<its __str__ raised SystemExit>"

    @each_row(
        ("error", "shown"),
        [
            (OddlyWordedError(), "OddlyWordedError: bad"),
            (NamelessError("bad"), "NamelessError: bad"),
            (TracelessError("bad"), "TracelessError: bad"),
            (MutelyFailingError(), "MutelyFailingError: <its __str__ raised NamelessError>"),
        ],
    )
    def test_nothing_that_it_does_when_it_is_looked_at_comes_out(
        self, error: Exception, shown: str
    ) -> None:
        outcome = raised(error, again=False, skip_frames=1)

        assert str(outcome) == shown
        assert {type(each) for each in (outcome.type, outcome.message, outcome.traceback)} == {str}


class TestJudged:
    @each_row(("attempt", "again"), [(1, True), (2, True), (3, False)])
    def test_the_policy_decides_about_another_attempt(self, attempt: int, again: bool) -> None:
        assert judgement(POLICY, attempt, ValueError()).again is again

    def test_a_condition_of_the_user_is_asked(self) -> None:
        policy = with_condition(lambda error: isinstance(error, KeyError))

        assert judgement(policy, 1, KeyError()).again
        assert not judgement(policy, 1, ValueError()).again

    @pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt])
    def test_a_condition_that_raises_counts_as_no_and_is_logged(
        self, error: type[BaseException], caplog: pytest.LogCaptureFixture
    ) -> None:
        def condition(_: BaseException) -> bool:
            raise error

        outcome = judgement(with_condition(condition), 1, KeyError("x"))

        assert outcome == Raised("KeyError", "'x'", "KeyError: 'x'\n", again=False)
        (record,) = caplog.records
        assert record.getMessage() == "run r: the retry condition raised; no further attempt"
        assert record.__dict__["run_id"] == "r"

    def test_never_is_never(self) -> None:
        assert not judgement(with_condition(RetryCondition.never()), 1, OSError()).again

    def test_an_error_whose_class_raises_when_it_is_asked_for_fails_the_attempt(self) -> None:
        assert judgement(POLICY, 1, ClasslessError()).again is False

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
    def test_a_condition_that_comes_back_in_a_forked_child_ends_that_child(self) -> None:
        pids: list[int] = []

        def fork(error: BaseException) -> bool:
            pids.append(os.fork())
            return True

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 warns with threads
            outcome = judgement(with_condition(fork), 1, ValueError("bad"))
        (pid,) = pids
        if pid == 0:
            os._exit(99)  # it has left

        assert outcome.again
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


class TestRetryAfter:
    """A body that asks for another attempt is given one while the task has attempts left."""

    @each_row(
        ("attempt", "count", "again"),
        [
            (2, True, True),
            (3, True, False),  # the last of three
            (3, False, True),
            (99, False, True),
        ],
    )
    def test_the_policy_decides_only_by_the_attempts_that_count(
        self, attempt: int, count: bool, again: bool
    ) -> None:
        policy = with_condition(RetryCondition.never())
        outcome = judgement(policy, attempt, caught(RetryAfter(90, count=count)))

        assert (outcome.again, outcome.counts) == (again, count)
        assert outcome.after == (90.0 if again else None)

    def test_its_error_is_the_cause_and_its_traceback_shows_both(self) -> None:
        outcome = judgement(POLICY, 1, caught(RetryAfter(1, caught(ConnectionError("busy")))))

        assert str(outcome) == "ConnectionError: busy"
        assert "ConnectionError: busy\n\nThe above exception was the direct" in outcome.traceback
        assert outcome.traceback.endswith("RetryAfter: try again after 1 s\n")

    def test_without_a_cause_the_error_is_its_own(self) -> None:
        assert str(judgement(POLICY, 3, RetryAfter(1))) == "RetryAfter: try again after 1 s"

    def test_other_errors_ask_for_nothing(self) -> None:
        outcome = judgement(POLICY, 1, ValueError("bad"))

        assert (outcome.again, outcome.after, outcome.counts) == (True, None, True)
