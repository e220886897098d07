"""Retry policies: how many attempts, how far apart, and the arguments that say so."""

from __future__ import annotations

import decimal
import math
import pickle
from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import given, strategies as st
from tables import each_row

from cloaca_core.definition.retries.policy import (
    BackoffStrategy,
    ErrorText,
    RetryCondition,
    RetryPolicy,
    RetryPolicyBuilder,
    policy_from_arguments,
)
from cloaca_core.errors import DefinitionError, DefinitionTypeError


def no_draw(low: float, high: float) -> float:
    raise AssertionError("no jitter, no draw")


def delays(policy: RetryPolicy, attempts: int) -> list[int]:
    return [policy.delay_ms(attempt, no_draw) for attempt in range(1, attempts + 1)]


def steady(strategy: BackoffStrategy, *, initial: float = 1.0, cap: float = 60.0) -> RetryPolicy:
    return RetryPolicy(initial_delay=initial, max_delay=cap, with_jitter=False, backoff=strategy)


class TestDelay:
    def test_fixed_is_always_the_initial_delay(self) -> None:
        assert delays(steady(BackoffStrategy.fixed()), 3) == [1000, 1000, 1000]

    def test_linear_grows_with_the_attempt(self) -> None:
        assert delays(steady(BackoffStrategy.linear(2.0)), 3) == [2000, 4000, 6000]

    def test_exponential_grows_with_the_power_of_the_base(self) -> None:
        assert delays(steady(BackoffStrategy.exponential(2.0)), 4) == [1000, 2000, 4000, 8000]

    def test_exponential_takes_a_multiplier_too(self) -> None:
        assert delays(steady(BackoffStrategy.exponential(3, 0.5)), 3) == [500, 1500, 4500]

    def test_no_delay_is_longer_than_the_cap(self) -> None:
        policy = steady(BackoffStrategy.exponential(2.0), cap=5.0)
        assert delays(policy, 5) == [1000, 2000, 4000, 5000, 5000]

    def test_decimal_fractions_are_exact(self) -> None:
        # In binary floats, 1000 * 0.29 * 3 is 869.99… and 1000 * 1.0005 is 1000.49….
        assert steady(BackoffStrategy.linear(0.29)).delay_ms(3, no_draw) == 870
        assert steady(BackoffStrategy.linear(1.0005)).delay_ms(1, no_draw) == 1001

    def test_a_growth_beyond_all_numbers_is_the_cap(self) -> None:
        policy = steady(BackoffStrategy.exponential(10.0))
        assert policy.delay_ms(10**9, no_draw) == 60_000

    def test_no_delay_stays_no_delay(self) -> None:
        for strategy in (BackoffStrategy.exponential(10.0), BackoffStrategy.linear(5.0)):
            assert steady(strategy, initial=0).delay_ms(10**9, no_draw) == 0
        assert steady(BackoffStrategy.exponential(10.0, 0)).delay_ms(10**9, no_draw) == 0

    def test_half_a_millisecond_is_rounded_up(self) -> None:
        assert steady(BackoffStrategy.fixed(), initial=0.0015).delay_ms(1, no_draw) == 2

    def test_a_decimal_context_of_the_user_changes_nothing(self) -> None:
        with decimal.localcontext() as context:
            context.prec = 1
            context.traps[decimal.Inexact] = True
            assert steady(BackoffStrategy.linear(1.234)).delay_ms(3, no_draw) == 3702

    @given(
        initial_ms=st.integers(0, 10**7),
        cap_ms=st.integers(0, 10**8),
        hundredths=st.integers(0, 1000),
        base_tenths=st.integers(1, 50),
        attempt=st.integers(1, 40),
    )
    def test_it_is_the_formula_in_exact_fractions_rounded(
        self, initial_ms: int, cap_ms: int, hundredths: int, base_tenths: int, attempt: int
    ) -> None:
        strategy = BackoffStrategy.exponential(base_tenths / 10, hundredths / 100)
        policy = steady(strategy, initial=initial_ms / 1000, cap=cap_ms / 1000)
        exact = initial_ms * Fraction(hundredths, 100) * Fraction(base_tenths, 10) ** (attempt - 1)
        expected = math.floor(min(exact, Fraction(cap_ms)) + Fraction(1, 2))
        assert policy.delay_ms(attempt, no_draw) == expected


