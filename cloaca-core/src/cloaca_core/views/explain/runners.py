"""Which runners may execute a run, and why the others do not. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cloaca_core.run.restore import has_begun
from cloaca_core.store.runner_rows import serves
from cloaca_core.values.namespace import short_name
from cloaca_core.values.wording import counted
from cloaca_core.views.explain.explanation import RunnerExplanation
from cloaca_core.views.explain.task_states import latest_attempts
from cloaca_core.views.explain.words import instant, listed, when

if TYPE_CHECKING:
    from cloaca_core.features.explain.facts import Facts, Here, RunnerState


def explained_runners(facts: Facts) -> tuple[RunnerExplanation, ...]:
    """All registered runners, oldest first."""
    return tuple([_explained(facts, each) for each in facts.runners])


def _explained(facts: Facts, runner: RunnerState) -> RunnerExplanation:
    may_run, why = _judged(facts, runner)
    return RunnerExplanation(
        id=runner.load.row.id,
        alive=not runner.is_gone(facts.now),
        may_run=may_run,
        why=why,
        active_runs=runner.load.owned,
        is_here=runner.is_here,
    )


def _judged(facts: Facts, runner: RunnerState) -> tuple[bool | None, str]:
    if runner.is_gone(facts.now):
        return False, how_it_went(facts, runner)
    owns = f"it owns {counted(runner.load.owned, 'run')}"
    if facts.recorded.row.owner == runner.load.row.id:
        lacks = _lacking(facts.here) if runner.is_here else ""
        return True, f"owns this run; {owns}{_lease(facts, runner)}{lacks}"
    if (asked := runner.load.row.draining_since) is not None:
        return False, f"was asked to leave {when(asked, facts.now)}, and claims no more; {owns}"
    if not serves(runner.load.row, (queue := facts.recorded.row.queue)):
        return False, f"does not serve queue {queue}, in which the run is; {owns}"
    if (tasks := lacking_runners(facts).get(runner.load.row.id)) is not None:
        return False, f"leaves this run, as its version of the workflow {_misfit(tasks)}"
    if runner.is_here and facts.here is not None:
        return _judged_here(facts, facts.here, owns)
    if runner.load.owns_workflow:
        return True, f"has this workflow; {owns}; how many it may own is not recorded"
    return None, f"{owns}, none of this workflow; which workflows it has is not recorded"


def _lease(facts: Facts, runner: RunnerState) -> str:
    """Until when a runner of another process is taken for alive if it is heard of no more."""
    if runner.is_here:
        return ""
    return f"; its lease ends {when(runner.lease_until, facts.now)}, unless it renews it"


def _lacking(here: Here | None) -> str:
    """The executors of this workflow that the runner of this process was not given."""
    if here is None or not here.lacks:
        return ""
    return f"; it has no executor {listed(here.lacks)}: bodies that ask for it are put off"


def _judged_here(facts: Facts, here: Here, owns: str) -> tuple[bool, str]:
    if here.version is None:
        hint = "" if here.near is None else f"; it has {short_name(here.near)}, did you mean that?"
        return False, f"has not registered this workflow{hint}"
    if not here.claims:
        return False, "has this workflow, but claims nothing: stopped, or opened with start=False"
    if not here.free:
        return False, f"has this workflow, but its {here.most:,} places (max_active_runs) are taken"
    lacks = _lacking(here)
    if change := change_of_version(facts, here):
        return not _is_refused(facts, here), f"has this workflow; {owns}; {change}{lacks}"
    return True, f"has this workflow; {owns} of at most {here.most:,}{lacks}"


def change_of_version(facts: Facts, here: Here) -> str | None:
    """How the run is resumed if this process has another version of its workflow. A run that was
    made without a version may begin under any.
    """
    run = facts.recorded.row
    if here.version in (None, run.runs_by) or not run.version or facts.active is not None:
        return None
    if _is_refused(facts, here):
        return (
            f"it has version {here.version} and the run began under {run.runs_by}: the run fails "
            "when it is claimed, unless its tasks are the same (version_policy)"
        )
    lost = tasks_lost(facts, here.tasks)
    lacks = f", which lacks {listed(lost)}: not run then" if lost else ""
    return f"the run goes on under version {here.version}{lacks}"


def _misfit(tasks: Sequence[str]) -> str:
    """The reason why a runner releases a run: tasks that it lacks, or its version alone."""
    return f"lacks {listed(tasks)}" if tasks else "is another one (version_policy)"


def lacking_runners(facts: Facts) -> dict[str, tuple[str, ...]]:
    """The live runners that release a run to others, oldest first, with the tasks that they lack:
    runners that have recorded it, and the runner of this process if it is about to. If the run is
    only for runners of its version, they lack none.
    """
    noted = facts.recorded.lacking
    found = {}
    for each in facts.runners:
        tasks = noted.get(each.load.row.id)
        if tasks is None and each.is_here and facts.here is not None:
            tasks = _lacking_here(facts, facts.here)
        if tasks is not None and not each.is_gone(facts.now):
            found[each.load.row.id] = tasks
    return found


def _lacking_here(facts: Facts, here: Here) -> tuple[str, ...] | None:
    run = facts.recorded.row
    if here.version in (None, run.version) or not run.version:
        return None
    if is_planned(facts) or (here.is_older and not here.refuses):
        lost = tasks_lost(facts, here.tasks) if facts.known_version == run.version else []
        if lost:
            return tuple(lost)
    if not here.refuses or here.has_same_tasks or _has_begun(facts):
        return None
    return ()


def _has_begun(facts: Facts) -> bool:
    """Whether a body of the run may have begun; results that a fork copies have no epoch."""
    own = [each for each in facts.recorded.attempts if each.epoch]
    return has_begun(facts.recorded.row, own)


def is_planned(facts: Facts) -> bool:
    """Whether a retry or a fork was planned by the version of the run: no task is to be lost."""
    return facts.recorded.row.round > 1 or bool(facts.recorded.holds.forked)


def _is_refused(facts: Facts, here: Here) -> bool:
    """Whether a run that began under another version fails here."""
    return here.refuses and has_begun(facts.recorded.row, facts.recorded.attempts)


def tasks_lost(facts: Facts, tasks: Sequence[str]) -> list[str]:
    """The tasks of the run that are to run and are not among these."""
    latest, known = latest_attempts(facts), frozenset(tasks)
    gone = [each.id for each in facts.tasks or () if each.id not in known]
    return [
        each
        for each in gone
        if each not in latest
        or latest[each].row.ended_at is None
        or latest[each].row.retry_at is not None
    ]


def how_it_went(facts: Facts, runner: RunnerState) -> str:
    """Why a runner counts as gone."""
    if runner.load.row.fenced:
        return "was declared dead; its runs are taken over"
    if runner.process_ended:
        if runner.lease_until <= facts.now:
            return "its process has ended"
        return f"its process has ended; its lease ends {when(runner.lease_until, facts.now)}"
    return f"has not renewed its lease, which ended at {instant(runner.lease_until)}"
