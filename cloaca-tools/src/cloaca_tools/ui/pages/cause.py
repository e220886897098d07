"""Why a run is as it is, as its page says it: the cause first, then what helps. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cloaca_core.values.waits import answered_text
from cloaca_core.values.wording import counted, first_line
from cloaca_tools.ui.words.child_waits import open_runs, with_the_slowest
from cloaca_tools.ui.words.clock import Clock
from cloaca_tools.ui.words.texts import plain
from cloaca_tools.views import Inspection, TaskNode

_NAMED: Final = 3
"""Tasks that are named; more are counted."""
_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)")
_HELP: Final[dict[str, str]] = {
    "no_runner": "The next program with this workflow that opens a runner takes it up.",
    "unserved": "Open a runner in the program that defines this workflow.",
    "queue_unserved": "Open a runner that serves this queue.",
    "task_unserved": "Open a runner whose version of the workflow has these tasks.",
    "version_unserved": "Open a runner in the program with this version of the workflow.",
    "stopped": "Start the runner, or open another one.",
    "paused": "Resume it to let it go on. What is done is kept.",
    "workflow_paused": "Resume the workflow to let its runs go on.",
    "owner_gone": "What is done is recorded. Only bodies that ran begin again.",
    "deadline_exceeded": "A retry runs what is missing. What is done is kept.",
}
_NO_ONE: Final = frozenset(("no_runner", "queue_unserved"))
"""Codes of runs that nothing begins until a person does something."""
_QUIET: Final = frozenset(("running", "limit", "ready", "turn"))
"""Codes of runs that go their way."""
_FAILED: Final = {1: ("it", "it"), 2: ("both", "them")}
"""So many failed tasks in a sentence: those that a retry runs, and because of which others did not.
"""
_WAIT: Final = " of them wait"
_NO_TIME_OUT: Final = ", without a time-out"
_NO_RUNNER: Final = "No runner is open on this database that could go on with it."


@dataclass(frozen=True, slots=True)
class Cause:
    """``task`` is the one to blame, if one is: its name comes before ``text``. ``more`` are further
    sentences. ``also`` are tasks that failed as it did, and ``unnamed`` counts still others.
    ``limit`` is the one for whose place all of the run waits.
    """

    state: str
    task: str | None
    text: str
    more: tuple[str, ...]
    also: tuple[str, ...] = ()
    unnamed: int = 0
    limit: str | None = None


def cause(seen: Inspection, clock: Clock) -> Cause | None:
    """The cause of a state that asks for one; None for a run that goes or went its way."""
    status, why = seen.tree.run.status, seen.explanation
    notes = [_sentence(note, clock) for note in why.notes]
    failed = [node for node in seen.tree.tasks if node.status == "Failed"]
    if status == "Failed" and failed and why.code == "task_failed":
        return _failure(seen, failed, notes)
    waiting = next((node for node in seen.tree.tasks if node.waits_for == why.waits_for), None)
    if status == "Waiting" and waiting is not None and waiting.waits_for is not None:
        return _wait(seen, waiting, clock, notes)
    if why.code == "child_run" and waiting is not None and open_runs(waiting):
        return Cause("Waiting", waiting.task_id, f"{with_the_slowest(waiting)}.", tuple(notes))
    if status == "Waiting" and (items := _items_wait(seen, clock, notes)) is not None:
        return items
    limit = _limit(seen)
    if status == "Completed" or (why.code in _QUIET and not notes and limit is None):
        return None
    more = [_HELP[why.code]] if why.code in _HELP else []
    state = "Failed" if why.code == "owner_gone" else status
    if why.code in _NO_ONE:
        state = "Waiting"
    return Cause(state, None, _sentence(why.why, clock), (*more, *notes), limit=limit)


# -- a failure -----------------------------------------------------------------------------------


def _failure(seen: Inspection, failed: Sequence[TaskNode], notes: Sequence[str]) -> Cause:
    first, others = failed[0], tuple([node.task_id for node in failed[1:]])
    count = _attempts(seen, first.task_id)
    after = f" after {count} attempts" if count > 1 else ""
    error = plain(first_line(first.error)) or "no error is recorded"
    more = (_left_behind(seen, len(failed)), *notes)
    text = f"failed{after}: {error}"
    return Cause("Failed", first.task_id, text, more, others[:_NAMED], len(others[_NAMED:]))


def _attempts(seen: Inspection, task: str) -> int:
    """How often a task has begun in the last round in which it has."""
    bars = [bar for bar in seen.timeline.bars if bar.task == task and bar.started_at is not None]
    return sum(bar.round == bars[-1].round for bar in bars)


def _left_behind(seen: Inspection, failed: int) -> str:
    """The tasks that did not run because of them, and the effect of a retry."""
    behind = [each.task_id for each in seen.explanation.tasks if each.code == "upstream_failed"]
    done = sum(node.status == "Completed" for node in seen.tree.tasks)
    it, them = _FAILED.get(failed, (f"all {failed:,}", "them"))
    skipped = f"Skipped because of {them}: {_listed(behind)}. " if behind else ""
    after = f", and what comes after {them}" if behind else ""
    again = f"A retry runs {it} again{after}"
    return f"{skipped}{again}; {counted(done, 'finished task')} stay{'s' if done == 1 else ''}."


def _listed(names: Sequence[str]) -> str:
    if len(names) <= _NAMED:
        return ", ".join(names)
    return f"{', '.join(names[:_NAMED])} and {len(names) - _NAMED:,} more"


# -- a wait --------------------------------------------------------------------------------------


def _wait(seen: Inspection, node: TaskNode, clock: Clock, notes: Sequence[str]) -> Cause:
    wait = node.waits_for
    assert wait is not None
    since = f" since {clock.when(wait.since)}" if wait.since else ""
    until = clock.when(wait.until) if wait.until else ""
    latest = f" It waits until {until} at the latest." if until else ""
    match wait.kind:
        case _ if wait.answered:
            said = f"{answered_text(wait.kind, wait.name)}.", "It goes on by itself."
        case "approval":
            said = (
                f"waits for a decision{since}.",
                f"Decide it beside its task, or in the inbox.{latest}",
            )
        case "event":
            said = (
                f"waits for the message {wait.name}{since}.",
                f"It goes on when it is sent.{latest}",
            )
        case "sleep":
            said = f"sleeps until {until or 'it is woken'}.", "It goes on by itself."
        case "retry":
            error = plain(first_line(node.error))
            failed = f"Its last attempt failed: {error}" if error else "It goes on by itself."
            said = f"waits for its next attempt{_begins(wait.until, clock)}.", failed
        case _:
            said = f"{with_the_slowest(node)}.", "It goes on by itself."
    alive = any(runner.alive for runner in seen.explanation.runners)
    more = [said[1], *([] if alive else [_NO_RUNNER]), *notes]
    return Cause("Waiting", node.task_id, said[0], tuple(more))


def _items_wait(seen: Inspection, clock: Clock, notes: Sequence[str]) -> Cause | None:
    """The first map of which items wait, and for what the first of them does."""
    told = {each.task_id: each.why.split("; ") for each in seen.explanation.tasks}
    for node in seen.tree.tasks:
        parts = told.get(node.task_id, []) if node.is_map and node.status == "Running" else []
        first = next((each for each in parts if each.startswith(f"{node.task_id}[")), None)
        if first is not None:
            count = next((each for each in parts if each.endswith(_WAIT)), f"1{_WAIT}")
            number = count.removesuffix(_WAIT)
            says = "has an item that waits." if number == "1" else f"has {number} items that wait."
            more = _with_clock(first.removesuffix(_NO_TIME_OUT), clock)
            return Cause("Waiting", node.task_id, says, (f"{more}.", *notes))
    return None


def _limit(seen: Inspection) -> str | None:
    """The limit for whose place a run waits outside the memory of any runner. A run that is in one
    may wait for a slot of the runner.
    """
    why = seen.explanation
    if seen.tree.run.status not in ("Pending", "Waiting") or why.code != "limit":
        return None
    return None if why.waits_for is None else why.waits_for.name


def _begins(at: str | None, clock: Clock) -> str:
    """When an attempt begins, or could have begun, and how far away that is."""
    if at is None:
        return ""
    if clock.seconds_since(at) < 0:
        return f", at {clock.when(at)}, in {clock.ahead(at)}"
    return f", which could have begun at {clock.when(at)}, {clock.ago(at)} ago"


def _sentence(text: str, clock: Clock) -> str:
    """A text of ``explain`` as a sentence, with instants of the reader's clock."""
    shown = _with_clock(text, clock)
    return f"{shown[:1].upper()}{shown[1:]}{'' if shown.endswith(('.', '!', '?')) else '.'}"


def _with_clock(text: str, clock: Clock) -> str:
    return _INSTANT.sub(lambda found: _when(found[0], clock), text)


def _when(text: str, clock: Clock) -> str:
    """An instant as the reader's clock shows it; a reason may hold what only looks like one."""
    try:
        return clock.when(text.replace("Z", "+00:00"))
    except ValueError:
        return text
