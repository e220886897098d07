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
    verdict: Literal["run", "keep", "drop", "skip"]
    why: str
    status: str
    is_free: bool


@dataclass(frozen=True, slots=True)
class PlanShown:
    """A plan. ``chosen`` are the tasks that the plan was asked for, or (``by_default``) those that
    failed, and ``unseen`` those of them without a row. ``hidden`` counts tasks without a row that
    stay as they are, ``hidden_run`` those that run, ``count`` all that run, if the rules of
    ``undecided`` ones let them this time; ``skipped`` counts those that their rules skip again.
    ``drawn`` is how each stands in the graph. ``words`` and ``last_words`` are the command that
    does the same.
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
    skipped: int
    chosen: tuple[str, ...]
    by_default: bool
    names: tuple[str, ...]
    words: tuple[str, ...]
    last_words: tuple[str, ...]
    drawn: Mapping[str, str]

    @property
    def says(self) -> str:
        """The text of the button: ``Run 3, keep 14``."""
        skip = f", skip {self.skipped:,}" if self.skipped else ""
        first = "Run" if self.act == "retry" else "Fork, run"
        return f"{first} {self.runs}, keep {self.kept:,}{skip}"

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
    above: Mapping[str, Sequence[str]] | None = None,
) -> PlanShown:
    """The plan of an act on a run whose tasks have these states; ``by_rule`` are the tasks that
    their rules have skipped, and ``above`` has for each task those that it depends on. Rows: first
    tasks that run, then dropped tasks, then kept ones, then tasks that are skipped again.
    """
    by_default = act == "retry" and not chosen
    if by_default:
        chosen = [each.task for each in plan.run if each.reason == _BY_ITSELF]
    kept = plan.keep if everything else plan.keep[:KEPT_SHOWN]
    still = _skipped_again(plan, by_rule, above or {}, chosen)
    running = [each for each in plan.run if each.task not in still]
    runs = running if everything else running[:RUN_SHOWN]
    skips = [each for each in plan.run if each.task in still]
    skips_shown = skips if everything else skips[:KEPT_SHOWN]
    again = {each.task for each in plan.run}
    rows = [
        *[_run_row(each, statuses, chosen, by_rule) for each in runs],
        *[_row(each, "drop", statuses) for each in plan.drop],
        *[_row(each, "keep", statuses) for each in kept],
        *[_skip_row(each, statuses) for each in skips_shown],
    ]
    return PlanShown(
        act=act,
        rows=tuple(rows),
        hidden=len(plan.keep) - len(kept) + len(skips) - len(skips_shown),
        hidden_run=len(running) - len(runs),
        unseen=tuple([each.task for each in running[len(runs) :] if each.task in set(chosen)]),
        count=len(running),
        undecided=sum(each.task in by_rule for each in running),
        kept=len(plan.keep),
        dropped=len(plan.drop),
        skipped=len(skips),
        chosen=tuple([each for each in chosen if each in again]),
        by_default=by_default,
        names=tuple(statuses),
        words=words_of(act, run_id, () if by_default else chosen),
        last_words=tuple(chosen) if act == "fork" else (),
        drawn=_drawn(plan) | dict.fromkeys(still, "skip"),
    )


def _skipped_again(
    plan: Plan,
    by_rule: Collection[str],
    above: Mapping[str, Sequence[str]],
    chosen: Collection[str],
) -> set[str]:
    """The tasks of a plan that their rules skip again: they are not chosen, and no task runs that
    they depend on, be it through others.
    """
    still = {each.task for each in plan.run if each.task in by_rule and each.task not in chosen}
    if not still:
        return still
    below: dict[str, list[str]] = {}
    for task, names in above.items():
        for name in names:
            below.setdefault(name, []).append(task)
    left = [each.task for each in plan.run if each.task not in still]
    while left:
        reached = [task for task in below.pop(left.pop(), ()) if task in still]
        still.difference_update(reached)
        left += reached
    return still


def _skip_row(item: PlanItem, statuses: Mapping[str, str]) -> PlanRow:
    why = "its rule skips it again"
    return PlanRow(item.task, "skip", why, statuses.get(item.task, ""), is_free=False)


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


def words_of(act: Act, run_id: str, chosen: Collection[str] = ()) -> tuple[str, ...]:
    """The words after ``cloaca``. A fork has its task in ``last_words``."""
    tasks = () if act == "fork" else [word for each in chosen for word in ("--task", each)]
    return ("runs", act, run_id, *tasks)