class TestJitter:
    @each_row(("expected", "draw"), [(750, 0.75), (1000, 1.0), (1250, 1.25)])
    def test_it_multiplies_the_delay_by_the_draw(self, expected: int, draw: float) -> None:
        assert RetryPolicy().delay_ms(1, lambda _low, _high: draw) == expected

    def test_it_draws_a_quarter_to_either_side(self) -> None:
        asked = []

        def uniform(low: float, high: float) -> float:
            asked.append((low, high))
            return 1.0

        RetryPolicy().delay_ms(1, uniform)
        assert asked == [(0.75, 1.25)]

    def test_it_comes_after_the_cap(self) -> None:
        policy = RetryPolicy(max_delay=1.0)
        assert policy.delay_ms(9, lambda _low, high: high) == 1250

    @given(st.integers(1, 20))
    def test_a_public_delay_is_seconds_within_a_quarter(self, attempt: int) -> None:
        delay = min(2.0 ** (attempt - 1), 60.0)
        assert 0.75 * delay <= RetryPolicy().calculate_delay(attempt) <= 1.25 * delay

    def test_without_jitter_a_public_delay_is_the_same_each_time(self) -> None:
        assert steady(BackoffStrategy.exponential(2.0)).calculate_delay(3) == 4.0


class TestRetries:
    @each_row(
        ("attempts_made", "max_attempts"),
        [(1, 0), (1, 1), (2, 2), (3, 3)],  # 0 and 1 both mean one
    )
    def test_attempts_are_counted_in_total(self, attempts_made: int, max_attempts: int) -> None:
        policy = RetryPolicy(max_attempts=max_attempts)
        error = ValueError()
        made = 1
        while policy.retries(made, error):
            made += 1
        assert made == attempts_made

    def test_the_condition_is_asked(self) -> None:
        policy = RetryPolicy(condition=RetryCondition.transient_only())
        assert policy.retries(1, TimeoutError())
        assert not policy.retries(1, ValueError("bad"))

    def test_exception_classes_are_a_condition(self) -> None:
        policy = RetryPolicy(condition=(OSError,))
        assert policy.retries(1, ConnectionError())
        assert policy.retries(1, ErrorText("ConnectionError", ""))
        assert not policy.retries(1, ValueError())

    def test_a_function_is_a_condition_for_exceptions_but_not_for_text(self) -> None:
        policy = RetryPolicy(condition=lambda error: "again" in str(error))
        assert policy.retries(1, ValueError("try again"))
        assert not policy.retries(1, ValueError("stop"))
        assert not policy.retries(1, ErrorText("ValueError", "try again"))

    def test_what_the_function_raises_passes_through(self) -> None:
        def judge(error: BaseException) -> bool:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            RetryPolicy(condition=judge).retries(1, ValueError())

    def test_the_public_question_takes_the_name_of_the_error(self) -> None:
        policy = RetryPolicy(condition=RetryCondition.transient_only())
        assert policy.should_retry(1, "TimeoutError")
        assert not policy.should_retry(3, "TimeoutError")
        assert not policy.should_retry(1, "ValueError")

    @each_row(
        "ask",
        [
            lambda p: p.should_retry("1", "E"),
            lambda p: p.should_retry(1, ValueError),
            lambda p: p.calculate_delay(1.5),
        ],
    )
    def test_another_type_is_a_type_error(self, ask: Callable[[RetryPolicy], object]) -> None:
        with pytest.raises(DefinitionTypeError):
            ask(RetryPolicy.default())

    def test_there_is_no_attempt_before_the_first(self) -> None:
        with pytest.raises(DefinitionError, match="attempt must be at least 0"):
            RetryPolicy.default().calculate_delay(-1)


