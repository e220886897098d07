"""The time range of a filter: presets, and two fields that a form without a script sends. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from cloaca_core.values.times.instants import from_datetime
from cloaca_core.values.times.rfc3339 import rfc3339
from cloaca_tools.ui.forms.filter_line import FilterLine
from cloaca_tools.views.lists.filters import Term
from cloaca_tools.views.lists.moments import read_moment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloaca_tools.ui.words.clock import Clock

FROM: Final = "from"
UNTIL: Final = "to"
KEYS: Final = ("since", "until")


class Preset(NamedTuple):
    """A range that is offered: the text of the filter with it, and whether it is that of the
    filter.
    """

    label: str
    text: str
    is_here: bool


class TimeRange(NamedTuple):
    """The range of a filter as a page shows it. ``begins`` and ``ends`` are as the fields have
    them, in the reader's zone, empty for none. ``others`` is the text of the filter without it.
    """

    label: str
    presets: tuple[Preset, ...]
    begins: str
    ends: str
    others: str


def time_range(line: FilterLine, clock: Clock) -> TimeRange:
    """The range of a filter."""
    since, until = (line.chosen(key)[-1:] for key in KEYS)
    offered = {
        "Last hour": ("1h", None),
        "Last 24 hours": ("24h", None),
        "Today": (clock.midnight(), None),
        "Yesterday": (clock.midnight(1), clock.midnight()),
        "Last 7 days": ("7d", None),
    }
    presets = [
        Preset("Any time", line.with_only(keys=KEYS), is_here=not since and not until),
        *[
            Preset(
                label,
                line.with_only(*_terms(*bounds), keys=KEYS),
                is_here=(*since, *until) == tuple([each for each in bounds if each]),
            )
            for label, bounds in offered.items()
        ],
    ]
    here = [each.label for each in presets if each.is_here]
    return TimeRange(
        label=here[0] if here else "Chosen time",
        presets=tuple(presets),
        begins=_field(since, clock),
        ends=_field(until, clock),
        others=line.with_only(keys=KEYS),
    )


def entered_range(line: FilterLine, given: Mapping[str, str], clock: Clock) -> str | None:
    """The text of the filter with the range of a form; None unless ``given`` is such a form. A text
    that is no time stands in the filter as it is, where its error is shown.
    """
    if FROM not in given and UNTIL not in given:
        return None
    bounds = [_entered(given.get(name, ""), clock) for name in (FROM, UNTIL)]
    return line.with_only(*_terms(*bounds), keys=KEYS)


def _entered(text: str, clock: Clock) -> str | None:
    if not text.strip():
        return None
    at = clock.instant(text.strip())
    return text.strip() if at is None else at.isoformat(timespec="minutes")


def _terms(since: str | None, until: str | None) -> list[Term]:
    bounds = zip(KEYS, (since, until), strict=True)
    return [Term(key, (value,)) for key, value in bounds if value is not None]


def _field(values: tuple[str, ...], clock: Clock) -> str:
    """A bound of the filter as a field has it; "" for none."""
    now = from_datetime(clock.now)
    at = read_moment(values[0], now) if values else None
    return "" if at is None else clock.written(rfc3339(at))
