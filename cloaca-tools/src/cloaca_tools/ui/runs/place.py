"""Where on the page of a run a visitor is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import parse_qsl, quote_plus, urlsplit

from cloaca_tools.ui.charts.choice import Choice
from cloaca_tools.ui.paths import Paths

VIEWS: Final = ("timeline", "graph", "table")
NOTHING_CHOSEN: Final = Choice()


@dataclass(frozen=True, slots=True)
class Place:
    """Where on the page of a run a visitor is; all of it is in the address. ``of`` is the run of
    the selected task if that is one below the run of the page.
    """

    paths: Paths
    run_id: str
    view: str
    task: str | None
    of: str
    fold: bool
    choice: Choice = NOTHING_CHOSEN

    def address(self, *, rows: int | None = None, at: str = "") -> str:
        """The address of this place; ``rows`` is a chunk to be sent, ``at`` when the run was seen
        whose chunk it is.
        """
        return self.paths.run(
            self.run_id,
            view=self.view,
            task=self.task,
            of=self.of,
            fold="" if self.fold else "off",
            only=",".join(self.choice.only),
            q=self.choice.find,
            sort=self.choice.sort,
            open=list(self.choice.opened),
            rows=None if rows is None else str(rows),
            at=at,
        )

    def of_task(self, run_id: str, task: str) -> str:
        """The address with another task selected."""
        return replace(self, task=task, of="" if run_id == self.run_id else run_id).address()

    def of_own_task(self, task: str) -> str:
        """The address with a task of the page's run selected."""
        return self.of_task(self.run_id, task)

    def to_own_tasks(self) -> Callable[[str], str]:
        """The same as ``of_own_task``, for thousands of tasks."""
        others = replace(self, task=None, of="").address()
        return lambda task: f"{others}&task={quote_plus(task)}"

    def of_view(self, view: str) -> str:
        """The address with another view; only the table is sorted."""
        sort = self.choice.sort if view == "table" else ""
        return replace(self, view=view, choice=replace(self.choice, sort=sort)).address()

    def of_state(self, state: str) -> str:
        """The address with the tasks of a state, too, or without them."""
        return self.choosing(self.choice.toggled(state))

    def of_all(self) -> str:
        """The address with all tasks."""
        return self.choosing(replace(self.choice, only=(), find=""))

    def unfolded(self, key: str) -> str:
        """The address with a fan-out unfolded, or folded again."""
        return replace(self, choice=self.choice.unfolded(key)).address()

    def sorted_by(self, column: str) -> str:
        """The address with the tasks in the order of a column."""
        return self.choosing(self.choice.sorted_by(column))

    def choosing(self, choice: Choice) -> str:
        """The address with other tasks listed. A graph lists none: the timeline does."""
        view = VIEWS[0] if self.view == "graph" else self.view
        return replace(self, view=view, choice=choice).address()

    def fields(self) -> list[tuple[str, str]]:
        """What the address has beside what is found, as the fields of a form."""
        found = self.choosing(replace(self.choice, find=""))
        return parse_qsl(urlsplit(found).query)

    def folded(self, *, fold: bool) -> str:
        """The address with long waits folded or not."""
        return replace(self, fold=fold).address()

    def is_at(self, run_id: str, task: str) -> bool:
        """Whether this task is the selected one."""
        return task == self.task and run_id == (self.of or self.run_id)
