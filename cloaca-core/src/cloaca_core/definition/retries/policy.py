"""Retry policy: decides whether another attempt follows a failed one, and after how long.

A policy is a value: it neither sleeps nor counts, and its caller passes the source of randomness.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, assert_never

from cloaca_core.definition.retries.condition import (
    Condition,
    ErrorText,
    RetryCondition,
    checked_condition,
    is_one_of,
)
from cloaca_core.errors import DefinitionError, DefinitionTypeError
from cloaca_core.values.arguments import (
    above_zero,
    flag,
    number,
    one_of,
    shown_number,
    text,
    whole,
    wrong_type,
)
from cloaca_core.values.times.durations import LONGEST

if TYPE_CHECKING:
    from decimal import Context, Decimal

__all__ = [
    "BackoffStrategy",
    "Condition",
    "ErrorText",
    "RetryCondition",
    "RetryPolicy",
    "RetryPolicyBuilder",
    "policy_from_arguments",
]

# -- backoff -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, repr=False)
class BackoffStrategy:
    """Growth of the delay by attempt. Made by ``fixed``, ``linear``, ``exponential``.

    Multipliers are finite numbers of at least 0, a base is above 0: ValueError otherwise.
    """

    kind: Literal["fixed", "linear", "exponential"]
    multiplier: float = 1.0
    base: float = 2.0

    def __post_init__(self) -> None:
        one_of("kind", self.kind, dict.fromkeys(("fixed", "linear", "exponential")))
        object.__setattr__(self, "multiplier", number("multiplier", self.multiplier))
        object.__setattr__(self, "base", above_zero("base", self.base))

    @staticmethod
    def fixed() -> BackoffStrategy:
        """Always the initial delay."""
        return BackoffStrategy("fixed")

    @staticmethod
    def linear(multiplier: float) -> BackoffStrategy:
        """initial delay · attempt · ``multiplier``."""
        return BackoffStrategy("linear", multiplier)

    @staticmethod
    def exponential(base: float, multiplier: float | None = None) -> BackoffStrategy:
        """initial delay · ``multiplier`` (1.0 when None) · ``base`` ** (attempt - 1)."""
        factor = 1.0 if multiplier is None else multiplier
        return BackoffStrategy("exponential", factor, base)

    def __repr__(self) -> str:
        match self.kind:
            case "fixed":
                return "BackoffStrategy.fixed()"
            case "linear":
                return f"BackoffStrategy.linear({self.multiplier})"
            case "exponential":
                return f"BackoffStrategy.exponential({self.base}, {self.multiplier})"
            case _:
                assert_never(self.kind)

    def growth(self, attempt: int) -> Decimal:
        """The factor of initial delay times ``multiplier``; infinite if too large."""
        match self.kind:
            case "fixed":
                return _decimal(1)
            case "linear":
                return _decimal(attempt)
            case "exponential":
                return _exact().power(_decimal(self.base), attempt - 1)
            case _:
                assert_never(self.kind)


# -- policy --------------------------------------------------------------------------------------

_DEFAULT_BACKOFF: Final = BackoffStrategy("exponential")
_DEFAULT_CONDITION: Final = RetryCondition("all")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Number of attempts of a task, the errors that are retried, and the delays between.

    ``max_attempts`` counts the first attempt too (0 and 1 mean one); ``initial_delay`` and
    ``max_delay`` are seconds; ``with_jitter`` spreads each delay by ±25 %. ``condition`` is a
    RetryCondition, exception classes, or a function of the exception that returns a bool.
    """

    max_attempts: int = 3
    initial_delay: float = 1.0
    max_delay: float = 60.0
    with_jitter: bool = True
    backoff: BackoffStrategy = _DEFAULT_BACKOFF
    condition: Condition = _DEFAULT_CONDITION

    def __post_init__(self) -> None:
        whole("max_attempts", self.max_attempts)
        flag("with_jitter", self.with_jitter)
        if not isinstance(self.backoff, BackoffStrategy):
            raise wrong_type("backoff", "a BackoffStrategy", self.backoff)
        plain = {
            "initial_delay": _seconds("initial_delay", self.initial_delay),
            "max_delay": _seconds("max_delay", self.max_delay),
            "condition": checked_condition("condition", self.condition),
        }
        for name, value in plain.items():
            object.__setattr__(self, name, value)

    @staticmethod
    def builder() -> RetryPolicyBuilder:
        """A builder that starts from ``default()``."""
        return RetryPolicyBuilder()

    @staticmethod
    def default() -> RetryPolicy:
        """Three attempts, after 1 s and 2 s with jitter, on every error."""
        return RetryPolicy()

    def should_retry(self, attempt: int, error_type: str) -> bool:
        """True when another attempt follows ``attempt`` (from 1) that failed with this error.

        ``error_type`` is the name of the exception's class, or any text about it. A function as
        condition cannot judge a text: the answer is then False.
        """
        text("error_type", error_type)
        return self.retries(whole("attempt", attempt), ErrorText(error_type, ""))

    def calculate_delay(self, attempt: int) -> float:
        """Seconds between ``attempt`` (from 1) and the next one; with jitter, a random draw."""
        return self.delay_ms(whole("attempt", attempt), random.uniform) / 1000

    def retries(self, attempt: int, error: BaseException | ErrorText) -> bool:
        """True when another attempt follows ``attempt`` (from 1) that failed with ``error``.

        An exception raised by a condition function passes through.
        """
        return attempt < self.max_attempts and self._accepts(error)

    def _accepts(self, error: BaseException | ErrorText) -> bool:
        if isinstance(self.condition, RetryCondition):
            return self.condition.matches(error)
        if isinstance(self.condition, tuple):
            return is_one_of(error, self.condition)
        return isinstance(error, BaseException) and bool(self.condition(error))

    def delay_ms(self, attempt: int, uniform: Callable[[float, float], float]) -> int:
        """Whole milliseconds between ``attempt`` (from 1) and the next one.

        The backoff's delay, then the cap, then the jitter: ``uniform(0.75, 1.25)`` times that.
        """
        delay = int(_exact().to_integral_value(self._capped_ms(attempt)))
        return round(delay * uniform(0.75, 1.25)) if self.with_jitter else delay

    def _capped_ms(self, attempt: int) -> Decimal:
        exact = _exact()
        start = exact.multiply(_ms(self.initial_delay), _decimal(self.backoff.multiplier))
        if start == 0:
            return start  # and not 0 times an infinite growth
        return min(exact.multiply(start, self.backoff.growth(attempt)), _ms(self.max_delay))


