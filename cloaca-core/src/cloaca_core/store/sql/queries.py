"""Named SQL statements: from the text of a ``.sql`` file to what a driver executes.

A file holds statements under ``-- name: insert_run`` lines, with ``:name`` parameters. Compiling
puts the dialect's placeholder in their place and remembers their order, so that rows are bound as
plain tuples, which ``executemany`` takes without a lookup per value. Knows no meaning of a
statement and no database; refuses a wrong file when it is loaded.

Some parameters are lists, which each database words in its own way (see ``Wording``):

``IN :ids``, ``FROM :ids AS wanted``
    A list of values: membership, or a row for each value, in the column ``value``.
``INSERT INTO cloaca_tick :rows(schedule_id, tick)``
    Rows that are inserted as they are. A field has the kind of the column of its name, or the kind
    that is written after it: ``key:text``.
``FROM :rows(seen:int) AS new``, ``USING :rows AS old``
    Rows for which the statement is executed: ``:new.tick`` is a field. One that has not the name of
    a column has its kind in the list. Where rows are written one by one, the list and a comma after
    it are left out, and the field is a parameter: so conditions stand after ``WHERE``. In the text
    of a database that writes them at once ``:rows WITH ORDINALITY`` numbers them: ``new.place``.
``run.id IN [:new.run_id]``, ``run.id IN [SELECT …]``
    Equal, or among; and to be found by the index of the left side, however a plan is made.
``:columns(RunRow)``, ``:columns(run AS one, input = '')``, ``:key(run)``, ``:key(run DESC)``
    The fields of a record, or the columns of a table of ``store/tables.py``, with other values
    for some; those of its key. ``:key_values(run)`` are the parameters of the key.

``:part(take_turns)``
    Text that several statements of a file share. It stands under a line ``-- part: take_turns``
    before the first statement.

A last line ``FOR UPDATE`` (or another lock) is left out where one transaction writes at a time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from cloaca_core.store.sql.lists import Arrays, with_columns, with_look_ups, with_rows, without_lock

if TYPE_CHECKING:
    from cloaca_core.store.changes import Change

Row: TypeAlias = tuple[Any, ...]
"""Values for the parameters of a statement, or a row that it answered."""

_NAME_LINE = "\n-- name:"
_PART_LINE = "\n-- part:"
_NAME = re.compile(r"[a-z][a-z0-9_]*(?:TABLE)?")
# No alternative begins with a group: so the search passes over plain text four times as fast, which
# is half a millisecond of the time to a program's first result.
_TOKEN = re.compile(
    r"""
      '(?:[^']|'')*' | "(?:[^"]|"")*"
    | --[^\n]* | /\*.*?\*/
    | ::
    | :(?P<parameter> [A-Za-z_][A-Za-z0-9_]* )
    """,
    re.VERBOSE | re.DOTALL,
)


class Wording(NamedTuple):
    """How a database words parameters; each text has one placeholder."""

    placeholder: str
    """For ``:name``: ``?`` or ``%s``."""
    member: str
    """For ``IN :name``: equal to an item of a list. ``NOT id IN :name`` is the opposite."""
    items: str
    """For ``:name`` after ``FROM``: the items of a list of texts, in a column ``value``."""
    arrays: Arrays | None = None
    """For ``:rows`` and ``IN […]``; None where one transaction writes at a time, row by row."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A compiled statement; ``parameters`` has a name per placeholder, in their order. With
    ``news``, other processes are notified whenever a transaction with this statement is committed.
    """

    name: str
    sql: str
    parameters: tuple[str, ...]
    news: Change | None = None

    def bind(self, **values: object) -> Row:
        """The values in the order of this statement's placeholders."""
        if values.keys() != set(self.parameters):
            given, wanted = sorted(values), sorted(set(self.parameters))
            raise TypeError(f"statement {self.name} takes {wanted}, got {given}")
        return tuple([values[name] for name in self.parameters])

    def binder(self, fields: Sequence[str]) -> Callable[[Row], Row]:
        """A fast function from rows with these fields to rows for this statement."""
        indexes = [fields.index(name) for name in self.parameters]
        if indexes == list(range(len(fields))):
            return _as_it_is
        if len(indexes) == 1:
            return lambda row: (row[indexes[0]],)
        return itemgetter(*indexes)


@lru_cache(maxsize=64)
def counting(listing: Statement) -> Statement:
    """The statement that counts the rows of a listing; it takes the same parameters."""
    sql = f"SELECT count(*) FROM ({listing.sql}) AS listed"  # noqa: S608 - a statement of a file
    return Statement(f"count_{listing.name}", sql, listing.parameters)


def _as_it_is(row: Row) -> Row:
    return row


