"""The plan of a retry or a fork as rows, and the command line that does the same. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from cloaca_core.features.reruns.results import Plan, PlanItem

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
    ``hidden_run`` those that run, ``count`` all that run, if the rules of ``undecided`` ones let
    them this time. ``drawn`` is how each stands in the
    graph. ``words`` and ``last_words`` are the command that does the same.
    """

    act: Act
    rows: tuple[PlanRow, ...]
    hidden: int
    hidden_run: int
    unseen: tuple[str, ...]
    count: int
    undecided: int
    kept: int
    dropped: int
    chosen: tuple[str, ...]
    by_default: bool
    names: tuple[str, ...]
    words: tuple[str, ...]
    last_words: tuple[str, ...]
    drawn: Mapping[str, str]

    @property
    def says(self) -> str:
        """The text of the button: ``Run 3, keep 14``."""
        return f"{'Run' if self.act == 'retry' else 'Fork, run'} {self.runs}, keep {self.kept:,}"

    @property
    def runs(self) -> str:
        """How many tasks run: ``2 to 3`` if a rule has skipped one of them, and decides anew."""
        least = self.count - self.undecided
        return f"{self.count:,}" if not self.undecided else f"{least:,} to {self.count:,}"


def shown(
    act: Act,
    plan: Plan,
    statuses: Mapping[str, str],
    run_id: str,
    chosen: Sequence[str] = (),
    *,
    everything: bool = False,
    by_rule: Collection[str] = (),
) -> PlanShown:
    """The plan of an act on a run whose tasks have these states; ``by_rule`` are the tasks that
    their rules have skipped. Rows: first tasks that run, then dropped tasks, then kept ones; among
    these the chosen ones first.
    """
    by_default = act == "retry" and not chosen
    if by_default:
        chosen = [each.task for each in plan.run if each.reason == _BY_ITSELF]
    kept = plan.keep if everything else plan.keep[:KEPT_SHOWN]
    runs = plan.run if everything else plan.run[:RUN_SHOWN]
    again = {each.task for each in plan.run}
    rows = [
        *[_run_row(each, statuses, chosen, by_rule) for each in runs],
        *[_row(each, "drop", statuses) for each in plan.drop],
        *[_row(each, "keep", statuses) for each in kept],
    ]
    return PlanShown(
        act=act,
        rows=tuple(rows),
        hidden=len(plan.keep) - len(kept),
        hidden_run=len(plan.run) - len(runs),
        unseen=tuple([each.task for each in plan.run[len(runs) :] if each.task in set(chosen)]),
        count=len(plan.run),
        undecided=sum(each.task in by_rule for each in plan.run),
        kept=len(plan.keep),
        dropped=len(plan.drop),
        chosen=tuple([each for each in chosen if each in again]),
        by_default=by_default,
        names=tuple(statuses),
        words=_words(act, run_id, () if by_default else chosen),
        last_words=tuple(chosen) if act == "fork" else (),
        drawn=_drawn(plan),
    )


def _run_row(
    item: PlanItem,
    statuses: Mapping[str, str],
    chosen: Collection[str],
    by_rule: Collection[str],
) -> PlanRow:
    """A task that runs. It is free if it was chosen, or failed; others only follow from it."""
    is_free = item.task in chosen and item.reason in (_CHOSEN, _BY_ITSELF)
    why = item.reason.replace("depends on ", "comes after ", 1)
    if item.task in by_rule:
        why = f"{why}; its rule decides anew"
    return PlanRow(item.task, "run", why, statuses.get(item.task, ""), is_free)


def _row(item: PlanItem, verdict: Literal["keep", "drop"], statuses: Mapping[str, str]) -> PlanRow:
    status = statuses.get(item.task, "")
    return PlanRow(item.task, verdict, item.reason, status, is_free=verdict == "keep")


def _drawn(plan: Plan) -> dict[str, str]:
    """How each task stands in the graph."""
    groups = (("again", plan.run), ("keep", plan.keep), ("drop", plan.drop))
    return {each.task: word for word, items in groups for each in items}


def _words(act: Act, run_id: str, chosen: Collection[str]) -> tuple[str, ...]:
    """The words after ``cloaca``. A fork has its task in ``last_words``."""
    tasks = () if act == "fork" else [word for each in chosen for word in ("--task", each)]
    return ("runs", act, run_id, *tasks)
