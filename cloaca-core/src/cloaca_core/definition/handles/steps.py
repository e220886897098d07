"""The arguments of a step of a body: the function, its arguments and options."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, ParamSpec, Protocol, TypeVar, cast

from cloaca_core.definition.callables import is_async_callable
from cloaca_core.definition.retries.policy import RetryPolicy
from cloaca_core.errors import DefinitionError, DefinitionTypeError
from cloaca_core.values.arguments import wrong_type
from cloaca_core.values.payloads.value_forms import ValueForm, form_of, form_of_result
from cloaca_core.values.text import is_storable

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")

LONGEST_NAME: Final = 255


@dataclass(frozen=True, slots=True)
class StepOptions:
    """``retry``: how often the function is called again within the body. ``form`` of the value;
    None takes the form of the function's annotation.
    """

    retry: RetryPolicy | None = None
    form: ValueForm | None = None


NO_OPTIONS: Final = StepOptions()


@dataclass(frozen=True, slots=True)
class StepCall:
    """A step to be made, whose arguments were checked."""

    name: str
    function: Callable[..., object]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    retry: RetryPolicy | None
    form: ValueForm


class StepRunner(Protocol):
    """Makes the steps of one attempt."""

    def step(
        self,
        name: object,
        function: object,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        options: StepOptions = ...,
    ) -> object:
        """The value of a step; on a thread that may block."""

    async def step_async(
        self,
        name: object,
        function: object,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        options: StepOptions = ...,
    ) -> object:
        """The same on a loop."""

    def with_options(self, retry: object, returns: object, *, is_async: bool) -> Any:
        """Steps with options: an object with a method ``step``."""


def step_call(
    name: object,
    function: object,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    options: StepOptions,
    *,
    is_async: bool,
) -> StepCall:
    """The call of a step, with its arguments checked before anything is called."""
    if not callable(function):
        raise wrong_type("fn", "a function", function)
    if not is_async and is_async_callable(function):
        raise DefinitionTypeError(
            f"step {name!r} calls an async function: make the body async def, and await "
            "handle.step(…) there"
        )
    form = form_of_result(function) if options.form is None else options.form
    return StepCall(_checked_name(name), function, args, kwargs, options.retry, form)


def _checked_name(name: object) -> str:
    if not isinstance(name, str):
        raise wrong_type("name", "a str", name)
    if not name or len(name) > LONGEST_NAME or not is_storable(name):
        raise DefinitionError(
            f"the name of a step must have 1 to {LONGEST_NAME} characters, no NUL and no lone "
            f"surrogate, got {name!r:.80}"
        )
    return str.__str__(name)


# -- steps with options --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, repr=False)
class Steps:
    """Steps with options, of a body that is a plain function."""

    _runner: StepRunner
    _options: StepOptions

    def step(self, name: str, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """As ``TaskHandle.step``."""
        return cast("T", self._runner.step(name, fn, args, kwargs, self._options))


@dataclass(frozen=True, slots=True, repr=False)
class TypedSteps(Generic[R]):
    """The same with ``returns``."""

    _runner: StepRunner
    _options: StepOptions

    def step(self, name: str, fn: Callable[P, object], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """As ``TaskHandle.step``."""
        return cast("R", self._runner.step(name, fn, args, kwargs, self._options))


@dataclass(frozen=True, slots=True, repr=False)
class AsyncSteps:
    """Steps with options, of a body that is ``async def``."""

    _runner: StepRunner
    _options: StepOptions

    async def step(
        self, name: str, fn: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """As ``AsyncTaskHandle.step``."""
        return cast("T", await self._runner.step_async(name, fn, args, kwargs, self._options))


@dataclass(frozen=True, slots=True, repr=False)
class AsyncTypedSteps(Generic[R]):
    """The same with ``returns``."""

    _runner: StepRunner
    _options: StepOptions

    async def step(
        self, name: str, fn: Callable[P, Awaitable[object]], /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """As ``AsyncTaskHandle.step``."""
        return cast("R", await self._runner.step_async(name, fn, args, kwargs, self._options))


def steps_with_options(
    runner: StepRunner, retry: object, returns: object, *, is_async: bool
) -> Steps | TypedSteps[Any] | AsyncSteps | AsyncTypedSteps[Any]:
    """Steps with these options, which are checked."""
    if not isinstance(retry, RetryPolicy | None):
        raise wrong_type("retry", "a RetryPolicy or None", retry)
    if returns is None:
        return (AsyncSteps if is_async else Steps)(runner, StepOptions(retry))
    options = StepOptions(retry, form_of(returns))
    return (AsyncTypedSteps if is_async else TypedSteps)(runner, options)
