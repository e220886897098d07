"""What counts as async."""

from __future__ import annotations

import functools
from collections.abc import Callable

import pytest

from cloaca_core.callables import is_async_callable


def plain() -> None: ...


async def coroutine() -> None: ...


class PlainCallable:
    def __call__(self) -> None: ...


class AsyncCallable:
    async def __call__(self) -> None: ...


@pytest.mark.parametrize(
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
