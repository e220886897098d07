"""The queues that the tasks of a run ask for, where its runner does not serve all. Only data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from cloaca_core.run.items.units import TASK
from cloaca_core.values.queue_names import most_asked

if TYPE_CHECKING:
    from cloaca_core.run.restore import Resume


class Route:
    """``queues`` has the queue of each task. ``elsewhere`` are ready tasks that may not begin
    here. ``is_served`` says whether a living runner serves a queue.
    """

    __slots__ = ("elsewhere", "is_reviewed", "is_served", "queues")

    def __init__(self, queues: Sequence[str], is_served: Callable[[str], bool]) -> None:
        self.queues: Sequence[str] = queues
        self.elsewhere: dict[int, Resume] = {}
        self.is_served: Callable[[str], bool] = is_served
        self.is_reviewed: bool = False

    def take(self) -> Mapping[int, Resume]:
        """Forget the tasks that were kept, and return them."""
        taken, self.elsewhere = self.elsewhere, {}
        return taken

    def next(self) -> str:
        """The queue to which the run moves."""
        return next_queue(
            [self.queues[unit & TASK] for unit in sorted(self.elsewhere)], self.is_served
        )


def next_queue(ready: Iterable[str], is_served: Callable[[str], bool]) -> str:
    """Return the queue to which a run moves, by the queues of its ready tasks: the most frequent
    queue that a living runner serves, or the most frequent one if no queue is served.
    """
    asked = list(ready)
    return most_asked([queue for queue in asked if is_served(queue)] or asked)
