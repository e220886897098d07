"""Checks of arguments, shared by all definitions, and the known name that was meant.

Each takes the parameter's name first, for its error message; an unsupported type is a
``DefinitionTypeError``, an unacceptable value a ``DefinitionError``. The only conversion is from
int to float.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from types import UnionType
from typing import TypeVar

from cloaca_core.errors import ConfigTypeError, DefinitionError, DefinitionTypeError

_T = TypeVar("_T")


def one_of(name: str, value: object, choices: Mapping[str, _T]) -> _T:
    """Return the choice of this name; a DefinitionError lists them when there is none."""
    choice = text(name, value)
    if choice not in choices:
        accepted = ", ".join(choices)
        raise DefinitionError(f'unknown {name} "{choice}": expected one of {accepted}')
    return choices[choice]


def text(name: str, value: object) -> str:
    """``value`` if it is a str."""
    if not isinstance(value, str):
        raise wrong_type(name, "a str", value)
    return value


def whole(name: str, value: object) -> int:
    """``value`` if it is an int of at least 0 (and no bool)."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong_type(name, "an int", value)
    if value < 0:
        raise DefinitionError(f"{name} must be at least 0, got {shown_number(value)}")
    return int(value)


def number(name: str, value: object) -> float:
    """``value`` as a float if it is a finite number of at least 0."""
    found = _real(name, value)
    if not 0 <= found <= sys.float_info.max:
        raise DefinitionError(
            f"{name} must be a finite number of at least 0, got {shown_number(found)}"
        )
    return float(found)


def above_zero(name: str, value: object, *, otherwise: str = "") -> float:
    """``value`` as a float if it is a finite number greater than 0.

    ``otherwise`` names in the error message any other value that the caller accepts.
    """
    found = _real(name, value)
    if not 0 < found <= sys.float_info.max:
        raise DefinitionError(
            f"{name} must be greater than 0 and finite{otherwise}, got {shown_number(found)}"
        )
    return float(found)


def _real(name: str, value: object) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong_type(name, "a number", value)
    return value


def shown_number(number: float) -> str:
    """A number as an error message says it. Python writes no int of more than 4,300 digits."""
    try:
        return str(number)
    except ValueError:
        return "a number of very many digits"


def flag(name: str, value: object) -> bool:
    """``value`` if it is a bool."""
    if not isinstance(value, bool):
        raise wrong_type(name, "a bool", value)
    return value


def wrong_type(name: str, accepted: str, value: object, hint: str = "") -> DefinitionTypeError:
    """Make the error for an argument of an unsupported type; the caller raises it."""
    return DefinitionTypeError(f"{name} must be {accepted}, got {type(value).__name__}{hint}")


def refuse_other_types(name: str, value: object, kind: type | UnionType, accepted: str) -> None:
    """Refuse an argument of a runner or its parts if it is of another type than ``kind``."""
    if not isinstance(value, kind):
        given = type(value).__name__
        raise ConfigTypeError(f"{name} must be {accepted}, not {given}", field=name)


def nearest_name(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """The name in ``known`` that is most like ``word``; None if none is similar enough.

    ``cutoff`` is the least similarity, from 0 (none) to 1 (equal).
    """
    return next(iter(near_names(word, known, most=1, cutoff=cutoff)), None)


def near_names(
    word: str, known: Iterable[str], *, most: int = 3, cutoff: float = 0.6
) -> tuple[str, ...]:
    """The names in ``known`` that are most like ``word``, up to ``most``, the nearest first."""
    # Imported here: only a program with a misspelt name needs it.
    from difflib import get_close_matches

    return tuple(get_close_matches(word, list(known), n=most, cutoff=cutoff))
