"""The result of an act on many runs, shown on the page that comes after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cloaca_core.values.wording import counted
from cloaca_tools.ui.paths import number_in

if TYPE_CHECKING:
    from collections.abc import Mapping

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


def bulk_done(query: Mapping[str, str]) -> BulkDone | None:
    """The act that an address tells of by its parameters; None if it tells of none."""
    kind = query.get("done", "")
    if kind not in PAST or "changed" not in query:
        return None
    return BulkDone(kind, number_in(query, "changed"), number_in(query, "refused"))
