"""Lanes of activity: from runs to shapes with x in per cent. Pure; knows no clock.

The time that is past takes six parts of seven, the rest is to come. Failures are drawn last, so
they lie on top, and their sign has a width of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cloaca_tools.views.workflows.activity import ActiveRun, Activity, Lane

WIDTH: Final = 420
"""Width of a histogram in its own units, of which a part of the time takes five."""
BASE: Final = 30.0
_TALLEST: Final = 20.0
_TALLEST_FAILURES: Final = 8.0
_GAP: Final = 1.5
_NARROWEST: Final = 0.45
"""Per cent: a run that took no time is still seen."""
_LABEL: Final = 7.0
"""Per cent between two labels of the axis at least."""
_TICK: Final = 1.6
"""Per cent that the circle of a tick takes."""
_STEPS: Final = ((2, 10), (8, 60), (25, 240))
"""Minutes between two labels, by how many hours are shown at most."""
_QUARTER: Final = 900.0
Instant = Callable[[str], float]


@dataclass(frozen=True, slots=True)
class Label:
    """A time at the axis. Every other one is ``odd`` and may be left out; ``text`` is empty where
    it would lie on another one, and only its line is drawn.
    """

    x: float
    text: str
    odd: bool


@dataclass(frozen=True, slots=True)
class Shape:
    """A run in a lane: a ``bar``, a ``hatch`` for a wait, or ``bad``, the sign of a failure. Runs
    at the same time lie in the ``up`` and the ``low`` half.
    """

    kind: str
    state: str
    x: float
    width: float
    half: str
    run_id: str


@dataclass(frozen=True, slots=True)
class LaneChart:
    """A lane with its words. ``made`` and ``failed`` are the paths of a histogram, empty for a
    workflow with few runs.
    """

    name: str
    workflow: str
    state: str
    shapes: tuple[Shape, ...]
    made: str
    failed: str
    ticks: tuple[float, ...]
    total: int
    is_all: bool
    failures: int


@dataclass(frozen=True, slots=True)
class Chart:
    """All lanes on one axis; ``now`` is the x of the present."""

    labels: tuple[Label, ...]
    now: float
    lanes: tuple[LaneChart, ...]


def chart(
    activity: Activity,
    local: Callable[[str], datetime],
    states: Mapping[str, str],
    failing: Sequence[str],
) -> Chart:
    """The lanes of an activity. ``local`` gives an instant in the reader's zone, ``states`` the
    name of a state in classes; ``failing`` are the workflows whose lanes are marked so.
    """
    start, end, until = [local(text).timestamp() for text in _bounds(activity)]

    def x(text: str) -> float:
        return round(max(0.0, (local(text).timestamp() - start) / (until - start) * 100), 2)

    now = round((end - start) / (until - start) * 100, 2)
    zone = local(activity.at)
    ticks: dict[str, list[float]] = {}
    for tick in activity.ticks:
        ticks.setdefault(tick.workflow, []).append(x(tick.at))
    lanes = [
        _lane(lane, x, now, states, ticks.get(lane.workflow, []), lane.workflow in failing)
        for lane in activity.lanes
    ]
    return Chart(tuple(_labels(start, until, zone, now)), now, tuple(lanes))


def _bounds(activity: Activity) -> tuple[str, str, str]:
    return activity.since, activity.at, activity.until


# -- the axis ------------------------------------------------------------------------------------


def _labels(start: float, until: float, zone: datetime, now: float) -> Iterator[Label]:
    """The round times, oldest first. The last one before the present is odd: on a narrow screen
    both would touch.
    """
    found = list(_round_times(start, until, zone))
    past = [x for x, _ in found if x < now]
    for place, (x, text) in enumerate(found):
        is_free = x > _LABEL / 2 and x < now - _LABEL
        yield Label(x, text if is_free else "", (len(past) - place) % 2 == 1)


def _round_times(start: float, until: float, zone: datetime) -> Iterator[tuple[float, str]]:
    hours = (until - start) / 3600
    step = next((minutes for most, minutes in _STEPS if hours <= most), 240)
    spacing = min(_QUARTER, step * 60)
    at = start - start % spacing + spacing
    while at < until:
        local = datetime.fromtimestamp(at, zone.tzinfo)
        if (local.hour * 60 + local.minute) % step == 0:
            yield round((at - start) / (until - start) * 100, 2), f"{local:%H:%M}"
        at += spacing


# -- a lane --------------------------------------------------------------------------------------


def _lane(
    lane: Lane,
    x: Callable[[str], float],
    now: float,
    states: Mapping[str, str],
    ticks: Sequence[float],
    fails: bool,
) -> LaneChart:
    made, failed = "", ""
    shapes: tuple[Shape, ...] = ()
    if lane.is_busy:
        parts = [part_of(x(ended), now, len(lane.made)) for _, ended in lane.failures]
        made, failed = histogram(lane.made, Counter(parts))
    else:
        shapes = _shapes(lane.runs, x, now, states)
    return LaneChart(
        name=lane.workflow_name,
        workflow=lane.workflow,
        state=_state(lane, states, fails),
        shapes=shapes,
        made=made,
        failed=failed,
        ticks=tuple(apart(ticks)),
        total=max(lane.total, len(lane.runs)),
        is_all=max(lane.made, default=0) < lane.counted,
        failures=len(lane.failures),
    )


def _state(lane: Lane, states: Mapping[str, str], fails: bool) -> str:
    """The state that the lane is marked with: the first of these that it has."""
    own = {states[run.status] for run in lane.runs if run.ended_at is None}
    if fails:
        return "failed"
    order = ("running", "waiting", "paused", "cancelling", "pending")
    return next((state for state in order if state in own), "completed")


def _shapes(
    runs: Sequence[ActiveRun], x: Callable[[str], float], now: float, states: Mapping[str, str]
) -> tuple[Shape, ...]:
    spans = []
    for run in runs:
        begin = x(run.started_at or run.created_at)
        end = now if run.ended_at is None else x(run.ended_at)
        spans.append((begin, max(end, begin + _NARROWEST)))
    shapes = [
        shape
        for run, span, half in zip(runs, spans, halves(spans), strict=True)
        for shape in _of_run(run, span, half, x, states)
    ]
    return tuple(sorted(shapes, key=lambda shape: shape.kind == "bad"))


def _of_run(
    run: ActiveRun,
    span: tuple[float, float],
    half: str,
    x: Callable[[str], float],
    states: Mapping[str, str],
) -> Iterator[Shape]:
    begin, end = span
    state = states[run.status]
    if state == "failed":
        if end - begin > 2 * _NARROWEST:
            yield Shape("bar", state, begin, round(end - begin, 2), half, run.id)
        yield Shape("bad", state, end, 0, half, run.id)
        return
    if state == "waiting":
        waits = x(run.waits_since) if run.waits_since is not None else begin
        yield Shape("bar", "completed", begin, round(max(waits - begin, _NARROWEST), 2), half, "")
        yield Shape("hatch", state, waits, round(max(end - waits, _NARROWEST), 2), half, run.id)
        return
    kind = "queue" if state == "pending" else "bar"
    yield Shape(kind, state, begin, round(end - begin, 2), half, run.id)


def halves(spans: Sequence[tuple[float, float]]) -> list[str]:
    """The half of the lane for each span, in their order: "" for one that no other overlaps."""
    found = [""] * len(spans)
    groups: list[list[int]] = []
    reach = 0.0
    for index in sorted(range(len(spans)), key=lambda each: spans[each]):
        if not groups or spans[index][0] >= reach:
            groups.append([])
        groups[-1].append(index)
        reach = max(reach, spans[index][1])
    for group in groups:
        ends = {"up": 0.0, "low": 0.0}
        for index in group if len(group) > 1 else ():
            half = min(ends, key=lambda each: ends[each])
            found[index] = half
            ends[half] = max(ends[half], spans[index][1])
    return found


def apart(ticks: Sequence[float]) -> list[float]:
    """Those of these ticks that do not lie on the one before them."""
    found: list[float] = []
    for x in sorted(ticks):
        if not found or x - found[-1] >= _TICK:
            found.append(x)
    return found


# -- many runs -----------------------------------------------------------------------------------


def part_of(x: float, now: float, parts: int) -> int:
    """In which part of the past an x lies."""
    return min(parts - 1, int(x / now * parts))


def histogram(made: Sequence[int], failed: Mapping[int, int]) -> tuple[str, str]:
    """The paths of the runs that were made and of those that failed, in a box of ``WIDTH`` by 34.

    Failures stand on top of the others, apart by a gap, and are never lower than 3 units.
    """
    most = max(max(made, default=0), 1)
    below, above = [], []
    width = WIDTH * 6 / 7 / max(len(made), 1)
    for part, number in enumerate(made):
        bad = failed.get(part, 0)
        good = max(number - bad, 0)
        height = max(1.0, good / most * _TALLEST) if good else 0.0
        left = part * width + width * 0.12
        if good:
            below.append(_column(left, BASE, width * 0.76, height))
        if bad:
            base = BASE - height - (_GAP if good else 0)
            tall = min(_TALLEST_FAILURES, max(3.0, bad / most * _TALLEST))
            above.append(_column(left, base, width * 0.76, tall))
    return "".join(below), "".join(above)


def _column(left: float, base: float, width: float, height: float) -> str:
    return f"M{left:.4g} {base:.4g}v-{height:.4g}h{width:.4g}v{height:.4g}z"
