"""Classes with the names of other packages' classes, which need not be installed for unit tests."""

from __future__ import annotations


def foreign(module: str, name: str, *bases: type) -> type:
    """A class that looks as if it came from this module."""
    return type(name, bases or (object,), {"__module__": module})


def foreign_error(module: str, name: str) -> Exception:
    """An error of such a class."""
    error: Exception = foreign(module, name, Exception)("it happened")
    return error
