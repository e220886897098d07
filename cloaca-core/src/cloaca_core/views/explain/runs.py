"""Why a run is as it is. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from cloaca_core.features.limits.records import THE_RUN
from cloaca_core.store.runner_rows import serves
from cloaca_core.values.namespace import short_name
from cloaca_core.values.states import ReasonCode, RunStatus
from cloaca_core.values.times.rfc3339 import rfc3339
from cloaca_core.values.waits import NEVER, RUN
from cloaca_core.values.wording import counted
from cloaca_core.views.explain.runners import (
    change_of_version,
    how_it_went,
    lacking_runners,
)
from cloaca_core.views.explain.task_starts import limit_text
from cloaca_core.views.explain.task_states import Why, latest_attempts, owner_is_gone
from cloaca_core.views.explain.tasks import tasks_of
from cloaca_core.views.explain.waits import bodies_in_memory, unread_text
from cloaca_core.views.explain.words import instant, listed, moment, short, when
from cloaca_core.views.task_results import WAITS, Wait

if TYPE_CHECKING:
    from cloaca_core.features.explain.facts import Facts, Here, RunnerState
    from cloaca_core.features.explain.records import RecordedRun
    from cloaca_core.views.explain.explanation import TaskExplanation


def why_run(facts: Facts, tasks: Sequence[TaskExplanation]) -> list[Why]:
    """The reasons, the main one first; at least one."""
    run = facts.recorded.row
    if run.ended_at is not None:
        whys = _ended(facts, tasks)
    elif run.owner is None:
        whys = _unowned(facts, tasks)
    else:
        whys = _owned(facts, tasks)
    unread = unread_text(facts)
    return whys if unread is None else [*whys, Why("", unread)]


# -- runs that have ended ------------------------------------------------------------------------


def _ended(facts: Facts, tasks: Sequence[TaskExplanation]) -> list[Why]:
    run = facts.recorded.row
    assert run.ended_at is not None
    if run.status == RunStatus.COMPLETED:
        done = Why("completed", f"it completed {when(run.ended_at, facts.now)}")
        return [done, *_left_behind(tasks)]
    error = short(run.error_message or run.steer_reason or "for no recorded reason")
    code = run.reason_code or run.status.lower()
    match code:
        case ReasonCode.TASK_FAILED:
            whys = [_first_failure(code, error, tasks)]
        case ReasonCode.DEADLINE_EXCEEDED:
            whys = [Why(code, f"it exceeded its time limit: {error}")]
        case ReasonCode.EXPIRED:
            start_by = facts.recorded.holds.start_by
            until = "" if start_by is None else f" at {instant(start_by)}"
            whys = [Why(code, f"it had not begun when its start_by was over{until}")]
        case _:
            whys = [Why(code, error)]
    return [*whys, *_left_behind(tasks)]


def _first_failure(code: str, error: str, tasks: Sequence[TaskExplanation]) -> Why:
    failed = [each for each in tasks if each.status == "Failed"]
    if not failed:
        return Why(code, error)
    more = f"; {counted(len(failed) - 1, 'more task')} failed" if len(failed) > 1 else ""
    return Why(code, f"task {failed[0].task_id}: {failed[0].why}{more}")


def _left_behind(tasks: Sequence[TaskExplanation]) -> list[Why]:
    """Tasks that did not run because of that."""
    whys = []
    if skipped := tasks_of(tasks, ReasonCode.UPSTREAM_FAILED):
        whys.append(Why("", f"skipped because of that: {listed(skipped)}"))
    if rejected := tasks_of(tasks, ReasonCode.REJECTED):
        whys.append(Why("", f"skipped because of a rejection: {listed(rejected)}"))
    if begun := tasks_of(tasks, "cut_off"):
        whys.append(Why("", f"cut off, and may have had effects: {listed(begun)}"))
    return whys


# -- runs that a runner owns ---------------------------------------------------------------------


def _owned(facts: Facts, tasks: Sequence[TaskExplanation]) -> list[Why]:
    run = facts.recorded.row
    if run.status == RunStatus.CANCELLING:
        whys = [_cancelling(facts), _bodies(facts, tasks)]
    elif run.status == RunStatus.PAUSED:
        whys = [_paused(facts), _bodies(facts, tasks)]
    elif owner_is_gone(facts):
        return _orphaned(facts)
    else:
        return [_under_way(facts, tasks)]
    return [*whys, *(_orphaned(facts) if owner_is_gone(facts) else [])]


def _cancelling(facts: Facts) -> Why:
    run, deadline = facts.recorded.row, facts.recorded.holds.cancel_at
    because = short(run.steer_reason or "cancelled")
    if deadline is None:
        return Why("cancelling", because)
    return Why("cancelling", f"{because}; it ends {when(deadline, facts.now)}, at the latest")


def _paused(facts: Facts) -> Why:
    run, until = facts.recorded.row, facts.recorded.holds.paused_until
    because = short(run.steer_reason or "paused")
    return Why("paused", f"{because}, {_until(facts, until)}")


def _until(facts: Facts, until: int | None) -> str:
    """How long a pause lasts."""
    return f"until {'it is resumed' if until is None else moment(until, facts.now)}"


def _bodies(facts: Facts, tasks: Sequence[TaskExplanation]) -> Why:
    """The bodies that have not ended. Of those elsewhere the last starts may not be recorded."""
    waiting = bodies_in_memory(facts, [each.row for each in latest_attempts(facts).values()])
    running = [each.task_id for each in tasks if each.code == "running" or each.task_id in waiting]
    if facts.active is None:
        return Why("", f"bodies recorded as running: {listed(running) if running else 'none'}")
    if not running:
        return Why("", "no body of it runs")
    return Why("", f"bodies that have not ended: {listed(running)}")  # some may wait in executors


def _orphaned(facts: Facts) -> list[Why]:
    """Why a run whose owner is gone is not taken over yet."""
    owner = facts.recorded.row.owner
    states = [each for each in facts.runners if each.load.row.id == owner]
    how = how_it_went(facts, states[0]) if states else "is not registered any more"
    whys = [Why("owner_gone", f"its runner {owner} is gone: {how}")]
    live = [each for each in facts.runners if not each.is_gone(facts.now)]
    if not live:
        whys.append(Why("", "no other runner is open that could take the run over"))
    elif facts.here is not None and not facts.here.recovers and len(live) == 1:
        whys.append(Why("", "the only other runner, this one, has enable_recovery=False"))
    elif facts.here is not None and facts.here.recovers:
        whys.append(Why("", "this runner is about to take the run over"))
    else:
        whys.append(
            Why("", "another runner takes the run over, unless all have enable_recovery=False")
        )
    return whys


def _under_way(facts: Facts, tasks: Sequence[TaskExplanation]) -> Why:
    """The work that its runner does on it."""
    if THE_RUN in facts.limits:
        return _limited(facts)
    end = _end_of_limit(facts)
    for code, text in (
        ("running", "running now: {}"),
        ("limit", "tasks that wait for a free slot: {}"),
        ("suspect", "tasks that wait because a suspect runs alone: {}"),
        ("child_run", "tasks that wait for other runs: {}"),
        ("retry", "tasks that wait for their next attempt: {}"),
        ("queue", "tasks that ask for queues that its runner does not serve: {}"),
        ("ready", "tasks that run already, or wait for a free slot of their runner: {}"),
    ):
        if found := [each for each in tasks if each.code == code]:
            if any(each.task_id in facts.limits for each in found):
                text = "tasks that wait for places of limits: {}"
            named = listed([each.task_id for each in found])
            return Why(code, text.format(named) + end, found[0].waits_for)
    if (waiting := _waits(tasks)) is not None:
        return waiting._replace(text=f"{waiting.text}{end}")
    return Why("running", f"its runner {facts.recorded.row.owner} works on it{end}")


def _end_of_limit(facts: Facts) -> str:
    active = facts.active
    if active is None or active.deadline is None:
        return ""
    if active.rests:
        return "; its time limit stands still meanwhile"
    return f"; its time limit ends {when(active.deadline, facts.now)}"


def _waits(tasks: Sequence[TaskExplanation]) -> Why | None:
    """The wait of a node or a body that is shown first: a wait that a person can end."""
    codes = ["child_run" if kind == RUN else kind for kind in WAITS]
    waiting = [each for code in codes for each in tasks if each.code == code]
    if not waiting:
        return None
    waiting.sort(key=lambda each: each.waits_for is not None and each.waits_for.answered)
    first, others = waiting[0], len(waiting) - 1
    more = f"; {counted(others, 'more task')} {'waits' if others == 1 else 'wait'}"
    text = f"task {first.task_id}: {first.why}{more if others else ''}"
    return Why(first.code, text, first.waits_for)


# -- runs that no runner owns --------------------------------------------------------------------


def _unowned(facts: Facts, tasks: Sequence[TaskExplanation]) -> list[Why]:
    recorded = facts.recorded
    whys = []
    if recorded.holds.paused_at is not None:
        whys.append(_paused(facts))
    if recorded.holds.behind is not None:
        whys.append(_behind(recorded.holds.behind, recorded))
    if THE_RUN in facts.limits:
        whys.append(_limited(facts))
    elif recorded.row.due_at is not None:
        whys += _not_due(facts, tasks, recorded.row.due_at)
    if recorded.paused is not None:
        whys.append(_workflow_paused(facts))
    holds = [why for why in whys if why.code != "due"]
    others = [why for why in whys if why.code == "due"]
    return [*(holds or _unclaimed(facts)), *others, *_starts_by(facts)]


def _behind(run_id: str, recorded: RecordedRun) -> Why:
    status, key = recorded.holds.behind_status, recorded.row.singleton_key
    state = "" if status is None else f", which is {status}"
    before = "run of its schedule before it" if key is None else "run before it"
    of_key = "" if key is None else f" with singleton key {key!r}"
    text = f"it waits for the {before}{of_key}, {run_id}{state}, to end"
    return Why("behind", text, Wait("run", run_id))


def _limited(facts: Facts) -> Why:
    """It waits for its own place of a limit."""
    awaited = facts.limits[THE_RUN]
    return Why("limit", f"it {limit_text(awaited)}", Wait("limit", awaited.name))


def _not_due(facts: Facts, tasks: Sequence[TaskExplanation], due_at: int) -> list[Why]:
    if due_at <= facts.now:
        return [Why("due", f"it came due {when(due_at, facts.now)}")]
    if facts.recorded.row.started_at is None and due_at != NEVER:
        return [Why("not_due", f"it starts {when(due_at, facts.now)}")]
    waits, retry = _waits(tasks), _retry(facts)
    whys = [] if waits is None else [waits, *_parked(facts)]
    if limited := [each for each in tasks if each.task_id in facts.limits]:
        named = listed([each.task_id for each in limited])
        text = f"tasks that wait for places of limits: {named}"
        whys = [Why("limit", text, limited[0].waits_for), *(whys or _parked(facts))]
    if retry is not None:
        whys.append(retry)
    if whys:
        return whys
    if due_at == NEVER and facts.recorded.row.started_at is None:
        return [Why("not_due", "it has got its place of a limit, and is claimed soon")]
    if due_at == NEVER:
        return [Why("not_due", "it goes on once a message comes that it waits for")]
    return [Why("not_due", f"it goes on {when(due_at, facts.now)}")]


def _retry(facts: Facts) -> Why | None:
    """The earliest next attempt, if tasks wait for theirs."""
    waiting = {
        task: known.row.retry_at
        for task, known in latest_attempts(facts).items()
        if known.row.retry_at is not None
    }
    if not waiting:
        return None
    first = min(waiting, key=lambda task: waiting[task])
    others = len(waiting) - 1
    verb = "waits for its own" if others == 1 else "wait for theirs"
    more = f"; {counted(others, 'more task')} {verb}" if others else ""
    text = f"task {first} waits for its next attempt, due {when(waiting[first], facts.now)}{more}"
    return Why("retry", text, Wait("retry", first, rfc3339(waiting[first])))


def _parked(facts: Facts) -> list[Why]:
    """Where a waiting run is, and which runner resumes it."""
    live = [each for each in facts.runners if not each.is_gone(facts.now)]
    parked = "no runner has it in memory meanwhile"
    if live:
        return [Why("", parked)]
    return [Why("", f"{parked}, and none is open on this database that could go on with it")]


def _workflow_paused(facts: Facts) -> Why:
    pause = facts.recorded.paused
    assert pause is not None
    by = "" if pause.asked_by is None else f" by {pause.asked_by}"
    because = "" if pause.reason is None else f": {short(pause.reason)}"
    text = f"its workflow is paused{by}{because}, {_until(facts, pause.until)}"
    return Why("workflow_paused", text)


def _unclaimed(facts: Facts) -> list[Why]:
    """Why no runner has claimed a run that may be claimed."""
    alive = [each for each in facts.runners if not each.is_gone(facts.now)]
    queue = facts.recorded.row.queue
    staying = [each for each in alive if each.load.row.draining_since is None] or alive
    live = [each for each in staying if serves(each.load.row, queue)]
    if alive and not live:
        return [Why("queue_unserved", f"it waits in queue {queue}, which no living runner serves")]
    lacking = lacking_runners(facts)
    others = [each for each in live if each.load.row.id not in lacking and not each.is_here]
    elsewhere = [each for each in others if each.load.owns_workflow]
    leaves = any(each.is_here and each.load.row.id in lacking for each in live)
    is_served_here = any(each.is_here for each in live)
    here = None if leaves or not is_served_here else facts.here
    if not live:
        return [Why("no_runner", "no runner is open on this database")]
    if here is not None and here.version is not None:
        version = change_of_version(facts, here)
        also = [] if version is None else [Why("", version)]
        if here.claims and here.free and here.full is None:
            return [Why("turn", f"this runner may claim it at any moment{_ahead(facts)}"), *also]
        if not elsewhere:
            return [_not_claimed_here(facts, here), *also]
    if elsewhere:
        names = listed([each.load.row.id for each in elsewhere])
        text = f"runner {names} has its workflow, and claims it when there is a place"
        return [Why("turn", f"{text}{_ahead(facts)}")]
    if lacking:
        by_task = {runner: tasks for runner, tasks in lacking.items() if tasks}
        return [_task_unserved(by_task) if by_task else _version_unserved(facts, lacking)]
    return [_unserved(facts, live)]


def _task_unserved(lacking: Mapping[str, Sequence[str]]) -> Why:
    """All runners that are known to have the workflow lack a task that is to run."""
    tasks = list(dict.fromkeys(task for each in lacking.values() for task in each))
    named = f"task{'s' if len(tasks) > 1 else ''} {listed(tasks)}"
    runners, it = listed(list(lacking)), "them" if len(tasks) > 1 else "it"
    lack = f"runners {runners} lack {it}" if len(lacking) > 1 else f"runner {runners} lacks {it}"
    text = f"it waits for a runner whose version of its workflow has {named}: {lack}"
    return Why("task_unserved", text)


def _version_unserved(facts: Facts, lacking: Collection[str]) -> Why:
    """All runners that are known to have the workflow have it in another version."""
    have = "runner {} has another" if len(lacking) == 1 else "runners {} have others"
    text = (
        f"it waits for a runner with version {facts.recorded.row.version} of its workflow, which "
        f"has the version_policy fail: {have.format(listed(list(lacking)))}"
    )
    return Why("version_unserved", text)


def _not_claimed_here(facts: Facts, here: Here) -> Why:
    """Why the runner of this process, which has the workflow, does not claim it."""
    if not here.claims:
        text = "this runner has its workflow, but claims nothing: stopped, or start=False"
        return Why("stopped", text)
    if here.full is not None:
        queue = facts.recorded.row.queue
        places = counted(here.full, "place")
        text = f"this runner has {places} for runs of queue {queue} (queues), and none is free"
        return Why("no_place", f"{text}{_ahead(facts)}", Wait("limit", "queues"))
    text = f"all {here.most:,} places of this runner (max_active_runs) are taken"
    return Why("no_place", f"{text}{_ahead(facts)}", Wait("limit", "max_active_runs"))


def _unserved(facts: Facts, live: Sequence[RunnerState]) -> Why:
    others, here = sum(not each.is_here for each in live), facts.here
    reasons = []
    if here is not None:
        hint = "" if here.near is None else f" (did you mean {short_name(here.near)}?)"
        reasons.append(f"this runner has not registered it{hint}")
    if others == 1:
        which = "other" if here else "only live"
        reasons.append(f"the {which} one runs nothing of it now, so it may lack it")
    elif others:
        which = "others" if here else "live ones"
        reasons.append(f"none of the {others} {which} runs anything of it now, so all may lack it")
    text = "it waits for a runner that has its workflow"
    return Why("unserved", f"{text}: {'; '.join(reasons)}")


def _ahead(facts: Facts) -> str:
    ahead = facts.recorded.ahead
    if not ahead:
        return ""
    return f"; {counted(ahead, 'run')} of its workflow {'comes' if ahead == 1 else 'come'} first"


def _starts_by(facts: Facts) -> list[Why]:
    start_by = facts.recorded.holds.start_by
    if start_by is None or facts.recorded.row.started_at is not None:
        return []
    return [Why("", f"it is cancelled if it has not begun by {moment(start_by, facts.now)}")]
