"""Which acts are looked for, from what a caller names."""

from __future__ import annotations

from collections.abc import Collection

from cloaca_core.errors import ConfigTypeError, FilterError, ScheduleError
from cloaca_core.features.steering.records import ActMark, ActSearch
from cloaca_core.values.text import checked_text, is_storable
from cloaca_core.values.times.instants import read_instant


def search(
    by: str | None, kinds: Collection[str] | None, before: str | None, *, submissions: bool
) -> ActSearch:
    """The search for acts; errors as in ``Observer.actions``."""
    if isinstance(kinds, str):
        raise ConfigTypeError(f"kinds: a collection of names, not the text {kinds!r}")
    return ActSearch(
        by=None if by is None else checked_text("by", by),
        kinds=None if kinds is None else {checked_text("an item of kinds", each) for each in kinds},
        before=None if before is None else _mark(before),
        submissions=submissions,
    )


def _mark(before: object) -> ActMark:
    if not isinstance(before, str):
        raise ConfigTypeError(f"before must be a str, not {type(before).__name__}", field="before")
    at, _, rest = before.partition("/")
    act_id, slash, run_id = rest.rpartition("/")
    try:
        if slash and is_storable(before):
            return ActMark(read_instant("before", at), act_id, run_id)
    except ScheduleError:
        pass
    raise FilterError(f"before: {before!r:.80} is not the mark of an action", term=before)
