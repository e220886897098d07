"""Names the context of several that an error is about."""

from __future__ import annotations

from cloaca_core.errors import ContextError, InputError
from cloaca_core.values.payloads.json_values import shown_path


def placed(error: ContextError, index: int) -> ContextError:
    """The error with the index of its context at the head of its path."""
    joint = "" if not error.path or error.path.startswith("[") else "."
    path = f"contexts[{index}]{joint}{error.path}"
    text = str(error).removeprefix(f"{shown_path(error.path)}: ")
    message = f"{shown_path(path)}: {text}"
    if isinstance(error, InputError):
        return InputError(message, path=path, wanted=error.wanted, met=error.met)
    return type(error)(message, path=path)
