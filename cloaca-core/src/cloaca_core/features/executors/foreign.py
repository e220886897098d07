"""Recognises the classes of other packages by their names, so that those need not be installed."""

from __future__ import annotations

from typing import NamedTuple


class Foreign(NamedTuple):
    """A class by its package and its name."""

    package: str
    name: str


def is_one_of(value: object, *classes: Foreign) -> bool:
    """Whether this is an instance of one of these classes, or of a class derived from one."""
    return any(
        (each.__module__.partition(".")[0], each.__name__) in classes for each in type(value).mro()
    )