def parse(text: str) -> dict[str, str]:
    """The statements of a ``.sql`` file by name, as written."""
    before, *named = f"\n{text}".split(_NAME_LINE)  # a regular expression takes ten times as long
    before, *shared = before.split(_PART_LINE)
    if _without_comments(before):
        raise ValueError("SQL before the first '-- name:' line")
    for part in shared:
        name, _, body = part.partition("\n")
        named = [each.replace(f":part({name.strip()})", body.strip()) for each in named]
    if any(":part(" in each for each in named):
        raise ValueError("a ':part(…)' without its '-- part:' line")
    statements: dict[str, str] = {}
    for part in named:
        line, _, body = part.partition("\n")
        name = line.strip()
        if not _NAME.fullmatch(name):
            raise ValueError(f"not a statement name: {name!r}")
        if name in statements:
            raise ValueError(f"statement {name} is defined twice")
        statements[name] = body
    return statements


def compile_statement(name: str, text: str, wording: Wording) -> Statement:
    """Word the parameters as the database takes them and drop the comments."""
    while text.startswith("--"):  # faster than as tokens
        _, _, text = text.partition("\n")
    try:
        written = _written_out(text, wording)
    except ValueError as error:
        raise ValueError(f"statement {name} has {error}") from None
    escapes = "%" in wording.placeholder
    parameters: list[str] = []
    sql: list[str] = []
    for kind, token in _tokens(name, written):
        if kind == "parameter":
            parameters.append(token)
            sql[-1:] = _worded(sql[-1], wording)
        elif kind != "comment":
            # A driver whose placeholder is %s reads every other % as the start of one.
            sql.append(token.replace("%", "%%") if escapes else token)
    if not (compiled := "".join(sql).strip().rstrip(";").rstrip()):
        raise ValueError(f"statement {name} is empty")
    return Statement(name, compiled, tuple(parameters))


def _written_out(text: str, wording: Wording) -> str:
    """The statement with its lists of columns and rows written out."""
    if ":columns(" in text or ":key" in text:
        text = with_columns(text)
    if ":rows" in text:
        text = with_rows(text, wording.arrays)
    if "IN [" in text:
        text = with_look_ups(text, wording.arrays)
    if wording.arrays is None and "\nFOR " in text:
        text = without_lock(text)
    return text


def _worded(before: str, wording: Wording) -> tuple[str, str]:
    """A parameter and the text before it, whose last word says whether it is a list."""
    if before[-2:-1] in "=<>,":  # most of them
        return before, wording.placeholder
    text = before.rstrip()
    if text.endswith((" IN", "\nIN")):
        return text.removesuffix("IN"), wording.member
    return before, wording.items if text.endswith((" FROM", "\nFROM")) else wording.placeholder


def load_statements(
    files: Sequence[str], required: Sequence[str], wording: Wording
) -> Mapping[str, Statement]:
    """Compile the required statements from the texts of files. A statement of a later file replaces
    one of an earlier file.
    """
    texts: dict[str, str] = {}
    for file in files:
        texts |= parse(file)
    return compile_all(texts, required, wording)


def compile_all(
    texts: Mapping[str, str], required: Sequence[str], wording: Wording
) -> Mapping[str, Statement]:
    """Compile the required statements.

    A missing statement and a statement that is not required are errors: both are typing mistakes,
    which would otherwise be noticed late or never.
    """
    if missing := sorted(set(required) - texts.keys()):
        raise LookupError(f"statements without SQL: {', '.join(missing)}")
    if unknown := sorted(texts.keys() - set(required)):
        raise LookupError(f"SQL of unknown statements: {', '.join(unknown)}")
    return {name: compile_statement(name, texts[name], wording) for name in required}


def _tokens(name: str, text: str) -> Iterator[tuple[str, str]]:
    """Cut a statement into (kind, text); kind is ``parameter``, ``comment`` or ``plain``."""
    end = 0
    for match in _TOKEN.finditer(text):
        yield "plain", _closed(name, text[end : match.start()])
        if (parameter := match["parameter"]) is not None:
            yield "parameter", parameter
        else:
            token = match[0]
            yield "comment" if token.startswith(("--", "/*")) else "plain", token
        end = match.end()
    yield "plain", _closed(name, text[end:])


def _closed(name: str, plain: str) -> str:
    """Refuse a quote or a comment that never ends: parameters after it cannot be recognised."""
    if "'" in plain or '"' in plain or "/*" in plain:
        raise ValueError(f"statement {name} has a quote or a comment that is not closed")
    return plain


def _without_comments(text: str) -> str:
    return "".join(token for kind, token in _tokens("?", text) if kind != "comment").strip(" \n;")
