"""The time-out of a wait in the journal: the table decides it, as it knows of all messages."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from cloaca_core.engine.record.run_entry import RunEntry, RunListener
from cloaca_core.features.waits.records import TIMEOUTS
from cloaca_core.features.waits.rows import WaitRows

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloaca_core.features.waits.records import WaitTimeout
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.store.batch import Committed


class TimeoutEntry(RunEntry):
    """``decided`` is called with whether the wait is over: not so if a message has come that its
    run has not seen.
    """

    __slots__ = ("_decided", "_timeout")

    def __init__(
        self,
        listener: RunListener,
        run: ActiveRun,
        timeout: WaitTimeout,
        decided: Callable[[bool], None],
    ) -> None:
        super().__init__(listener, run, [], None, beside=[WaitRows(timeouts=[timeout])])
        self._timeout = timeout
        self._decided = decided

    def settled(self, committed: Committed) -> None:
        self.then = partial(self._decided, self._timeout in committed.of(TIMEOUTS))
        super().settled(committed)
