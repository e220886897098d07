"""The filter of an address: its terms as tokens, each with the filter that is left without it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from cloaca_core.errors import FilterError
from cloaca_core.values.states import RunStatus
from cloaca_tools.views.lists.filters import KEYS, Filter, Term, parse

HINTS: Final = (
    *[f"status:{str(each).lower()}" for each in RunStatus],
    *[f"-status:{str(each).lower()}" for each in RunStatus],
    *[f"{key}:" for key in KEYS if key not in ("status", "tag")],
    "since:1h",
    "since:24h",
    "tag.",
)
"""Completions of the input."""


@dataclass(frozen=True, slots=True)
class Token:
    """A term as it is shown; ``without`` is the text of the other ones."""

    key: str
    value: str
    without: str


@dataclass(frozen=True, slots=True)
class FilterLine:
    """``filter`` are the terms that can be read, ``text`` is the filter as an address has it.
    ``typed`` could not be read, for the reason ``error``; both are empty otherwise.
    """

    filter: Filter
    typed: str = ""
    error: str = ""

    @property
    def text(self) -> str:
        """The terms, as an address has them."""
        return str(self.filter)

    @property
    def tokens(self) -> tuple[Token, ...]:
        """The terms, as they are shown."""
        terms = self.filter.terms
        return tuple(
            [
                Token(_key(each), ", ".join(each.values), str(Filter(terms[:n] + terms[n + 1 :])))
                for n, each in enumerate(terms)
            ]
        )

    def telling(self, act: str, by: str, words: str) -> tuple[Token, ...]:
        """The terms, as they are shown, where an act and who has asked for it are told in words."""
        merged = (Term("act", (act,)), Term("by", (by,)))
        rest = FilterLine(Filter(tuple([each for each in self.filter.terms if each not in merged])))
        others = [
            token
            for token, term in zip(self.tokens, self.filter.terms, strict=True)
            if term not in merged
        ]
        return (Token("act:", words, rest.text), *others)

    @property
    def words(self) -> list[str]:
        """The terms, each a word of a command line."""
        return [str(each) for each in self.filter.terms]

    def with_tag(self, key: str, value: str) -> str:
        """The text of the filter with one more term."""
        term = Term("tag", (value,), tag=key)
        return str(Filter(tuple(dict.fromkeys((*self.filter.terms, term)))))

    def with_only(self, *terms: Term, keys: Collection[str] = ()) -> str:
        """The text of the filter with these terms in place of others of their keys, and of
        ``keys``; terms with ``-`` stay.
        """
        replaced = {(term.key, term.tag) for term in terms} | {(key, None) for key in keys}
        kept = [
            each
            for each in self.filter.terms
            if each.negated or (each.key, each.tag) not in replaced
        ]
        return str(Filter((*kept, *terms)))

    def without(self, key: str, tag: str | None = None) -> str:
        """The text of the filter without terms of a key; terms with ``-`` stay."""
        terms = self.filter.terms
        return str(
            Filter(
                tuple(
                    [each for each in terms if each.negated or (each.key, each.tag) != (key, tag)]
                )
            )
        )

    def chosen(self, key: str, tag: str | None = None) -> tuple[str, ...]:
        """The values that the filter names for a key; none without a term of that key."""
        terms = [each for each in self.filter.terms if (each.key, each.tag) == (key, tag)]
        return tuple([value for each in terms if not each.negated for value in each.values])

    def workflow(self) -> str:
        """The one workflow that the filter is about; "" if there is none, or several."""
        found = [each for each in self.filter.terms if each.key == "workflow" and not each.negated]
        return found[0].values[0] if len(found) == 1 and len(found[0].values) == 1 else ""


def filter_line(texts: Sequence[str]) -> FilterLine:
    """The filter of the texts of an address: what was there before, and what was typed last.

    If both together cannot be read, the earlier ones stay and the typed one is told as wrong.
    """
    given = [text.strip() for text in texts if text.strip()]
    try:
        return FilterLine(_unique(" ".join(given)))
    except FilterError as error:
        before = " ".join(given[:-1])
        return FilterLine(_readable(before), given[-1], str(error))


def _readable(text: str) -> Filter:
    try:
        return _unique(text)
    except FilterError:
        return Filter()


def _unique(text: str) -> Filter:
    return Filter(tuple(dict.fromkeys(parse(text).terms)))


def _key(term: Term) -> str:
    tag = "" if term.tag is None else f".{term.tag}"
    return f"{'-' if term.negated else ''}{term.key}{tag}:"