class TestPolicy:
    def test_the_default(self) -> None:
        policy = RetryPolicy.default()
        assert policy.max_attempts == 3
        assert policy.initial_delay == 1.0
        assert policy.max_delay == 60.0
        assert policy.with_jitter is True
        assert policy.backoff == BackoffStrategy.exponential(2.0)
        assert policy.condition == RetryCondition.all_errors()

    def test_the_builder_sets_each_part(self) -> None:
        policy = (
            RetryPolicy.builder()
            .max_attempts(5)
            .initial_delay(2)
            .max_delay(30.5)
            .backoff_strategy(BackoffStrategy.linear(1.5))
            .retry_condition(RetryCondition.never())
            .with_jitter(False)
            .build()
        )
        assert policy == RetryPolicy(
            max_attempts=5,
            initial_delay=2.0,
            max_delay=30.5,
            with_jitter=False,
            backoff=BackoffStrategy.linear(1.5),
            condition=RetryCondition.never(),
        )
        assert type(policy.initial_delay) is float

    def test_each_step_is_a_new_builder(self) -> None:
        first = RetryPolicy.builder().max_attempts(5)
        first.max_attempts(7)
        assert first.build().max_attempts == 5

    def test_policies_are_values(self) -> None:
        policy = RetryPolicy.builder().max_attempts(5).build()
        assert policy == RetryPolicy.builder().max_attempts(5).build()
        assert policy != RetryPolicy.default()
        assert hash(policy) == hash(RetryPolicy(max_attempts=5))
        assert pickle.loads(pickle.dumps(policy)) == policy  # noqa: S301 - our own bytes

    def test_the_repr_begins_with_the_attempts(self) -> None:
        assert repr(RetryPolicy.default()) == (
            "RetryPolicy(max_attempts=3, initial_delay=1.0, max_delay=60.0, with_jitter=True, "
            "backoff=BackoffStrategy.exponential(2.0, 1.0), condition=RetryCondition.all_errors())"
        )

    @each_row(
        "step",
        [
            lambda b: b.max_attempts(-1),
            lambda b: b.initial_delay(-0.1),
            lambda b: b.initial_delay(math.nan),
            lambda b: b.max_delay(math.inf),
            lambda b: b.max_delay(10.0**10),  # over 300 years
        ],
    )
    def test_an_unacceptable_value_is_a_value_error(
        self, step: Callable[[RetryPolicyBuilder], object]
    ) -> None:
        with pytest.raises(DefinitionError, match=r"^(max_attempts|initial_delay|max_delay) must"):
            step(RetryPolicy.builder())

    @each_row(
        "step",
        [
            lambda b: b.max_attempts("3"),
            lambda b: b.max_attempts(True),
            lambda b: b.initial_delay("1s"),
            lambda b: b.with_jitter(1),
            lambda b: b.backoff_strategy("linear"),
            lambda b: b.retry_condition("all"),
        ],
    )
    def test_an_unsupported_type_is_a_type_error(
        self, step: Callable[[RetryPolicyBuilder], object]
    ) -> None:
        with pytest.raises(DefinitionTypeError, match="must be a"):
            step(RetryPolicy.builder())


class TestBackoffStrategy:
    def test_the_multiplier_of_exponential_defaults_to_one(self) -> None:
        assert BackoffStrategy.exponential(2.0) == BackoffStrategy.exponential(2.0, 1.0)
        assert BackoffStrategy.exponential(2.0, None) == BackoffStrategy.exponential(2, 1)

    def test_strategies_are_values(self) -> None:
        assert BackoffStrategy.fixed() == BackoffStrategy.fixed()
        assert BackoffStrategy.linear(1.0) != BackoffStrategy.linear(2.0)
        assert len({BackoffStrategy.fixed(), BackoffStrategy.fixed()}) == 1

    @each_row(
        "text",
        [
            "BackoffStrategy.fixed()",
            "BackoffStrategy.linear(1.5)",
            "BackoffStrategy.exponential(2.0, 0.5)",
        ],
    )
    def test_the_repr_is_how_it_was_made(self, text: str) -> None:
        assert repr(eval(text)) == text  # noqa: S307 - the literals above

    def test_another_kind_is_refused_with_the_known_ones(self) -> None:
        with pytest.raises(
            DefinitionError, match='"expo": expected one of fixed, linear, exponential'
        ):
            BackoffStrategy("expo")  # type: ignore[arg-type] # the point of the test
        with pytest.raises(DefinitionTypeError, match="kind must be a str, got int"):
            BackoffStrategy(2)  # type: ignore[arg-type] # the point of the test

    def test_what_is_made_by_hand_is_checked_too(self) -> None:
        with pytest.raises(DefinitionError, match="multiplier must be a finite number"):
            BackoffStrategy("linear", -1)
        with pytest.raises(DefinitionError, match="base must be greater than 0"):
            BackoffStrategy("exponential", base=0)

    def test_numbers_that_make_no_delay_are_refused(self) -> None:
        with pytest.raises(DefinitionError, match="multiplier must be a finite number"):
            BackoffStrategy.linear(-1.0)
        with pytest.raises(DefinitionError, match="base must be greater than 0"):
            BackoffStrategy.exponential(0)
        with pytest.raises(DefinitionTypeError, match="base must be a number, got str"):
            BackoffStrategy.exponential("2")  # type: ignore[arg-type] # the point of the test


