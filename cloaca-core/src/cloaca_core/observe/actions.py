"""Which acts are looked for, from what a caller names."""

from __future__ import annotations

from collections.abc import Collection

from cloaca_core.errors import ConfigTypeError, FilterError, ScheduleError
from cloaca_core.records.steering import ActMark, ActSearch
from cloaca_core.values.instants import read_instant


def search(
    by: str | None, kinds: Collection[str] | None, before: str | None, *, submissions: bool
) -> ActSearch:
    """The search for acts; errors as those of ``Observer.actions``."""
    if isinstance(kinds, str):
        raise ConfigTypeError(f"kinds: a collection of names, not the text {kinds!r}")
    mark = None if before is None else _mark(before)
    return ActSearch(by, None if kinds is None else frozenset(kinds), mark, submissions)


def _mark(text: str) -> ActMark:
    at, _, rest = text.partition("/")
    act_id, slash, run_id = rest.rpartition("/")
    try:
        if slash:
            return ActMark(read_instant("before", at), act_id, run_id)
    except ScheduleError:
        pass
    raise FilterError(f"before: {text!r:.80} is not the mark of an action", term=text)