@dataclass(frozen=True, slots=True)
class RetryPolicyBuilder:
    """Makes a RetryPolicy step by step; every step returns a new builder.

    Each step checks its argument and raises ValueError or TypeError.
    """

    _policy: RetryPolicy = field(default_factory=RetryPolicy)

    def max_attempts(self, attempts: int) -> RetryPolicyBuilder:
        """Set the number of attempts, the first one included; 0 and 1 mean one."""
        return self._with(max_attempts=attempts)

    def initial_delay(self, delay_seconds: float) -> RetryPolicyBuilder:
        """Set the seconds before the second attempt."""
        return self._with(initial_delay=delay_seconds)

    def max_delay(self, delay_seconds: float) -> RetryPolicyBuilder:
        """Set the longest delay in seconds, before jitter."""
        return self._with(max_delay=delay_seconds)

    def backoff_strategy(self, strategy: BackoffStrategy) -> RetryPolicyBuilder:
        """Set how the delay grows."""
        return self._with(backoff=strategy)

    def retry_condition(
        self,
        condition: RetryCondition
        | type[BaseException]
        | Sequence[type[BaseException]]
        | Callable[[BaseException], bool],
    ) -> RetryPolicyBuilder:
        """Set which errors are retried: a RetryCondition, exception classes, or a function of the
        exception (not async) that returns a bool.
        """
        return self._with(condition=condition)

    def with_jitter(self, jitter: bool) -> RetryPolicyBuilder:
        """Set whether each delay is spread by ±25 %."""
        return self._with(with_jitter=jitter)

    def build(self) -> RetryPolicy:
        """Return the policy."""
        return self._policy

    def _with(self, **change: Any) -> RetryPolicyBuilder:
        return RetryPolicyBuilder(replace(self._policy, **change))


