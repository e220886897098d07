"""A run as lines: one for each task and each run below it; and its changes between two looks."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cloaca_core.values.wording import duration, first_line
from cloaca_tools.cli.columns import counts_text, wait_text
from cloaca_tools.cli.output import cut
from cloaca_tools.cli.words import PLAIN_SIGNS, SIGNS, STYLES, ago, clock

if TYPE_CHECKING:
    from cloaca_core.views.run_tree import RunBranch
    from cloaca_tools.views import RunLine, RunTree, TaskNode

_QUIET: Final = ("Completed", "NotStarted", "Skipped")
_ENDED: Final = ("Completed", "Failed", "Cancelled")
_STATUS_WIDTH: Final = 10
_TIME_WIDTH: Final = 7


@dataclass(frozen=True, slots=True)
class Line:
    """A task, or a run. ``branch`` is drawn before its name; ``seconds`` grow while it ``runs``."""

    branch: str
    name: str
    status: str
    seconds: float | None
    about: str
    runs: bool
    is_run: bool = False
    is_top: bool = False

    @property
    def title(self) -> str:
        """The name, with the branch and the sign of its state."""
        return f"{self.branch}{sign(self.status)} {self.name}"


def sign(status: str) -> str:
    """The sign of a state, as stdout can show it."""
    signs = SIGNS if _encoding().lower().replace("-", "") == "utf8" else PLAIN_SIGNS
    return signs.get(status, "?")


def _encoding() -> str:
    """That of stdout; while a live view is drawn another object stands in its place, without."""
    return sys.stdout.encoding or getattr(sys.__stdout__, "encoding", None) or ""


def tree_lines(tree: RunTree, most: int | None = None) -> list[Line]:
    """The lines of a run. With ``most``, tasks that matter less give way to a line that counts
    them: first those that have not started or are done, then any.
    """
    lines = [_run_line(tree.run, ""), *_below(tree, "")]
    if most is None or len(lines) <= most:
        return lines
    return _thinned(lines, max(2, most))


def _thinned(lines: Sequence[Line], most: int) -> list[Line]:
    kept = [line for line in lines if line.is_run or line.status not in _QUIET]
    room = most - 1 - len(kept)
    if room < 0:
        kept = kept[: most - 1]
    else:  # the last of those that are done, and the next of those that are to come
        quiet = [line for line in lines if not line.is_run and line.status in _QUIET]
        done = [line for line in quiet if line.status != "NotStarted"]
        coming = [line for line in quiet if line.status == "NotStarted"]
        next_ones = coming[: room - min(room // 2, len(done))]
        shown = [*done[len(done) - (room - len(next_ones)) :], *next_ones] if room else []
        kept = [line for line in lines if line in kept or line in shown]
    left = Counter([line.status for line in lines if line not in kept])
    return [*kept, Line("", f"and {counts_text(left)}", "", None, "", runs=False)]


def _below(tree: RunTree, branch: str) -> Iterator[Line]:
    inner = f"{branch}  "
    for task in tree.tasks:
        yield _task_line(task, inner)
        for child in task.children:
            yield _run_line(child.run, f"{inner}  ", _number(child), child.earlier)
            yield from _below(child, f"{inner}  ")
    for child in tree.children:
        yield _run_line(child.run, inner)
        yield from _below(child, inner)
    if tree.hidden:
        yield _hidden(tree.hidden, inner)


def _with_earlier(about: str, earlier: Sequence[RunTree | RunBranch]) -> str:
    """The remark of a run, with the runs that were in its place before."""
    before = ", ".join([f"{each.run.id} ({each.run.status})" for each in earlier])
    return "; ".join(
        [each for each in (about, f"begun anew after {before}" * bool(before)) if each]
    )


def _number(tree: RunTree) -> str:
    number = tree.iteration if tree.index is None else tree.index
    return "" if number is None else f"[{number}] "


def _hidden(number: int, branch: str) -> Line:
    return Line(branch, f"{number} more runs below", "", None, "", runs=False, is_run=True)


def branch_lines(tree: RunBranch, branch: str = "") -> Iterator[Line]:
    """The lines of a run and of those below it, without their tasks."""
    yield _run_line(tree.run, branch, _place(tree), tree.earlier)
    for child in tree.children:
        yield from branch_lines(child, f"{branch}  ")
    if tree.hidden:
        yield _hidden(tree.hidden, f"{branch}  ")


def _place(tree: RunBranch) -> str:
    """The beginning of a run's line: the task that began it, and the item, iteration or call."""
    number = tree.iteration or tree.call if tree.index is None else tree.index
    place = f"{tree.task or ''}{'' if number is None else f'[{number}]'}"
    return f"{place}  " if place else ""


def _run_line(
    run: RunLine, branch: str, place: str = "", earlier: Sequence[RunTree | RunBranch] = ()
) -> Line:
    name = f"{place}{run.workflow_name}" if branch else f"{run.workflow_name} {run.id}"
    about = _with_earlier(run_about(run), earlier)
    runs = run.status == "Running"
    top = not branch
    return Line(branch, name, run.status, run.seconds, about, runs, is_run=True, is_top=top)


