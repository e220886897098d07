"""Checks a person's decision against its approval: the choice, and the data that come with it."""

from __future__ import annotations

from typing import Any

from cloaca_core.definition.waits.kinds import Approval
from cloaca_core.definition.waits.schema_check import problem_with
from cloaca_core.errors import ContextError, ContextTypeError, ContextValueError
from cloaca_core.values.json_values import JsonValue, normalise
from cloaca_core.values.value_forms import form_of


def checked_choice(approval: Approval, choice: object) -> str:
    """The choice, if the approval has it: else a ValueError, or a TypeError for another type."""
    if not isinstance(choice, str):
        raise ContextTypeError(f"choice must be a str, not {type(choice).__name__}")
    if choice not in approval.choices:
        raise ContextValueError(
            f"choice must be one of {', '.join(approval.choices)}; got {choice!a:.80}"
        )
    return str.__str__(choice)


def checked_data(approval: Approval, data: object) -> JsonValue:
    """The data as JSON, if they are as the approval's schema says: else a ValueError.

    A program that has the type may give a value of it, and there the type checks other data too: a
    model knows more than its JSON schema tells. None is for no data, with any schema.
    """
    kind = approval.data_type
    if kind is not None and isinstance(data, kind):
        return normalise(form_of(kind).dump(data), "data")
    value = normalise(data, "data")
    if value is None or approval.schema is None:
        return value
    if (problem := problem_with(value, approval.schema, "data")) is not None:
        raise ContextValueError(problem, path="data")
    if kind is not None:
        _load(kind, value)
    return value


def _load(kind: type[Any], value: JsonValue) -> None:
    """Make a value of the type, which may refuse: its code is the user's."""
    try:
        form_of(kind).load(value)
    except ContextError:
        raise
    except Exception as error:
        message = f"data are not as {kind.__name__} wants them: {error}"
        raise ContextValueError(message, path="data") from error
