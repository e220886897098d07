"""Translates errors of PostgreSQL and its driver into cloaca's, by SQLSTATE.

When the database refuses a value, its message may repeat the value, so that message is left out.
"""

from __future__ import annotations

from typing import Final

import psycopg

from cloaca_core.errors import (
    StoreDataError,
    StoreError,
    StoreFullError,
    StoreReadOnlyError,
    StoreUnavailableError,
)

_BY_CODE: Final[dict[str, tuple[type[StoreError], str]]] = {
    "25006": (StoreReadOnlyError, "the database cannot be written"),
    "53100": (StoreFullError, "no space is left for the database"),
    "54000": (StoreDataError, "a value is too large"),
    "26000": (StoreError, "behind a pooler in transaction mode the URL must say pooler=true"),
    "42P05": (StoreError, "behind a pooler in transaction mode the URL must say pooler=true"),
}
_BY_CLASS: Final[dict[str, tuple[type[StoreError], str]]] = {
    "08": (StoreUnavailableError, "the connection failed"),
    "22": (StoreDataError, "a value is not acceptable"),
    "23": (StoreDataError, "a value is not acceptable"),
    "40": (StoreUnavailableError, "the transaction gave way to another"),
    "53": (StoreUnavailableError, "the server is out of resources"),
    "54": (StoreDataError, "a value is too large"),
    "55": (StoreUnavailableError, "an object is in use"),
    "57": (StoreUnavailableError, "the server ended the statement"),
    "58": (StoreError, "the server's disk failed"),
}
_CONFLICTS: Final = ("40001", "40P01")
_MADE_ALREADY: Final = ("23505", "42710", "42P06", "42P07")
_IN_USE: Final = "55P03"
_CANCELED: Final = "57014"
_NO_RIGHT: Final = "42501"


def code_of(error: BaseException | None) -> str | None:
    """The SQLSTATE, if the error is the server's."""
    return error.sqlstate if isinstance(error, psycopg.Error) else None


def is_conflict(error: StoreError) -> bool:
    """True when two transactions conflicted; the failed one may run again."""
    return code_of(error.__cause__) in _CONFLICTS


def is_made_already(error: StoreError) -> bool:
    """True when another transaction created the same schema or table first."""
    return code_of(error.__cause__) in _MADE_ALREADY


def is_in_use(error: StoreError) -> bool:
    """True when the statement's limit of waiting for a lock has passed."""
    return code_of(error.__cause__) == _IN_USE


def is_canceled(error: StoreError) -> bool:
    """True when the statement was canceled on request, or took too long."""
    return code_of(error.__cause__) == _CANCELED


def is_forbidden(error: StoreError) -> bool:
    """True when the role of the connection lacks the right to do this."""
    return code_of(error.__cause__) == _NO_RIGHT


def translated(error: psycopg.Error, place: str) -> StoreError:
    """Make the error to raise ``from`` this one."""
    code = error.sqlstate
    if code is None:
        return StoreUnavailableError(f"{place}: the connection failed ({one_line(error)})")
    kind, what = _BY_CODE.get(code) or _BY_CLASS.get(code[:2]) or (StoreError, "refused")
    if kind is StoreDataError:
        return StoreDataError(f"{place}: {what} (SQLSTATE {code})")
    return kind(f"{place}: {what} ({error.diag.message_primary}, SQLSTATE {code})")


def one_line(error: BaseException) -> str:
    """The text of an error in one line; libpq's has several."""
    return " ".join(str(error).split()) or type(error).__name__
