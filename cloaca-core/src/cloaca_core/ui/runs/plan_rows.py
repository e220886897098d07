"""The plan of a retry or a fork as rows, and the command line that does the same. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from cloaca_core.runner.results import Plan

Act: TypeAlias = Literal["retry", "fork"]
KEPT_SHOWN: Final = 12
"""Tasks that are kept and show at first."""
RUN_SHOWN: Final = 100
"""Tasks that run and show at first."""
_BY_ITSELF: Final = "failed"
_CHOSEN: Final = "chosen"


@dataclass(frozen=True, slots=True)
class PlanRow:
    """A task: its ``verdict`` and why. One that ``is_free`` may be chosen, or left out."""

    task: str
    verdict: Literal["run", "keep", "drop"]
    why: str
    status: str
    is_free: bool


@dataclass(frozen=True, slots=True)
class PlanShown:
    """A plan. ``chosen`` are the tasks that the plan was asked for, or (``by_default``) those that
    failed, and ``unseen`` those of them without a row. ``hidden`` counts kept tasks without a row,
    ``hidden_run`` those that run, ``count`` all that run. ``drawn`` is how each stands in the
    graph.
    """

    act: Act
    rows: tuple[PlanRow, ...]
    hidden: int
    hidden_run: int
    unseen: tuple[str, ...]
    count: int
    kept: int
    dropped: int
    chosen: tuple[str, ...]
    by_default: bool
    names: tuple[str, ...]
    command: str
    drawn: Mapping[str, str]

    @property
    def says(self) -> str:
        """What the button does: ``Run 3, keep 14``."""
        return f"{'Run' if self.act == 'retry' else 'Fork, run'} {self.count:,}, keep {self.kept:,}"


def shown(
    act: Act,
    plan: Plan,
    statuses: Mapping[str, str],
    run_id: str,
    chosen: Sequence[str] = (),
    *,
    everything: bool = False,
) -> PlanShown:
    """The plan of an act on a run whose tasks have these states. Rows: first those that run, then
    those that are dropped, then those that are kept, chosen ones before others.
    """
    by_default = act == "retry" and not chosen
    if by_default:
        chosen = [each.task for each in plan.run if each.reason == _BY_ITSELF]
    kept = plan.keep if everything else plan.keep[:KEPT_SHOWN]
    runs = plan.run if everything else plan.run[:RUN_SHOWN]
    again = {each.task for each in plan.run}
    rows = [
        *[
            PlanRow(
                each.task,
                "run",
                _why_run(each.reason),
                statuses.get(each.task, ""),
                _is_free(each.task, each.reason, chosen),
            )
            for each in runs
        ],
        *[
            PlanRow(each.task, "drop", each.reason, statuses.get(each.task, ""), is_free=False)
            for each in plan.drop
        ],
        *[
            PlanRow(each.task, "keep", each.reason, statuses.get(each.task, ""), is_free=True)
            for each in kept
        ],
    ]
    return PlanShown(
        act=act,
        rows=tuple(rows),
        hidden=len(plan.keep) - len(kept),
        hidden_run=len(plan.run) - len(runs),
        unseen=tuple([each.task for each in plan.run[len(runs) :] if each.task in set(chosen)]),
        count=len(plan.run),
        kept=len(plan.keep),
        dropped=len(plan.drop),
        chosen=tuple([each for each in chosen if each in again]),
        by_default=by_default,
        names=tuple(statuses),
        command=_command(act, run_id, () if by_default else chosen),
        drawn={
            each.task: word
            for word, items in (("again", plan.run), ("keep", plan.keep), ("drop", plan.drop))
            for each in items
        },
    )


def _is_free(task: str, reason: str, chosen: Collection[str]) -> bool:
    """Whether it runs because it was chosen, or failed; others run because of what they are."""
    return task in chosen and reason in (_CHOSEN, _BY_ITSELF)


def _why_run(reason: str) -> str:
    return reason.replace("depends on ", "comes after ", 1)


def _command(act: Act, run_id: str, chosen: Collection[str]) -> str:
    """The words after ``cloaca``."""
    names = [shlex.quote(each) for each in chosen]
    if act == "fork":
        return " ".join(["runs fork", run_id, *names])
    return " ".join(["runs retry", run_id, *[f"--task {each}" for each in names]])
