"""The text of a cron expression: checks each field and makes the normal form.

cronsim checks that numbers are in range. This module adds ``@daily`` and similar, ``15W``, ``?``,
names in every place of a number, and errors that name the field and the fault.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final, NamedTuple

from cronsim import CronSim, CronSimError

from cloaca_core.errors import CronExpressionError
from cloaca_core.values.arguments import text

ALIASES: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_MONTHS: Final = (
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
)  # fmt: skip
_WEEKDAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_LONGEST: Final = 1000
_ANY_DAY: Final = datetime(2000, 1, 1)  # noqa: DTZ001 - cronsim requires a start, which is not used


class _Field(NamedTuple):
    """A field: the number of its values, their names, and its other accepted terms."""

    name: str
    names: dict[str, int]
    size: int
    special: str
    accepted: str


_FIELDS: Final = (
    _Field("second", {}, 60, "", "0-59"),
    _Field("minute", {}, 60, "", "0-59"),
    _Field("hour", {}, 24, "", "0-23"),
    _Field("day of month", {}, 31, r"LW?|[0-9]{1,2}W", "1-31, L, LW, 15W, ?"),
    _Field("month", {name: n for n, name in enumerate(_MONTHS, 1)}, 12, "", "1-12, JAN-DEC"),
    _Field(
        "day of week",
        {name: n for n, name in enumerate(_WEEKDAYS)},
        7,
        r"[0-9]L|[0-9]#[0-9]",
        "0-7, SUN-SAT, 5L, 1#2, ?",
    ),
)
_RANGE: Final = re.compile(r"(\*|[0-9]{1,2}(?:-[0-9]{1,2})?)(?:/([0-9]{1,2}))?")
_NEAREST: Final = re.compile(r"([0-9]{1,2})W")


def normal_form(expression: object) -> str:
    """Rewrite the expression with five fields, or six if it has seconds, and numbers for names.

    CronExpressionError names the wrong field. Dates that never come are accepted here.
    """
    expression = text("cron_expression", expression)
    if len(expression) > _LONGEST:
        raise _refused(f"{len(expression)} characters are too long, at most {_LONGEST}", "", "")
    texts = _spelled_out(expression).split()
    if len(texts) not in (5, 6):
        raise _refused(
            f"{expression!r} has {len(texts)} fields, expected 5 (minute, hour, day of month, "
            f"month, day of week) or 6 (second first)",
            "",
            expression,
        )
    fields = _FIELDS[-len(texts) :]
    return " ".join(map(_normal_field, fields, texts))


def nearest(term: str) -> int | None:
    """15 for ``15W``, None for other terms."""
    found = _NEAREST.fullmatch(term)
    return int(found[1]) if found else None


def cronsim_of(*fields: str) -> CronSim:
    """Parse six fields with cronsim; CronSimError if it does not accept them."""
    return CronSim(" ".join(fields), _ANY_DAY)


def _spelled_out(expression: str) -> str:
    """The expression for an alias such as ``@daily``."""
    alias = expression.strip().lower()
    if not alias.startswith("@"):
        return expression
    if alias not in ALIASES:
        known = ", ".join(ALIASES)
        raise _refused(f"{expression!r} is none of {known}", "", expression)
    return ALIASES[alias]


def _normal_field(field: _Field, text: str) -> str:
    if text == "?" and "?" in field.accepted:
        return "*"
    return ",".join(_normal_term(field, term) for term in text.split(","))


def _normal_term(field: _Field, term: str) -> str:
    normal = _in_numbers(field, term.upper())
    if not term.isascii() or not _is_known(field, normal):
        raise _refused(
            f"{term!r} in the {field.name} field: expected {field.accepted}, also *, ranges "
            f"a-b, steps /n up to {field.size} and lists with commas",
            field.name,
            term,
        )
    return normal


def _in_numbers(field: _Field, term: str) -> str:
    """Replace names by numbers without leading zeros; 7 for a Sunday that ends a range."""
    if field.names:
        # Only whole names: MON5 must not become 15.
        names = rf"(?<![A-Z0-9])(?:{'|'.join(field.names)})(?=[-/#L]|$)"
        term = re.sub(names, lambda found: str(field.names[found[0]]), term)
    term = re.sub(r"[0-9]+", lambda found: str(int(found[0])), term)
    if field.name == "day of week":
        term = re.sub(r"(?<=[1-6]-)0(?=/|$)", "7", term)
    # cronsim would read 5-5/2 as 5/2.
    return re.sub(r"^([0-9]+)-\1(/[1-9][0-9]*)?$", r"\1", term)


def _is_known(field: _Field, term: str) -> bool:
    """True when the term has an accepted form, a possible step, and numbers in range."""
    plain = _RANGE.fullmatch(term)
    if plain is None and not (field.special and re.fullmatch(field.special, term)):
        return False
    if plain and plain[2] and int(plain[2]) > field.size:
        return False
    return _is_in_range(field, str(nearest(term) or term))


def _is_in_range(field: _Field, term: str) -> bool:
    """True when cronsim accepts the term in an expression whose other fields are valid."""
    if term == "*":
        return True
    before = _FIELDS.index(field)
    try:
        cronsim_of(*["*"] * before, term, *["*"] * (5 - before))
    except CronSimError:
        return False
    return True


def _refused(reason: str, field: str, given: str) -> CronExpressionError:
    return CronExpressionError(
        f"Invalid cron expression or timezone: {reason}", field=field, given=given
    )
