"""Which callables count as async, and the arguments that each is called with."""

from __future__ import annotations

import functools
from collections.abc import Callable

from tables import each_row

from cloaca_core.definition.callables import call_signature, is_async_callable


def plain() -> None: ...


async def coroutine() -> None: ...


class PlainCallable:
    def __call__(self) -> None: ...


class AsyncCallable:
    async def __call__(self) -> None: ...


@each_row(
    ("expected", "function"),
    [
        (True, coroutine),
        (True, functools.partial(coroutine)),
        (True, AsyncCallable()),  # its method is async, it is not
        (True, AsyncCallable().__call__),
        (True, functools.partial(AsyncCallable())),
        (False, plain),
        (False, functools.partial(functools.partial(plain))),
        (False, PlainCallable()),
        (False, AsyncCallable),  # calling the class makes an object
    ],
)
def test_sync_and_async_are_told_apart(expected: bool, function: Callable[..., object]) -> None:
    assert is_async_callable(function) is expected


def one_argument(given: object) -> None: ...


@functools.wraps(one_argument)
def any_arguments(*args: object) -> None: ...


@each_row(
    ("expected", "function"),
    [
        (["given"], one_argument),
        (["args"], any_arguments),  # its own, not those of the function that it wraps
        (["given"], functools.lru_cache(one_argument)),  # says nothing of itself
        (["given"], functools.partial(functools.lru_cache(one_argument))),
    ],
)
def test_a_signature_is_of_what_is_called(
    expected: list[str], function: Callable[..., object]
) -> None:
    signature = call_signature(function)
    assert signature is not None
    assert list(signature.parameters) == expected


def test_some_functions_have_no_signature() -> None:
    assert call_signature(max) is None


class _SaysNothing:
    """Its signature is asked for in vain."""

    @property
    def __signature__(self) -> object:
        raise NameError("name 'Context' is not defined")

    def __call__(self) -> None: ...


def test_one_whose_signature_cannot_be_read_has_none() -> None:
    assert call_signature(_SaysNothing()) is None
