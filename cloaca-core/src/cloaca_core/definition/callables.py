"""Tells async from sync callables and reads signatures, for all user functions.

Inspects a callable; never calls it.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable


def is_async_callable(function: Callable[..., object]) -> bool:
    """True when calling the function gives a coroutine."""
    while isinstance(function, functools.partial):
        function = function.func
    if isinstance(function, type):  # calling a class gives an instance, not a coroutine
        return False
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004 - reads the method, does not ask if there is one
    )


def call_signature(function: Callable[..., object]) -> inspect.Signature | None:
    """The signature with which the function is called, None if it is not known. For a wrapper it is
    the wrapper's own, since it may supply arguments to the wrapped function.
    """
    # ``functools.cache`` is written in C and has no signature; the cached function's is right.
    return _signature(function, follow=False) or wrapped_signature(function)


def wrapped_signature(function: Callable[..., object]) -> inspect.Signature | None:
    """The signature of the innermost wrapped function; its own when it wraps none."""
    return _signature(function, follow=True)


def _signature(function: Callable[..., object], *, follow: bool) -> inspect.Signature | None:
    try:
        return inspect.signature(function, follow_wrapped=follow)
    except Exception:  # noqa: BLE001 - some have none; a user's __signature__ may raise anything
        return None
