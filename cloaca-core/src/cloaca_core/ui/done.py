"""What an act on many runs has done, told on the page that comes after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cloaca_core.ui.words import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloaca_core.ui.asking import Ask

PAST: Final[Mapping[str, str]] = {
    "retry": "begun again",
    "pause": "paused",
    "resume": "resumed",
    "cancel": "cancelled",
}
"""The acts, and how what they have done is told."""
_DIGITS: Final = 9


@dataclass(frozen=True, slots=True)
class Done:
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


def done_of(ask: Ask) -> Done | None:
    """What the address says has been done."""
    kind, changed, refused = [ask.query(name) for name in ("done", "changed", "refused")]
    if kind not in PAST or not _is_number(changed):
        return None
    return Done(kind, int(changed), int(refused) if _is_number(refused) else 0)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= _DIGITS
