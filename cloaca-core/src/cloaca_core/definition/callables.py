"""What counts as async, and what is called with what, told in one place for all user functions.

Looks at a callable only; never calls it.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable


def is_async_callable(function: Callable[..., object]) -> bool:
    """True when calling the function gives a coroutine."""
    while isinstance(function, functools.partial):
        function = function.func
    if isinstance(function, type):  # it gives an object, whatever that one's __call__ is
        return False
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004 - not whether it can be called, but what
    )


def call_signature(function: Callable[..., object]) -> inspect.Signature | None:
    """What calling the function takes, None when it does not say.

    A wrapper is asked for its own, since it may supply arguments to what it wraps.
    """
    # A cache is written in C and says nothing; it is called like what it caches.
    return _signature(function, follow=False) or wrapped_signature(function)


def wrapped_signature(function: Callable[..., object]) -> inspect.Signature | None:
    """The signature of what the function wraps in the end, its own when it is no wrapper."""
    return _signature(function, follow=True)


def _signature(function: Callable[..., object], *, follow: bool) -> inspect.Signature | None:
    try:
        return inspect.signature(function, follow_wrapped=follow)
    except Exception:  # noqa: BLE001 - some have none, and a user's own may raise anything
        return None
