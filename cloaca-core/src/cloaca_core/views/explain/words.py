"""Instants, lists, rules and errors as an explanation says them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, assert_never

from cloaca_core.definition.rules import (
    All,
    Always,
    Any_,
    Chosen,
    ContextValue,
    None_,
    NoneFailed,
    TaskIs,
)
from cloaca_core.values.times.instants import SECOND, Instant, nearest_shown, to_datetime

if TYPE_CHECKING:
    from cloaca_core.definition.rules import Condition

LONGEST: Final = 200
"""Characters of a text of the user's."""
NAMED: Final = 3
"""So many things are named; the others are counted."""

_FRAME: Final = re.compile(
    r'^  File "(?P<file>[^"\n]+)", line (?P<line>\d+), in (?P<name>.+)$', re.MULTILINE
)
_NOT_THE_USERS: Final = re.compile(
    r"[/\\](?:site-packages|dist-packages|cloaca_(?:core|testing|tools))[/\\]"
    r"|[/\\]lib[/\\]python3[^/\\]*[/\\]|^<frozen "
)


def instant(at: Instant) -> str:
    """An instant to the second, in UTC."""
    return to_datetime(nearest_shown(at)).strftime("%Y-%m-%dT%H:%M:%SZ")


def when(at: Instant, now: Instant) -> str:
    """The same as ``moment``, with "at" before it."""
    return f"at {moment(at, now)}"


def moment(at: Instant, now: Instant) -> str:
    """An instant, and how far away it is."""
    if at > now:
        return f"{instant(at)}, in {_span(at - now + SECOND - 1)}"
    return f"{instant(at)}, {_span(now - at)} ago"


def _span(length: int) -> str:
    seconds = length // SECOND
    for unit, name in ((86_400, "days"), (3_600, "h"), (60, "m")):
        if seconds >= 2 * unit:
            return f"{seconds // unit} {name}"
    return f"{seconds} s"


def listed(names: Sequence[str]) -> str:
    """Names as text; of many names the first ones, and the number of the others."""
    if len(names) <= NAMED:
        *before, last = names
        return f"{', '.join(before)} and {last}" if before else last
    return f"{', '.join(names[:NAMED])} and {len(names) - NAMED:,} more"


def short(text: str) -> str:
    """A text of the user's in one line."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def place_of(traceback: str | None) -> str | None:
    """The innermost frame of the user's own code in a traceback: ``load (flows.py, line 3)``."""
    frames = list(_FRAME.finditer(traceback or ""))
    if not frames:
        return None
    own = [each for each in frames if is_the_users(each["file"])]
    frame = (own or frames)[-1]
    return f"{frame['name']} ({frame['file']}, line {frame['line']})"


def is_the_users(file: str) -> bool:
    """Whether a file of a traceback is the user's own: not Python's, a package's or cloaca's."""
    return not _NOT_THE_USERS.search(file)


def rule_text(rule: Condition) -> str:
    """A trigger rule or condition as the functions write it that make it."""
    match rule:
        case Always():
            return "always()"
        case All(conditions):
            return _of_conditions("all_of", conditions)
        case Any_(conditions):
            return _of_conditions("any_of", conditions)
        case None_(conditions):
            return _of_conditions("none_of", conditions)
        case NoneFailed():
            return "none_failed()"
        case TaskIs(task, status):
            kind = {"Completed": "success", "Failed": "failed"}.get(str(status), "skipped")
            return f"task_{kind}({task!r})"
        case Chosen(task, choice):
            return f"chosen({task!r}, {choice!r})"
        case ContextValue(key, operator, value):
            return f"context_value({key!r}, {str(operator)!r}, {short(repr(value))})"
        case _:
            assert_never(rule)


def _of_conditions(name: str, conditions: Sequence[Condition]) -> str:
    texts = [rule_text(each) for each in conditions]
    return texts[0] if name == "all_of" and len(texts) == 1 else f"{name}({', '.join(texts)})"
