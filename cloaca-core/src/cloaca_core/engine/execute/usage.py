"""The use of the slots of a place for bodies at one moment. Only data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Usage(NamedTuple):
    """The slots of an executor. ``running`` bodies have one each, and so have ``abandoned`` bodies,
    which were given up and have not ended; ``waiting`` bodies wait for a slot. ``slots`` is 0 if
    the runner was not given this executor: its bodies are postponed.
    """

    slots: int
    running: int
    waiting: int
    abandoned: int


class SlotUse(NamedTuple):
    """The slots of a place for bodies; ``queued`` bodies wait for one."""

    used: int
    free: int
    queued: int


def load_of(places: Mapping[str, SlotUse]) -> tuple[int, int]:
    """The number of slots and how many are taken, of the places that are in use; of the first if
    none is.
    """
    all_places = list(places.values())
    used = [each for each in all_places if each.used] or all_places[:1]
    busy = sum(each.used for each in used)
    return busy + sum(each.free for each in used), busy
