"""Rows that ride with a commit: no body waits for them, and a refused batch leaves them out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloaca_core._engine.record.log_book import AttemptLines
    from cloaca_core.records.runs import AttemptRow


class Riders(NamedTuple):
    """Start marks of bodies, and what bodies have logged."""

    marks: Sequence[AttemptRow] = ()
    lines: Sequence[AttemptLines] = ()

    @property
    def are_any(self) -> bool:
        """Whether there is a row at all."""
        return bool(self.marks or self.lines)


NO_RIDERS: Final = Riders()
