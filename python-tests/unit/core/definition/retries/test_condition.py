"""Which errors are worth another attempt."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tables import each_row

from cloaca_core.definition.retries.condition import (
    ErrorText,
    RetryCondition,
    checked_condition,
    is_one_of,
)
from cloaca_core.errors import (
    DefinitionError,
    DefinitionTypeError,
    StoreFullError,
    StoreUnavailableError,
)


class UnreadableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError


class SlowError(TimeoutError):
    pass


class AsyncJudge:
    """Async, but no ``async def``: what it returns would always be true."""

    async def __call__(self, error: BaseException) -> bool:
        return bool(error.args)


class TestErrorText:
    def test_it_keeps_the_name_of_the_class_and_the_message(self) -> None:
        assert ErrorText.of(ValueError("bad")) == ErrorText("ValueError", "bad")
        assert str(ErrorText("ValueError", "bad")) == "ValueError: bad"

    def test_an_exception_that_cannot_be_read_still_has_a_text(self) -> None:
        assert ErrorText.of(UnreadableError()).type == "UnreadableError"


class TestRetryCondition:
    @each_row("error", [ValueError("x"), SystemExit(1), ErrorText("E", "x")])
    def test_all_errors_and_never(self, error: BaseException | ErrorText) -> None:
        assert RetryCondition.all_errors().matches(error)
        assert not RetryCondition.never().matches(error)

    @each_row(
        "error",
        [
            TimeoutError(),
            SlowError(),
            ConnectionError(),
            BrokenPipeError(),  # a connection error that does not say so
            StoreUnavailableError("no answer"),
            StoreFullError("disk"),
            ValueError("read Timeout"),
            ValueError("CONNECTION reset"),
            ValueError("network down"),
            ValueError("temporary failure"),
            ValueError("service unavailable"),
            ValueError("database is busy"),
            ValueError("overloaded"),
            ValueError("Rate limit exceeded"),
            ErrorText("ReadTimeout", ""),  # the class's name counts
            ErrorText("BrokenPipeError", ""),
            ErrorText("X", "rate limit"),
        ],
    )
    def test_transient_errors(self, error: BaseException | ErrorText) -> None:
        assert RetryCondition.transient_only().matches(error)

    @each_row(
        "error",
        [ValueError("bad"), KeyError("a"), ErrorText("ValueError", "bad"), ErrorText("print", "")],
    )
    def test_other_errors_are_not_transient(self, error: BaseException | ErrorText) -> None:
        assert not RetryCondition.transient_only().matches(error)

    @each_row(
        ("expected", "patterns"),
        [
            (True, ["deadlock"]),
            (True, ["nothing", "DEADLOCK"]),  # one is enough, in any case
            (True, ["valueerror: "]),  # class name and message are one text
            (False, ["nothing"]),
        ],
    )
    def test_a_pattern_is_a_substring_in_any_case(
        self, expected: bool, patterns: list[str]
    ) -> None:
        condition = RetryCondition.error_pattern(patterns)
        assert condition.matches(ValueError("a Deadlock was found")) is expected

    @each_row("patterns", ["text", None, [1]])
    def test_patterns_are_a_list_of_str(self, patterns: list[str]) -> None:
        with pytest.raises(DefinitionTypeError, match="patterns"):
            RetryCondition.error_pattern(patterns)

    @each_row(
        "make",
        [
            lambda: RetryCondition.error_pattern([]),  # would accept no error at all
            lambda: RetryCondition.error_pattern(["a", ""]),  # would accept every error
            lambda: RetryCondition("pattern"),
            lambda: RetryCondition("never", ("a",)),
            lambda: checked_condition("retry_condition", []),
            lambda: checked_condition("retry_condition", ()),
        ],
    )
    def test_a_condition_that_says_nothing_is_a_value_error(
        self, make: Callable[[], object]
    ) -> None:
        with pytest.raises(DefinitionError) as refusal:
            make()
        assert not isinstance(refusal.value, TypeError)

    def test_another_kind_is_refused_with_the_known_ones(self) -> None:
        with pytest.raises(DefinitionError, match='"al": expected one of never, transient, all'):
            RetryCondition("al")  # type: ignore[arg-type] # the point of the test

    def test_conditions_are_values(self) -> None:
        assert RetryCondition.never() == RetryCondition.never()
        assert RetryCondition.never() != RetryCondition.all_errors()
        pattern = RetryCondition.error_pattern(["a"])
        assert pattern == RetryCondition.error_pattern(("a",))
        assert hash(pattern) == hash(RetryCondition.error_pattern(["a"]))

    @each_row(
        "text",
        [
            "RetryCondition.never()",
            "RetryCondition.transient_only()",
            "RetryCondition.all_errors()",
            "RetryCondition.error_pattern(['a', 'b'])",
        ],
    )
    def test_the_repr_is_how_it_was_made(self, text: str) -> None:
        assert repr(eval(text)) == text  # noqa: S307 - the literals above


class TestExceptionClasses:
    @each_row(
        ("expected", "error"),
        [
            (True, KeyError("a")),  # a LookupError
            (True, ErrorText("KeyError", "a")),
            (True, ErrorText("SlowError", "")),  # by the name of the class itself
            (False, ErrorText("UnknownError", "")),
            (False, ValueError()),
        ],
    )
    def test_an_error_is_one_of_them_by_class_or_else_by_name(
        self, expected: bool, error: BaseException | ErrorText
    ) -> None:
        assert is_one_of(error, (LookupError, SlowError)) is expected

    def test_one_class_or_a_list_of_them_becomes_a_tuple(self) -> None:
        assert checked_condition("c", KeyError) == (KeyError,)
        assert checked_condition("c", [KeyError, OSError]) == (KeyError, OSError)

    def test_a_condition_or_a_function_is_kept(self) -> None:
        def judge(error: BaseException) -> bool:
            return bool(error.args)

        assert checked_condition("c", judge) is judge
        assert checked_condition("c", RetryCondition.never()) == RetryCondition.never()

    def test_another_type_is_a_type_error_that_names_the_parameter(self) -> None:
        async def judge(error: BaseException) -> bool:
            return True

        for value in (5, "all", judge, AsyncJudge(), int, [KeyError, 5], [KeyError()]):
            with pytest.raises(DefinitionTypeError, match=r"^c must "):
                checked_condition("c", value)
