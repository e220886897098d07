"""The plan of a retry or a fork, as users see it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PlanItem:
    """A task in a ``Plan``, with the reason."""

    task: str
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of a retry or fork, in definition order.

    The records of ``keep`` count on, the tasks of ``run`` run again, ``drop`` are tasks that the
    run has records of and its workflow has no more. ``print(plan)`` shows a line for each.
    """

    keep: tuple[PlanItem, ...]
    run: tuple[PlanItem, ...]
    drop: tuple[PlanItem, ...]

    def __str__(self) -> str:
        kinds = (("keep", self.keep), ("run", self.run), ("drop", self.drop))
        lines = [(kind, item) for kind, items in kinds for item in items]
        first = max((len(kind) for kind, _ in lines), default=0)
        second = max((len(item.task) for _, item in lines), default=0)
        return "\n".join(
            f"{kind:{first}}  {item.task:{second}}  {item.reason}" for kind, item in lines
        )
