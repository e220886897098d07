"""Has parents told of the ends of child runs that this runner has written.

A message of an end has no number yet. Other runners find it at their next beat.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloaca_core.engine.runtime import failpoints

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloaca_core.engine.orchestrate.active_runs import ActiveRuns
    from cloaca_core.engine.subjects import Subjects
    from cloaca_core.run.active_run import ActiveRun


class ChildEnds:
    """Belongs to the engine's loop. ``read`` begins to read the messages of a run of ours that wait
    for a number, and returns whether it did.
    """

    def __init__(
        self, runs: ActiveRuns, read: Callable[[ActiveRun], bool], subjects: Subjects
    ) -> None:
        self._runs = runs
        self._read = read
        self._subjects = subjects
        subjects.child_ended.subscribe(self._ended)

    def _ended(self, child: ActiveRun) -> None:
        if failpoints.watches:
            failpoints.hit("child.after_end")
        parent = None if child.row.parent_id is None else self._runs.get(child.row.parent_id)
        if parent is None or not self._read(parent):
            self._subjects.steered.publish()
