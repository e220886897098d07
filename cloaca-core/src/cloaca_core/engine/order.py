"""A caller's request about runs, and its text for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cloaca_core.values.text import storable_text

PAST: Final = {
    "cancel": "cancelled",
    "pause": "paused",
    "resume": "resumed",
    "retry": "retried",
    "fork": "forked",
}
"""The kinds of orders, and the past participle for the text about each."""


@dataclass(frozen=True, slots=True)
class Order:
    """A request to steer runs: ``kind`` is cancel, pause, resume, retry or fork; ``asked_by`` names
    the caller. ``act_id`` is the id of its act; None makes a new id for each act of the order.
    """

    kind: str
    asked_by: str
    reason: str | None
    act_id: str | None = None

    def because(self) -> str:
        """The text that people read on the run, such as "paused by ann: disk full"."""
        text = f"{PAST[self.kind]} by {self.asked_by}"
        return storable_text(text if self.reason is None else f"{text}: {self.reason}")
