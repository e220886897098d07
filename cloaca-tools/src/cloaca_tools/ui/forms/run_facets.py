"""Facets of the list of runs: values to choose from, each with its count and its filter. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from cloaca_core.values.queue_names import DEFAULT_QUEUE
from cloaca_core.values.states import RunStatus
from cloaca_tools.ui.forms.filter_line import FilterLine
from cloaca_tools.views.lists.filters import Term

if TYPE_CHECKING:
    from cloaca_tools.views import Facets

MOST: Final = 20
"""Values that a facet offers, the most frequent."""


class Value(NamedTuple):
    """A value of a facet: ``text`` is the filter with it, without it where it ``is_chosen``.
    ``runs`` have it; 0 where that is not known.
    """

    label: str
    text: str
    runs: int
    is_chosen: bool


class RunFacet(NamedTuple):
    """A facet: ``chosen`` names the values that the filter has of it, "" for none."""

    name: str
    values: tuple[Value, ...]
    chosen: str


def run_facets(
    line: FilterLine, found: Facets, masked: Callable[[Mapping[str, str]], Mapping[str, Any]]
) -> tuple[RunFacet, ...]:
    """The facets that a page offers; a facet without a choice is left out. ``masked`` hides values
    of tags that are secret: these are not offered.
    """
    counts = dict(found.statuses)
    states = [(str(each), counts.get(str(each), 0)) for each in RunStatus]
    queues = found.queues if any(name != DEFAULT_QUEUE for name, _ in found.queues) else ()
    facets = [
        _facet(line, "State", "status", states),
        _facet(line, "Workflow", "workflow", found.workflows),
        _facet(line, "Queue", "queue", queues),
        _tags(line, found, masked),
    ]
    return tuple([each for each in facets if each.values])


def _facet(line: FilterLine, name: str, key: str, counts: Sequence[tuple[str, int]]) -> RunFacet:
    chosen = line.chosen(key)
    known = [value for value, _ in counts]
    all_of_them = [*counts, *[(value, 0) for value in chosen if value not in known]]
    values = [
        _value(line, Term(key, (value,)), value, count, is_chosen=value in chosen)
        for value, count in all_of_them[:MOST]
    ]
    return RunFacet(name, tuple(values), ", ".join(chosen))


def _tags(
    line: FilterLine, found: Facets, masked: Callable[[Mapping[str, str]], Mapping[str, Any]]
) -> RunFacet:
    values = [
        _value(
            line,
            Term("tag", (value,), tag=key),
            f"{key}={value}",
            count,
            is_chosen=value in line.chosen("tag", key),
        )
        for (key, value), count in found.tags[:MOST]
        if masked({key: value}).get(key) == value
    ]
    chosen = [each.label for each in values if each.is_chosen]
    return RunFacet("Tag", tuple(values), ", ".join(chosen))


def _value(line: FilterLine, term: Term, label: str, count: int, *, is_chosen: bool) -> Value:
    text = line.without(term.key, term.tag) if is_chosen else line.with_only(term)
    return Value(label, text, count, is_chosen)