class TestArguments:
    def test_none_means_the_default(self) -> None:
        assert policy_from_arguments() == RetryPolicy.default()

    def test_each_argument_is_a_part_of_the_policy(self) -> None:
        policy = policy_from_arguments(
            retry_attempts=5,
            retry_backoff="linear",
            retry_delay_ms=1500,
            retry_max_delay_ms=30_000,
            retry_condition="transient",
            retry_jitter=False,
        )
        assert policy == RetryPolicy(
            max_attempts=5,
            initial_delay=1.5,
            max_delay=30.0,
            with_jitter=False,
            backoff=BackoffStrategy.linear(1.0),
            condition=RetryCondition.transient_only(),
        )

    @each_row(
        ("strategy", "name"),
        [
            (BackoffStrategy.fixed(), "fixed"),
            (BackoffStrategy.linear(1.0), "linear"),
            (BackoffStrategy.exponential(2.0), "exponential"),
        ],
    )
    def test_the_names_of_backoffs(self, strategy: BackoffStrategy, name: str) -> None:
        assert policy_from_arguments(retry_backoff=name).backoff == strategy

    @each_row(
        ("condition", "given_condition"),
        [
            (RetryCondition.never(), "never"),
            (RetryCondition.transient_only(), "transient"),
            (RetryCondition.all_errors(), "all"),
            (RetryCondition.error_pattern(["x"]), RetryCondition.error_pattern(["x"])),
            ((OSError,), OSError),
            ((OSError, KeyError), [OSError, KeyError]),
            (callable, callable),  # any function
        ],
    )
    def test_the_forms_of_conditions(self, condition: object, given_condition: object) -> None:
        assert policy_from_arguments(retry_condition=given_condition).condition == condition

    def test_retry_is_the_policy(self) -> None:
        policy = RetryPolicy(max_attempts=9)
        assert policy_from_arguments(retry=policy) is policy

    def test_retry_excludes_the_others_and_names_them(self) -> None:
        with pytest.raises(DefinitionError, match=r"retry_attempts, retry_jitter, not both\.$"):
            policy_from_arguments(retry=RetryPolicy.default(), retry_attempts=2, retry_jitter=False)

    def test_a_builder_is_no_policy_yet(self) -> None:
        with pytest.raises(
            DefinitionTypeError,
            match=r"retry must be a RetryPolicy, got RetryPolicyBuilder; call its build\(\)",
        ):
            policy_from_arguments(retry=RetryPolicy.builder())

    @each_row(
        ("message", "arguments"),
        [
            (
                'unknown retry_backoff "zzz": expected one of fixed, linear, exponential',
                {"retry_backoff": "zzz"},
            ),
            (
                'unknown retry_condition "zzz": expected one of never, transient, all',
                {"retry_condition": "zzz"},
            ),
            ("retry_attempts must be at least 0, got -1", {"retry_attempts": -1}),
            ("retry_delay_ms must be at least 0, got -5", {"retry_delay_ms": -5}),
            (
                "retry_max_delay_ms must be at most 1000000000000, got 1000000000001",
                {"retry_max_delay_ms": 10**12 + 1},
            ),
        ],
    )
    def test_an_unacceptable_value_is_a_value_error(
        self, message: str, arguments: dict[str, object]
    ) -> None:
        with pytest.raises(DefinitionError) as caught:
            policy_from_arguments(**arguments)
        assert str(caught.value) == message
        assert isinstance(caught.value, ValueError)

    @each_row(
        "argument",
        [
            "retry",
            "retry_attempts",
            "retry_backoff",
            "retry_delay_ms",
            "retry_max_delay_ms",
            "retry_condition",
            "retry_jitter",
        ],
    )
    def test_an_unsupported_type_is_a_type_error(self, argument: str) -> None:
        with pytest.raises(DefinitionTypeError, match=f"^{argument} must be a"):
            policy_from_arguments(**{argument: 1.5})
