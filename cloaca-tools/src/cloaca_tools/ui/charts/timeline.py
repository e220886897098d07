"""The bars of a run's tasks as marks in per cent of an axis.

Pure. Queueing stands apart from running, waits are hatched, a failure has a sign of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from typing import Final, NamedTuple

from cloaca_core.values.waits import APPROVAL
from cloaca_core.values.wording import duration
from cloaca_tools.ui.charts.axis import Axis, axis, merged
from cloaca_tools.ui.charts.rows import FoldRow, Row
from cloaca_tools.ui.words.child_waits import open_runs, waits_for_runs
from cloaca_tools.ui.words.clock import Clock
from cloaca_tools.ui.words.texts import skipped
from cloaca_tools.views import Bar, Inspection, RunLine, Span, TaskNode, Timeline

_LEAST: Final = 0.5
"""Per cent that a mark is wide at least."""
_ROOM: Final = 62.0
"""A note stands behind marks that end before this, else before them."""
_LETTERS: Final = 0.42
"""Letters of a note to a per cent of the width, on a small screen."""
_LONGEST: Final = 34
_KEPT: Final = "kept from the run before"


class Mark(NamedTuple):
    """``kind`` is ``queue``, ``bar``, ``done`` (of a bar, as far as its body has come), ``items``
    (of a map in the place of its bar, or of a fan-out all its tasks), ``hatch``, ``ask`` (a node
    that waits), ``bad`` (a failure, in its middle), ``crash`` or ``dash`` (skipped). ``state`` is
    that of an attempt, ``says`` what is read when it is pointed at.
    """

    kind: str
    x: float
    width: float
    state: str = ""
    says: str = ""


class Note(NamedTuple):
    """A text beside the marks of a task, ``gap`` pixels from ``x``: behind them, before them (it
    ends there) or above them.
    """

    text: str
    x: float
    gap: int = 9
    is_before: bool = False
    is_over: bool = False


@dataclass(frozen=True, slots=True)
class Drawn:
    """The marks of a task in the order in which they are painted, and what stands beside them.
    ``took`` is for the column of times.
    """

    marks: tuple[Mark, ...]
    note: Note | None
    took: str


class Sign(NamedTuple):
    """An instant of the whole run on its axis, with a text."""

    x: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """The background of all rows: ``pauses`` as x and width, the begin of each further round, and
    ``now`` for a run that has not ended. ``work`` is how many seconds bodies ran, and did not wait,
    at once or alone.
    """

    axis: Axis
    pauses: tuple[tuple[float, float], ...]
    rounds: tuple[Sign, ...]
    now: float | None
    work: float
    clock: Clock
    at: str

    def task(self, row: Row) -> Drawn:
        """The marks of a task; the last bar of a map is where its items are drawn. In place of its
        time stands how many of them have failed, once it is over.
        """
        found = drawn(row.node, row.bars, self.axis, self.clock, self.at)
        if row.strip is None:
            return found
        note = None if found.note is not None and found.note.is_over else found.note
        failed = row.strip.failed if row.node.ended_at is not None else 0
        return replace(
            found,
            marks=with_items(found.marks),
            note=note,
            took=f"{failed:,} failed" if failed else found.took,
        )

    def fold(self, row: FoldRow) -> Drawn:
        """The tasks of a fan-out as a strip, from the first start to the last end."""
        return folded(row, self.axis)

    def run(self, run: RunLine) -> Mark:
        """The bar of a run below the first one."""
        return _mark("bar", self.axis, run.started_at or run.created_at, run.ended_at or self.at)


def chart(seen: Inspection, clock: Clock, zone: tzinfo | None, *, fold: bool) -> Chart:
    """The chart of a run and those below it."""
    timeline = seen.timeline
    work = merged(_work(timeline))
    scale = axis(
        second(timeline.begins),
        second(timeline.ends),
        work,
        zone,
        fold=fold,
        rounds=[second(each) for each in seen.rounds],
    )
    pauses = [_mark("", scale, each.since, each.until or timeline.at) for each in timeline.pauses]
    rounds = [Sign(_x(scale, at), f"round {n}") for n, at in enumerate(seen.rounds, 2)]
    is_over = timeline.run.ended_at is not None
    return Chart(
        axis=scale,
        pauses=tuple((each.x, each.width) for each in pauses),
        rounds=tuple(rounds),
        now=None if is_over else _x(scale, timeline.at),
        work=sum(end - start for start, end in work),
        clock=clock,
        at=timeline.at,
    )


def second(text: str) -> float:
    """An instant in seconds since 1970."""
    return datetime.fromisoformat(text).timestamp()


def _work(timeline: Timeline) -> Iterator[tuple[float, float]]:
    """The times in which a body of a run, or of those below it, has run and did not wait."""
    for bar in timeline.bars:
        if bar.started_at is not None and not bar.kept:
            waits = [each.since for each in bar.waits]
            end = min([bar.ended_at or timeline.at, *waits])
            if end > bar.started_at:
                yield second(bar.started_at), second(end)
    for child in timeline.children:
        yield from _work(child)


# -- one task ------------------------------------------------------------------------------------


def drawn(node: TaskNode, bars: Sequence[Bar], scale: Axis, clock: Clock, at: str) -> Drawn:
    """The marks of a task at the instant ``at``."""
    marks: list[Mark] = []
    for number, bar in enumerate(bars):
        later = bars[number + 1] if number + 1 < len(bars) else None
        marks += _attempt(node, bar, scale, clock, at)
        marks += _back_off(node, bar, later, scale, at)
    ordered = sorted(marks, key=lambda mark: mark.kind in ("bad", "crash"))
    return Drawn(tuple(ordered), _placed(_text(node, bars, clock), ordered), took(node, bars, at))


def with_items(marks: Sequence[Mark]) -> tuple[Mark, ...]:
    """The marks of a map, with its items in the place of its last bar, or of its wait if the items
    are child runs. They say how far it has come, too. No sign of a failure stands on them: it would
    hide an item that may be well, and the failed ones are drawn.
    """
    last = max([n for n, mark in enumerate(marks) if mark.kind in ("bar", "ask")], default=-1)
    begins = marks[last].x if last >= 0 else 0.0
    told = [mark.says for mark in marks if mark.kind == "done"]
    return tuple(
        [
            mark._replace(kind="items", says="; ".join([mark.says, *told])) if n == last else mark
            for n, mark in enumerate(marks)
            if mark.kind != "done" and not (mark.kind == "bad" and mark.x >= begins)
        ]
    )


def folded(row: FoldRow, scale: Axis) -> Drawn:
    """The strip of a fan-out, or the sign of a skipped fan-out, with its states beside it."""
    if row.begins is None or row.ends is None:
        if row.skipped_at is None:
            return Drawn((), Note(row.words, 0), "")
        dash = Mark("dash", _x(scale, row.skipped_at), 0, says=row.words)
        return Drawn((dash,), _beside(row.words, dash), "")
    strip = _mark("items", scale, row.begins, row.ends, says=row.words)
    took = duration(second(row.ends) - second(row.begins))
    return Drawn((strip,), _beside(row.words, strip), took)


def _beside(words: str, mark: Mark) -> Note | None:
    """A note beside the mark: all states if they fit there whole, otherwise the first state."""
    for each in (words, words.partition(" · ")[0]):
        note = _placed(each, [mark])
        if note is not None and note.text == each and not note.is_over:
            return note
    return None


def took(node: TaskNode, bars: Sequence[Bar], at: str) -> str:
    """The time of a task from its first start of this round; of one that failed how often."""
    begun = [bar for bar in bars if bar.started_at is not None and not bar.kept]
    if not begun or node.status == "Skipped":
        return ""
    ours = [bar for bar in begun if bar.round == begun[-1].round]
    if node.status == "Failed" and len(ours) > 1:
        return f"{len(ours)} attempts"
    start, end = ours[0].started_at or at, ours[-1].ended_at or at
    return duration(max(0.0, second(end) - second(start)))


def _attempt(node: TaskNode, bar: Bar, scale: Axis, clock: Clock, at: str) -> Iterator[Mark]:
    if bar.kept:
        yield Mark("dash", 0, 0, says=_KEPT)
        return
    if bar.started_at is None:
        if bar.status == "Skipped" and bar.ended_at is not None:
            yield Mark("dash", _x(scale, bar.ended_at), 0, says=node.skip_reason or "skipped")
        return
    says = _says(bar, clock)
    if bar.queued_at is not None and bar.queued_at < bar.started_at:
        queued = f"queued {duration(bar.queued_seconds)}"
        yield _mark("queue", scale, bar.queued_at, bar.started_at, says=queued)
    end = bar.ended_at or at
    waits = bar.waits or _waits_for_runs(node, bar)
    first = min([each.since for each in waits], default=end)
    if first > bar.started_at or not waits:
        ran = _mark("bar", scale, bar.started_at, first, bar.status, says)
        yield ran
        yield from _done(node, bar, ran)
    for wait in waits:
        yield _wait(node, wait, scale, at)
    if bar.status == "Failed":
        yield Mark("bad", round((_x(scale, bar.started_at) + _x(scale, end)) / 2, 3), 0, says=says)
    if bar.crashes:
        yield Mark("crash", _x(scale, bar.started_at), 0, says=_crashed(bar))


def _waits_for_runs(node: TaskNode, bar: Bar) -> Sequence[Span]:
    """The wait of a body for other runs, which is not recorded: since the first of them that has
    not ended was made.
    """
    wait = node.waits_for
    if bar.status != "Waiting" or bar.started_at is None or wait is None or wait.kind != "run":
        return ()
    since = min([child.run.created_at for child in open_runs(node)], default=bar.started_at)
    return [Span("run", None, max(since, bar.started_at), None)]


def _done(node: TaskNode, bar: Bar, ran: Mark) -> Iterator[Mark]:
    """How far the body of a running attempt has come."""
    told = node.progress
    if bar.status == "Running" and told is not None and told.total:
        part = min(1.0, max(0.0, told.done / told.total))
        yield ran._replace(kind="done", width=round(ran.width * part, 3), says=str(told))


def _wait(node: TaskNode, wait: Span, scale: Axis, at: str) -> Mark:
    kind = "hatch" if node.kind == "task" else "ask"
    named = "" if wait.name in (None, node.task_id) else f" {wait.name}"
    return _mark(kind, scale, wait.since, wait.until or at, says=f"{wait.kind}{named}")


def _back_off(node: TaskNode, bar: Bar, later: Bar | None, scale: Axis, at: str) -> Iterator[Mark]:
    """The time between a failed attempt and the next one."""
    if bar.status != "Failed" or bar.ended_at is None:
        return
    if later is None:
        if node.retry_at is not None:
            yield _mark("hatch", scale, bar.ended_at, at, says="waits for its next attempt")
    elif later.round == bar.round and later.started_at is not None:
        until = later.queued_at or later.started_at
        yield _mark("hatch", scale, bar.ended_at, until, says="waited for its next attempt")


def _says(bar: Bar, clock: Clock) -> str:
    times = f"{clock.when(bar.started_at)} to {clock.when(bar.ended_at) or 'now'}"
    text = f"attempt {bar.attempt}, {bar.status}, {times}, {duration(bar.seconds)}"
    return text if bar.error is None else f"{text}: {bar.error[:200]}"


def _crashed(bar: Bar) -> str:
    return "its process died" if bar.crashes == 1 else f"its process died {bar.crashes} times"


# -- the note beside the marks -------------------------------------------------------------------


def _text(node: TaskNode, bars: Sequence[Bar], clock: Clock) -> str:
    if any(bar.kept for bar in bars) and bars[-1].kept:
        return _KEPT
    if node.status == "Skipped":
        return skipped(node.skip_reason or "")
    if node.status == "Running" and node.progress is not None:
        return str(node.progress)
    if node.retry_at is not None and node.status == "Waiting":
        return f"next attempt {clock.when(node.retry_at)}"
    if node.status == "Waiting" and node.waits_for is not None:
        return _waits(node, clock)
    crashed = [bar for bar in bars if bar.crashes]
    return _crashed(crashed[-1]) if crashed else ""


def _waits(node: TaskNode, clock: Clock) -> str:
    wait = node.waits_for
    assert wait is not None
    match wait.kind:
        case _ if wait.answered:
            return f"{'decided' if wait.kind == APPROVAL else 'sent'}, waits for a runner"
        case "approval":
            return "waits for a decision"
        case "sleep":
            return f"sleeps until {clock.when(wait.until)}"
        case "run":
            return waits_for_runs(node)
        case _:
            return f"waits for {wait.name or wait.kind}"


def _placed(text: str, marks: Sequence[Mark]) -> Note | None:
    """The note where there is room for it, cut to what fits; the title of a mark has all of it."""
    if not text or not marks:
        return None
    start, end = min(mark.x for mark in marks), max(mark.x + mark.width for mark in marks)
    behind = _cut(text, 100 - end)
    if end <= _ROOM and behind:
        dashed = any(mark.kind == "dash" for mark in marks)
        return Note(behind, end, gap=24 if dashed else 9)
    before = _cut(text, start)
    if before:
        return Note(before, start, is_before=True)
    over = _cut(text, end - start)
    return Note(over, start, gap=0, is_over=True) if over else None


def _cut(text: str, room: float) -> str:
    most = min(int(room * _LETTERS), _LONGEST)
    line = text.strip().partition("\n")[0]
    if len(line) <= most:
        return line
    return f"{line[: most - 1].rstrip()}…" if most >= 8 else ""


# -- places --------------------------------------------------------------------------------------


def _mark(kind: str, scale: Axis, since: str, until: str, state: str = "", says: str = "") -> Mark:
    start, end = _x(scale, since), _x(scale, until)
    width = max(end - start, _LEAST)
    return Mark(kind, round(min(start, 100 - width), 3), round(width, 3), state, says)


def _x(scale: Axis, text: str) -> float:
    return scale.at(second(text))
