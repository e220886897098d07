"""Rows of waits in the journal: opened, timed out, or closed with the memo of how they ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from cloaca_core.engine.record.weight import memo_weight, wait_weight
from cloaca_core.features.steps.records import MemoRow
from cloaca_core.features.waits.records import ClosedWait, WaitRow, WaitTimeout

if TYPE_CHECKING:
    from cloaca_core.engine.record.entries import Draft


_KEY: Final = ClosedWait._fields.index("message")
"""How many fields are the key of a wait."""


class WaitRows(NamedTuple):
    """What one entry writes of waits. ``memos`` are those by which bodies know how waits ended."""

    opened: Sequence[WaitRow] = ()
    timeouts: Sequence[WaitTimeout] = ()
    closed: Sequence[ClosedWait] = ()
    memos: Sequence[MemoRow] = ()

    def add_to(self, draft: Draft) -> None:
        """Put them into a batch. In a transaction waits are closed before others open, so one that
        opens and ends in the same batch is left out.
        """
        for ended in self.closed:
            draft.waits.pop(ended[:_KEY], None)
        for each in self.opened:
            draft.waits[each[:_KEY]] = each
        draft.timeouts.extend(self.timeouts)
        draft.closed.extend(self.closed)
        draft.memos.extend(self.memos)

    @property
    def weight(self) -> int:
        """About how many bytes they hold."""
        return sum(map(wait_weight, self.opened)) + sum(map(memo_weight, self.memos))
