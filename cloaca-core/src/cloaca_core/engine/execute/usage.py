"""How the slots of a place for bodies are used at a moment. Only data."""

from __future__ import annotations

from typing import NamedTuple


class Usage(NamedTuple):
    """The slots of an executor: ``running`` bodies have one each, and so have ``abandoned`` ones,
    which were given up and have not ended; ``waiting`` ones wait for a slot. ``slots`` is 0 if the
    runner was not given this executor: its bodies are put off.
    """

    slots: int
    running: int
    waiting: int
    abandoned: int


class SlotUse(NamedTuple):
    """How the slots of a place for bodies are used; ``queued`` bodies wait for one."""

    used: int
    free: int
    queued: int
