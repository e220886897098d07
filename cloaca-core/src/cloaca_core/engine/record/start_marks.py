"""Start marks: rows that name the bodies that run, in case their process dies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloaca_core.engine.execute.attempt import Attempt
from cloaca_core.engine.record import attempt_rows

if TYPE_CHECKING:
    from cloaca_core.engine.execute.executor import Executor
    from cloaca_core.run.rows import AttemptRow


class StartMarks:
    """Belongs to the engine's loop."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def running(self) -> list[Attempt]:
        """The attempts whose bodies run right now."""
        return [work for work in self._executor.running() if isinstance(work, Attempt)]

    def take(self) -> list[AttemptRow]:
        """The marks that are due, of bodies that run and have none yet; they count as written."""
        if not (running := self.running()):
            return []
        due = [a for a in running if a.holds_slot and not (a.marked or a.abandoned)]
        rows = [attempt_rows.start_mark(attempt) for attempt in due]
        for attempt in due:  # last: none is lost if its row cannot be made
            attempt.marked = True
        return rows

    @property
    def are_coming(self) -> bool:
        """Whether a body is about to begin, so that its mark will be due soon."""
        return self._executor.is_starting
