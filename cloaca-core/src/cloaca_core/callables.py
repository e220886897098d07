"""What counts as async, told in one place for bodies, callbacks and conditions.

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
