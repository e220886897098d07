"""The selected runs that an order can act on.

The states stand in ``features.steering.bulk``; here a filter is narrowed to them.
"""

from __future__ import annotations

from cloaca_core.features.steering.bulk import changed_states
from cloaca_tools.views.lists.filters import Filter, Term


def is_steerable(kind: str, status: str) -> bool:
    """Whether an order of this kind changes a run in this state."""
    return status in changed_states(kind)


def steerable(kind: str, filter_: Filter) -> Filter:
    """The filter, for runs in the states that the order changes; itself if it names states. A
    ``-status`` names none: it leaves out some of the runs that the order changes.
    """
    if any(term.key == "status" and not term.negated for term in filter_.terms):
        return filter_
    return Filter((*filter_.terms, Term("status", tuple(map(str, changed_states(kind))))))
