"""Hands the end of a child run to its parent, if this runner owns both.

The message of the end has no number yet. The parent takes it in the commit that ends its wait. If
no wait can take it now, or another runner owns the parent, the steering loop of a runner numbers
the message.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cloaca_core.features.child_runs.rows import message_of_end
from cloaca_core.features.waits.open_waits import open_waits

if TYPE_CHECKING:
    from cloaca_core.engine.orchestrate.orchestrator import Orchestrator
    from cloaca_core.engine.subjects import Subjects
    from cloaca_core.features.waits.waits import Waits
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.rows import RunRow


class ChildEnds:
    """Belongs to the engine's loop. The ends of one commit are checked together: a parent may have
    thousands of waits.
    """

    def __init__(self, kernel: Orchestrator, waits: Waits, subjects: Subjects) -> None:
        self._kernel = kernel
        self._waits = waits
        self._number_messages = subjects.steered.publish
        self._loop = asyncio.get_running_loop()
        self._hearing: set[ActiveRun] = set()
        subjects.child_ended.subscribe(self._ended)

    def _ended(self, row: RunRow) -> None:
        """The end of a child is durable."""
        parent = self._kernel.runs.get(row.parent_id or "")
        if parent is None or parent.waits is None:
            self._number_messages()
            return
        open_waits(parent).unread.hear(message_of_end(row))
        if parent not in self._hearing:
            self._hearing.add(parent)
            self._loop.call_soon(self._check, parent)

    def _check(self, parent: ActiveRun) -> None:
        self._hearing.discard(parent)
        self._kernel.guarded(parent, self._waits.check, parent)
        if open_waits(parent).unread.drop_unnumbered():
            self._number_messages()
