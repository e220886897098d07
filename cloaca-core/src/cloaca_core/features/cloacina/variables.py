"""Variables of the environment that a program asks for by a short name."""

from __future__ import annotations

import os
from typing import Final

from cloaca_core.errors import VariableNotSetError
from cloaca_core.values.arguments import text

PREFIXES: Final = ("CLOACA_VAR_", "CLOACINA_VAR_")
"""Before the name, in the order in which they are looked for. The second is that of 0.12."""


def var(name: str) -> str:
    """The value of ``CLOACA_VAR_<name>``, else of ``CLOACINA_VAR_<name>``.

    ``VariableNotSetError`` (a KeyError) if neither is set. It is read at each call. An empty value
    is a value.
    """
    if (value := _found(name)) is None:
        expected = " or ".join(prefix + name for prefix in PREFIXES)
        raise VariableNotSetError(
            f"required variable '{name}' not set (expected env var {expected})", name=name
        )
    return value


def var_or(name: str, default: str) -> str:
    """The value that ``var(name)`` has, or ``default`` if the variable is not set."""
    text("default", default)
    value = _found(name)
    return default if value is None else value


def _found(name: str) -> str | None:
    text("name", name)
    for prefix in PREFIXES:
        if (value := os.environ.get(prefix + name)) is not None:
            return value
    return None