# -- @task's retry arguments ---------------------------------------------------------------------

_BACKOFFS: Final = {
    "fixed": BackoffStrategy("fixed"),
    "linear": BackoffStrategy("linear"),
    "exponential": BackoffStrategy("exponential"),
}
_CONDITIONS: Final = {
    "never": RetryCondition("never"),
    "transient": RetryCondition("transient"),
    "all": RetryCondition("all"),
}


def policy_from_arguments(
    *,
    retry: object = None,
    retry_attempts: object = None,
    retry_backoff: object = None,
    retry_delay_ms: object = None,
    retry_max_delay_ms: object = None,
    retry_condition: object = None,
    retry_jitter: object = None,
) -> RetryPolicy:
    """Make the policy from these arguments of ``@task``; None means the default.

    ``retry`` excludes the others. ValueError or TypeError naming the argument.
    """
    given = {
        name: value
        for name, value in (
            ("retry_attempts", retry_attempts),
            ("retry_backoff", retry_backoff),
            ("retry_delay_ms", retry_delay_ms),
            ("retry_max_delay_ms", retry_max_delay_ms),
            ("retry_condition", retry_condition),
            ("retry_jitter", retry_jitter),
        )
        if value is not None
    }
    if retry is not None:
        return _whole_policy(retry, given)
    return RetryPolicy(**dict(_ARGUMENTS[name](name, value) for name, value in given.items()))


def _whole_policy(retry: object, given: dict[str, object]) -> RetryPolicy:
    if not isinstance(retry, RetryPolicy):
        hint = "; call its build()" if isinstance(retry, RetryPolicyBuilder) else ""
        raise DefinitionTypeError(f"retry must be a RetryPolicy, got {type(retry).__name__}{hint}")
    if given:
        names = ", ".join(given)
        raise DefinitionError(f"give either retry=RetryPolicy or {names}, not both.")
    return retry


def _condition_named(name: str, value: object) -> Condition:
    if isinstance(value, str):
        return one_of(name, value, _CONDITIONS)
    return checked_condition(name, value)


_Argument: TypeAlias = Callable[[str, object], tuple[str, Any]]
_ARGUMENTS: Final[dict[str, _Argument]] = {
    "retry_attempts": lambda name, value: ("max_attempts", whole(name, value)),
    "retry_backoff": lambda name, value: ("backoff", one_of(name, value, _BACKOFFS)),
    "retry_delay_ms": lambda name, value: ("initial_delay", _milliseconds(name, value)),
    "retry_max_delay_ms": lambda name, value: ("max_delay", _milliseconds(name, value)),
    "retry_condition": lambda name, value: ("condition", _condition_named(name, value)),
    "retry_jitter": lambda name, value: ("with_jitter", flag(name, value)),
}
"""For each argument of ``@task``: the policy's field and its value."""


# -- checks --------------------------------------------------------------------------------------


def _seconds(name: str, value: object) -> float:
    seconds = number(name, value)
    if seconds > LONGEST:
        raise DefinitionError(
            f"{name} must be at most {LONGEST:.0f} seconds, got {shown_number(seconds)}"
        )
    return seconds


def _milliseconds(name: str, value: object) -> float:
    ms = whole(name, value)
    if ms > LONGEST * 1000:
        raise DefinitionError(
            f"{name} must be at most {LONGEST * 1000:.0f}, got {shown_number(ms)}"
        )
    return ms / 1000


@cache
def _exact() -> Context:
    """Decimal arithmetic, so that 1 s · 0.29 · 3 is 870 ms.

    Its own context, since a user's may have traps. Without traps an overflow gives infinity,
    which the cap cuts.
    """
    import decimal  # here: a program in which no attempt fails does not need it

    return decimal.Context(prec=40, rounding=decimal.ROUND_HALF_UP, traps=[])


def _decimal(number: float) -> Decimal:
    return _exact().create_decimal(str(number))


def _ms(seconds: float) -> Decimal:
    return _exact().multiply(_decimal(seconds), 1000)