def run_about(run: RunLine) -> str:
    """The remark at the end of a run's line: its wait, due time, round, error or reason."""
    if run.waits_for is not None:
        return wait_text(run.to_dict()["waits_for"])
    if run.status == "Pending" and run.due_at is not None:
        return f"due {ago(run.due_at)}"
    error = first_line(run.error_message)
    reason = run.reason if run.reason != error else None  # of a cancelled run both are the same
    words = [f"round {run.round}" if run.round > 1 else "", error, reason]
    return "  ".join([each for each in words if each][:2])


def _task_line(task: TaskNode, branch: str) -> Line:
    return Line(
        branch, task.task_id, task.status, task.seconds, task_about(task), task.status == "Running"
    )


def task_about(task: TaskNode) -> str:
    """The remark at the end of a task's line: attempt, wait, progress, error or skip reason, and
    its queue.
    """
    words = [f"attempt {task.attempts}" if task.attempts > 1 else ""]
    if task.status == "Waiting" and task.waits_for is not None:
        words.append(wait_text(task.to_dict()["waits_for"]))
    if task.progress is not None and task.status in ("Running", "Waiting"):
        words.append(str(task.progress))
    words.append(first_line(task.error) if task.status in ("Failed", "Waiting") else "")
    words.append(first_line(task.skip_reason) if task.status == "Skipped" else "")
    words.append(f"queue {task.queue}" if task.queue is not None else "")
    return "  ".join([each for each in words if each])


def laid_out(lines: Sequence[Line], width: int | None) -> Iterator[str]:
    """Lines in columns without colours, cut to a width if there is one."""
    names = name_width(lines, width)
    for line in lines:
        text = "".join([piece for piece, _ in pieces(line, names, line.seconds)]).rstrip()
        yield text if width is None else cut(text, width)


def pieces(line: Line, names: int, seconds: float | None) -> Iterator[tuple[str, str]]:
    """The pieces of a line, each with its style. The run at the top is in no column."""
    style = STYLES.get(line.status, "")
    if not line.status:
        yield f"{line.branch}  {line.name}", "dim"
        return
    head = len(line.branch)
    title = line.title if line.is_top else cut(line.title, names).ljust(names)
    yield title[:head], ""
    yield title[head : head + 1], style
    yield title[head + 1 :], "bold" if line.is_run else ""
    took = duration(seconds)
    if line.is_top:
        yield f"  {line.status}", style
        yield f"  {took}" if took else "", ""
    else:
        yield f"  {line.status:{_STATUS_WIDTH}}", style
        yield f"  {took:>{_TIME_WIDTH}}", ""
    yield f"  {line.about}" if line.about else "", "red" if line.status == "Failed" else "dim"


def name_width(lines: Sequence[Line], width: int | None) -> int:
    """How wide the names may be: as wide as they are, but no more than half of the width."""
    needed = max([len(line.title) for line in lines if line.status and not line.is_top], default=0)
    return needed if width is None else min(needed, max(16, width // 2))


# -- changes -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class State:
    """The state of a task or run, as a line of plain output shows it."""

    name: str
    status: str
    attempts: int
    about: str
    seconds: float | None = None
    at: str | None = None
    is_top: bool = False


def states_of(tree: RunTree, path: str = "") -> Mapping[str, State]:
    """The state of each task and each run below, by its path."""
    found = {}
    run = tree.run
    at: str | None = run.ended_at or run.started_at or run.created_at
    name = f"{path}{run.workflow_name}" if path else f"{run.workflow_name} {run.id}"
    found[f"{path}{run.id}"] = State(
        name, run.status, run.round, run_about(run), run.seconds, at, is_top=not path
    )
    for task in tree.tasks:
        key = f"{path}{task.task_id}"
        at = task.ended_at or task.started_at
        about, seconds = task_about(task), task.seconds
        found[f"{path}task {task.task_id}"] = State(
            key, task.status, task.attempts, about, seconds, at
        )
        for child in task.children:
            found.update(states_of(child, f"{key}{_number(child).rstrip()}/"))
    for child in tree.children:
        found.update(states_of(child, f"{path}{run.workflow_name}/"))
    return found


def news(before: Mapping[str, State], now: Mapping[str, State]) -> Iterable[str]:
    """A line for each task and run that has changed its state since, the end of the run last."""
    changed = [
        state
        for key, state in now.items()
        if state.status != "NotStarted" and _differs(before.get(key), state)
    ]
    ended = [state for state in changed if state.is_top and state.status in _ENDED]
    return [news_line(state) for state in [*[s for s in changed if s not in ended], *ended]]


def _differs(before: State | None, now: State) -> bool:
    if before is None:
        return True
    return (before.status, before.attempts) != (now.status, now.attempts)


def news_line(state: State) -> str:
    """A change as one line, with the time of day at which it came."""
    took = duration(state.seconds) if state.status in _ENDED else ""
    words = (clock(state.at) or " " * 8, state.name, state.status, took, state.about)
    return "  ".join([each for each in words if each])
