"""The result of an act on many runs, shown on the page that comes after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cloaca_core.values.wording import counted
from cloaca_tools.ui.paths import number_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloaca_core.views.history import Action
    from cloaca_tools.ui.words.clock import Clock

PAST: Final[Mapping[str, str]] = {
    "retry": "begun again",
    "pause": "paused",
    "resume": "resumed",
    "cancel": "cancelled",
}
"""The acts, and the words for their results."""


@dataclass(frozen=True, slots=True)
class BulkDone:
    """An act on many runs: how many of them it has changed, and how many it could not."""

    kind: str
    changed: int
    refused: int

    def __str__(self) -> str:
        verb = "is" if self.changed == 1 else "are"
        text = f"{counted(self.changed, 'run')} {verb} {PAST[self.kind]}."
        if self.refused:
            text += f" {counted(self.refused, 'run')} had changed before."
        return text


def act_words(act: Action, runs: str, clock: Clock) -> str:
    """An act on many runs, as the list of these names it: ``retry of 12 runs at 14:03 by ann``."""
    of = f" of {runs} run{'' if runs == '1' else 's'}" if runs else ""
    return f"{act.kind}{of} at {clock.minute(act.at)} by {act.by}"


def bulk_done(query: Mapping[str, str]) -> BulkDone | None:
    """The act that an address tells of by its parameters; None if it tells of none."""
    kind = query.get("done", "")
    if kind not in PAST or "changed" not in query:
        return None
    return BulkDone(kind, number_in(query, "changed"), number_in(query, "refused"))
