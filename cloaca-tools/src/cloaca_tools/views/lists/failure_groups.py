"""Failed runs by their errors: how often each has come, since when, in which workflows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from cloaca_core.values.namespace import short_name
from cloaca_core.values.payloads.json_forms import Shown
from cloaca_core.values.states import RunStatus
from cloaca_core.values.times.rfc3339 import rfc3339
from cloaca_core.values.wording import first_failure, first_line
from cloaca_tools.views.lists import search
from cloaca_tools.views.lists.filters import Filter, Term

if TYPE_CHECKING:
    from cloaca_core.assembly.onlooker import Looks
    from cloaca_core.run.rows import RunRow

MOST: Final = 1_000
"""Failed runs that are grouped, the newest."""
MOST_KINDS: Final = 50
_KIND: Final = re.compile(r"[A-Za-z_][\w.]*(?=:|$)")
"""The class of an error, before its message."""
_LONGEST: Final = 60
"""Letters of the beginning of an error that has no class."""
_FAILED: Final = Term("status", (str(RunStatus.FAILED),))
_NUMBERS: Final = re.compile(r"[0-9a-fA-F]{8}[0-9a-fA-F-]*|\d+")
"""Numbers and ids, which differ from run to run."""


@dataclass(frozen=True, slots=True)
class FailureGroup(Shown):
    """Runs that failed with one error, numbers and ids in it aside. ``newest`` is the id of the
    newest run, and ``error`` its error. The first of the ``runs`` ended at ``since``, the newest
    one at ``last``, both RFC 3339 in UTC.
    """

    error: str
    runs: int
    workflows: tuple[str, ...]
    since: str
    last: str
    newest: str


@dataclass(frozen=True, slots=True)
class FailureGroups(Shown):
    """Failed runs by error, the largest group first. ``is_all`` is False if there are more failed
    runs than were looked at: a group may be larger then, and older.
    """

    groups: tuple[FailureGroup, ...]
    is_all: bool


@dataclass(frozen=True, slots=True)
class ErrorKind(Shown):
    """The ``runs`` that failed with a ``kind`` of error: the filter ``error:KIND`` finds the same
    ones. The other fields are as in ``FailureGroup``.
    """

    kind: str
    error: str
    runs: int
    workflows: tuple[str, ...]
    since: str
    last: str
    newest: str


@dataclass(frozen=True, slots=True)
class ErrorKinds(Shown):
    """Failed runs by the kind of their error, the most frequent first; ``is_all`` as in
    ``FailureGroups``.
    """

    kinds: tuple[ErrorKind, ...]
    is_all: bool


_SHARED: Final = FailureGroup.__slots__


class Failed(NamedTuple):
    """The newest failed runs, and whether they are all."""

    rows: Sequence[RunRow]
    is_all: bool


async def read(engine: Looks, filter_: Filter) -> Failed:
    """The newest failed runs that match; runs on the engine's loop."""
    page = await search.page(engine, Filter((*filter_.terms, _FAILED)), MOST, None)
    return Failed(page.rows, page.next is None)


def failure_groups(found: Failed) -> FailureGroups:
    """The groups of these runs."""
    return FailureGroups(grouped(found.rows), found.is_all)


def grouped(rows: Iterable[RunRow]) -> tuple[FailureGroup, ...]:
    """The groups of failed runs: the largest first; of equal ones the latest failure first."""
    by_error: dict[str, list[RunRow]] = {}
    for row in rows:
        by_error.setdefault(_NUMBERS.sub("#", error_of(row)), []).append(row)
    groups = [_group(each) for each in by_error.values()]
    by_age = sorted(groups, key=lambda each: each.last, reverse=True)
    return tuple(sorted(by_age, key=lambda each: each.runs, reverse=True))


def error_kinds(found: Failed) -> ErrorKinds:
    """The kinds of error of these runs, the most frequent ``MOST_KINDS``."""
    first = Counter([kind_of(error_of(row)) for row in found.rows])
    texts = [((row.error_message or "").lower(), row) for row in found.rows]
    kinds = []
    for kind, _ in first.most_common(MOST_KINDS):
        rows = [row for text, row in texts if kind.lower() in text]
        group = _group(rows)
        kinds.append(ErrorKind(kind, **{name: getattr(group, name) for name in _SHARED}))
    return ErrorKinds(tuple(sorted(kinds, key=lambda each: each.runs, reverse=True)), found.is_all)


def kind_of(error: str) -> str:
    """The class of an error in one line; of an error without one the beginning of its text, up to
    a number or a URL, of which a part could have a password that is not seen to be one.
    """
    if (found := _KIND.match(error)) is not None:
        return found[0]
    text = error.partition("://")[0]
    return _NUMBERS.split(text)[0].strip()[:_LONGEST].strip() or text[:_LONGEST].strip()


def error_of(row: RunRow) -> str:
    """The error of a failed run in one line: the error of its first failed task, if one failed."""
    message = row.error_message or ""
    first = first_failure(message)
    return first_line(first if first == message else first.partition(": ")[2] or first)


def _group(rows: Sequence[RunRow]) -> FailureGroup:
    ended = sorted(rows, key=_ended)
    return FailureGroup(
        error=error_of(ended[-1]),
        runs=len(rows),
        workflows=tuple(sorted({short_name(row.workflow) for row in rows})),
        since=rfc3339(_ended(ended[0])),
        last=rfc3339(_ended(ended[-1])),
        newest=ended[-1].id,
    )


def _ended(row: RunRow) -> int:
    return row.created_at if row.ended_at is None else row.ended_at
