"""The filter grammar: text becomes terms. One grammar for command line, page address and MCP.

    TERM = [-]key:value[,value…]        or a bare word, the beginning of an id

A run matches that meets every term. A term is met by any of its values; with ``-`` by none of
them. Values, and the KEY of ``tag.KEY``, are JSON strings where they hold spaces, commas or quotes.
What a term selects is not known here: ``search`` makes a search of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, NoReturn

from cloaca_core.errors import FilterError
from cloaca_core.values.arguments import nearest_name
from cloaca_core.values.states import RunStatus
from cloaca_core.values.text import is_storable
from cloaca_tools.views.lists.moments import is_moment

KEYS: Final = (
    "status",
    "workflow",
    "queue",
    "tag",
    "since",
    "until",
    "ended-since",
    "task",
    "error",
    "parent",
    "by",
    "act",
    "id",
)
SINGLE: Final = ("since", "until", "ended-since")
"""Keys of which a term has one value and no ``-``."""

NO_PARENT: Final = "none"
"""The value of ``parent`` for runs at the top of their trees."""
ANY_PARENT: Final = "any"
"""The value of ``parent`` for all runs, below others or not."""

_PLAIN: Final = re.compile(r'[^\s,":-][^\s,":]*')
_KEY: Final = re.compile(r"[A-Za-z_]+(?:-[A-Za-z]+)*")
_ID: Final = re.compile(r"[0-9a-f-]+", re.IGNORECASE)
_STATUSES: Final = {str(status).lower(): str(status) for status in RunStatus}
_LONGEST: Final = 1_000
MOST_TERMS: Final = 100
"""Terms of a text at most."""


@dataclass(frozen=True, slots=True)
class Term:
    """One condition. ``tag`` is the KEY of ``tag.KEY``; ``str`` gives its text again."""

    key: str
    values: tuple[str, ...]
    negated: bool = False
    tag: str | None = None

    def __str__(self) -> str:
        key = self.key if self.tag is None else f"{self.key}.{_quoted(self.tag)}"
        values = ",".join([_quoted(value) for value in self.values])
        return f"{'-' if self.negated else ''}{key}:{values}"


@dataclass(frozen=True, slots=True)
class Filter:
    """Terms that must all be met; without any it matches every run. ``str`` gives its text."""

    terms: tuple[Term, ...] = ()

    def __str__(self) -> str:
        return " ".join(map(str, self.terms))


def listed(filter_: Filter) -> Filter:
    """The filter of a list: without a term it shows the runs at the top, which open to those below
    them.
    """
    return filter_ if filter_.terms else Filter((Term("parent", (NO_PARENT,)),))


def parse(*texts: str) -> Filter:
    """The filter of these texts: each is one term, a single one may hold several, with spaces
    between them. ``FilterError`` (a ValueError) names the term that is wrong.
    """
    for text in texts:
        if not isinstance(text, str):
            raise FilterError(f"a term must be a str, not {type(text).__name__}", term=repr(text))
    if len(texts) == 1:
        return Filter(tuple(_terms(texts[0])))
    return Filter(tuple([_Reader(text, spaces=True).only() for text in texts]))


def _terms(text: str) -> Iterator[Term]:
    reader, number = _Reader(text, spaces=False), 0
    while reader.more():
        number += 1
        if number > MOST_TERMS:
            raise FilterError(f"a filter has at most {MOST_TERMS} terms", term=f"{text:.80}")
        yield reader.term()


class _Reader:
    """Reads terms from a text. With ``spaces`` they are part of values: the text is one term."""

    def __init__(self, text: str, *, spaces: bool) -> None:
        if not is_storable(text) or len(text) > _LONGEST * 10:
            raise FilterError(f"{text!r:.80} cannot be a filter", term=text)
        self._text = text.strip()
        self._at = 0
        self._spaces = spaces

    def more(self) -> bool:
        """Whether another term follows; goes to its beginning."""
        while self._at < len(self._text) and self._text[self._at].isspace():
            self._at += 1
        return self._at < len(self._text)

    def only(self) -> Term:
        """The term that is the whole text."""
        if not self._text:
            raise FilterError("a term is empty", term="")
        term = self.term()
        if self._at < len(self._text):
            self._refuse(f"{self._text!r:.80} goes on after a quoted value")
        return term

    def term(self) -> Term:
        """The next term."""
        negated = self._take("-")
        start = self._at
        found = _KEY.match(self._text, start)
        if found is None or self._text[found.end() : found.end() + 1] not in (":", "."):
            return self._id(negated)
        self._at = found.end()
        key = _known_key(found.group(), self._text)
        tag = self._tag(key)
        if not self._take(":"):
            self._refuse(f"{key} needs a value: {key}:…")
        return _checked(Term(key, tuple(self._values()), negated, tag), self._text)

    def _id(self, negated: bool) -> Term:
        value = self._value()
        if _ID.fullmatch(value) is None:
            self._refuse(
                f"{value!r:.80} is no key with a value, nor the beginning of an id; keys are "
                f"{', '.join(KEYS)}, and a value with spaces is written in double quotes"
            )
        return Term("id", (value.lower(),), negated)

    def _tag(self, key: str) -> str | None:
        if key != "tag":
            if self._text[self._at] == ".":
                self._refuse(f"{key} has no parts: only tag.KEY has")
            return None
        if not self._take("."):
            self._refuse("tag needs the key of a tag: tag.KEY:value")
        if self._at < len(self._text) and self._text[self._at] == '"':
            return self._string()
        end = self._text.find(":", self._at)
        tag = self._text[self._at : end if end >= 0 else len(self._text)]
        if not tag or (not self._spaces and any(map(str.isspace, tag))):
            self._refuse("tag needs the key of a tag: tag.KEY:value")
        self._at += len(tag)
        return tag

    def _values(self) -> Iterator[str]:
        yield self._value()
        while self._take(","):
            yield self._value()

    def _value(self) -> str:
        if self._text[self._at : self._at + 1] == '"':
            return self._string()
        end = self._at
        while end < len(self._text) and not self._ends_value(self._text[end]):
            end += 1
        value = self._text[self._at : end].strip()
        if not value:
            self._refuse(f'{self._text!r:.80} has an empty value; write an empty text as ""')
        self._at = end
        return value

    def _ends_value(self, sign: str) -> bool:
        return sign == "," or (not self._spaces and sign.isspace())

    def _string(self) -> str:
        try:
            value, end = json.JSONDecoder().raw_decode(self._text, self._at)
        except ValueError:
            self._refuse(
                f"{self._text[self._at :]!r:.80} begins with a quote and is no JSON string"
            )
        self._at = end
        if self._text[end : end + 1] not in ("", ",", ":") and not self._text[end].isspace():
            self._refuse(f"{self._text!r:.80} goes on after a quoted value")
        if not is_storable(value):
            self._refuse(f"{value!r:.80} cannot be a value")
        return str(value)

    def _take(self, sign: str) -> bool:
        if not self._text.startswith(sign, self._at):
            return False
        self._at += len(sign)
        return True

    def _refuse(self, message: str) -> NoReturn:
        raise FilterError(message, term=self._text)


def _known_key(written: str, text: str) -> str:
    """The key as it is listed; its case does not matter."""
    key = written.lower()
    if key not in KEYS:
        near = nearest_name(key, KEYS)
        hint = f" (did you mean {near}?)" if near else ""
        raise FilterError(f"no key {written!r}{hint}; keys are {', '.join(KEYS)}", term=text)
    return key


def _checked(term: Term, text: str) -> Term:
    """The term with its values in the form in which they are compared."""
    if term.key in SINGLE:
        if term.negated or len(term.values) > 1:
            raise FilterError(f"{term.key} takes one instant and no -", term=text)
        if not is_moment(term.values[0]):
            raise FilterError(
                f"{term.key} must be a time ago such as 2h or 1d12h, a date, or a date and time "
                f"with an offset, got {term.values[0]!r:.80}",
                term=text,
            )
    if term.key == "status":
        return replace(term, values=tuple([_status(each, text) for each in term.values]))
    if term.key == "id":
        return replace(term, values=tuple([each.lower() for each in term.values]))
    return term


def _status(value: str, text: str) -> str:
    if (known := _STATUSES.get(value.lower())) is not None:
        return known
    near = nearest_name(value.lower(), _STATUSES)
    hint = f" (did you mean {_STATUSES[near]}?)" if near else ""
    raise FilterError(f"no state {value!r:.80}{hint}; states are {', '.join(RunStatus)}", term=text)


def _quoted(value: str) -> str:
    """The value as it is written in a term."""
    if _PLAIN.fullmatch(value) is not None or is_moment(value):
        return value
    return json.dumps(value, ensure_ascii=False)
