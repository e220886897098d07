"""A run as ``runs show`` and the tool ``get_run`` show it: all about it, its tasks and children."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cloaca_core.values.payloads.json_forms import Shown
from cloaca_core.views.history import in_order, runner_of, submitter
from cloaca_tools.views.run import inspection
from cloaca_tools.views.run.tree import RunTree

if TYPE_CHECKING:
    from cloaca_core.assembly.onlooker import Looks
    from cloaca_core.store.runner_rows import RunnerName
    from cloaca_tools.views.run.inspection import Evidence


@dataclass(frozen=True, slots=True)
class RanIn(Shown):
    """A runner that has run attempts of a run: its id, its ``process`` and that one's host."""

    runner: str
    process: int
    host: str


@dataclass(frozen=True, slots=True)
class ShownRun(Shown):
    """A run's ``tree``, whose run is as ``Observer.run`` has it; who has submitted it, None if that
    was not said; and the runners that have run its attempts, by the tasks.
    """

    tree: RunTree
    submitted_by: str | None
    ran_in: tuple[RanIn, ...]

    def to_dict(self) -> dict[str, Any]:
        """The fields of the run, of the other facts and of the tree, side by side."""
        form = self.tree.to_dict()
        ran_in = [each.to_dict() for each in self.ran_in]
        return {**form.pop("run"), "submitted_by": self.submitted_by, "ran_in": ran_in, **form}


async def read(engine: Looks, run_id: str, depth: int) -> tuple[Evidence, Sequence[RunnerName]]:
    """A run, those below it, and the names of its runners; runs on the engine's loop."""
    found = await inspection.read(engine, run_id, depth)
    return found, await engine.reader.names(found.view.attempts)


def shown_run(answer: tuple[Evidence, Sequence[RunnerName]]) -> ShownRun:
    """Shape what was read."""
    found, names = answer
    by_number = {name.number: name for name in names}
    runners = [runner_of(by_number, row) for row in in_order(found.view.attempts, found.view.tasks)]
    ran_in = dict.fromkeys([RanIn(each.id, each.process, each.host) for each in runners if each])
    return ShownRun(inspection.tree_of(found), submitter(found.acts), tuple(ran_in))
