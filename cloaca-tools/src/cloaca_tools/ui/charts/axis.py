"""An axis of time in per cent of its width: long waits folded, ticks at round times.

Pure. Instants are seconds since 1970.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Final, NamedTuple

from cloaca_core.values.wording import duration

LONG: Final = 600.0
"""Seconds without work above which a time is folded."""

_ALL_FOLDS: Final = 30.0
"""Per cent of the width that all folds together take at most."""
_FOLD: Final = 7.0
_MUCH: Final = 0.1
"""The part of the width above which a time between two rounds is folded."""
_EDGE: Final = 0.04
"""How much of a folded time stays on each side of it, as a part of the times that are not."""
_MOST_TICKS: Final = 8
_LETTER: Final = 6.2
"""Pixels of a letter of a label."""
_APART: Final = 8.0
"""Pixels between labels."""
_TRACKS: Final = (("", 140.0), ("mid", 260.0), ("wide", 360.0))
"""The width of a track in pixels on a phone, on a small screen and on a large one, each with the
class of labels that are hidden on the narrower ones.
"""
_PLACES: Final = {shown: place for place, (shown, _) in enumerate(_TRACKS)}
_STEPS: Final = (
    *(unit * 10**power for power in range(-3, 0) for unit in (1, 2, 5)),
    *(1, 2, 5, 10, 15, 30),
    *(60 * each for each in (1, 2, 5, 10, 15, 30)),
    *(3600 * each for each in (1, 2, 3, 6, 12)),
    *(86_400 * each for each in (1, 2, 7, 14, 28)),
)


class Label(NamedTuple):
    """A text on the axis. ``shown`` is the class that hides it on narrow screens; None for one that
    fits on none. ``anchor`` is that of SVG.
    """

    x: float
    text: str
    shown: str | None
    anchor: str = "middle"


class Fold(NamedTuple):
    """A time that is folded, and where."""

    x: float
    width: float
    label: Label


class _Piece(NamedTuple):
    """A time from ``since`` on, at ``x``, with ``scale`` per cent a second."""

    since: float
    until: float
    x: float
    scale: float
    is_folded: bool

    def at(self, instant: float) -> float:
        return self.x + (min(instant, self.until) - self.since) * self.scale


@dataclass(frozen=True, slots=True)
class Axis:
    """The axis of a time. ``folds`` and ``ticks`` are in its order; ``at`` tells the place of an
    instant.
    """

    begins: float
    ends: float
    folds: tuple[Fold, ...]
    ticks: tuple[Label, ...]
    pieces: tuple[_Piece, ...]
    can_fold: bool

    def at(self, instant: float) -> float:
        """Where an instant is, in per cent from 0 to 100; instants outside are at its ends."""
        place = bisect_right(self.pieces, instant, key=lambda piece: piece.since) - 1
        if place < 0:
            return 0.0
        return round(self.pieces[place].at(instant), 3)


def axis(
    begins: float,
    ends: float,
    work: Iterable[tuple[float, float]],
    zone: tzinfo | None,
    *,
    fold: bool = True,
    rounds: Collection[float] = (),
) -> Axis:
    """The axis from ``begins`` to ``ends``; times of ``LONG`` without ``work`` are folded, and
    shorter ones before the begin of one of the ``rounds`` that would take much of the width.
    """
    ends = max(ends, begins + 0.001)
    busy = merged(work)
    much = min((ends - begins) * _MUCH, LONG)
    gaps = _gaps(begins, ends, busy) if busy else ()
    waits = [(a, b) for a, b in gaps if b - a > (much if _holds(a, b, rounds) else LONG)]
    pieces = tuple(_pieces(begins, ends, waits if fold else []))
    folded = [_fold(piece) for piece in pieces if piece.is_folded]
    marks = list(_ticks(pieces, zone))
    labels = _fitting([each.label for each in folded], marks)
    folds = [each._replace(label=labels[n]) for n, each in enumerate(folded)]
    ticks = tuple(labels[len(folds) :])
    return Axis(begins, ends, tuple(folds), ticks, pieces, bool(waits))


def merged(spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """The times that any of the spans covers, in order."""
    found: list[tuple[float, float]] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def _holds(since: float, until: float, instants: Collection[float]) -> bool:
    return any(since < each <= until for each in instants)


def _gaps(
    begins: float, ends: float, busy: Sequence[tuple[float, float]]
) -> Iterator[tuple[float, float]]:
    """The times between the busy ones, up to both ends."""
    since = begins
    for start, end in busy:
        if start > since:
            yield since, start
        since = max(since, end)
    if ends > since:
        yield since, ends


def _pieces(begins: float, ends: float, waits: Sequence[tuple[float, float]]) -> Iterator[_Piece]:
    """The times between folds, all of one scale, and the folds, all of one width."""
    open_seconds = ends - begins - sum(b - a for a, b in waits)
    folds = [_folded(wait, open_seconds, begins, ends) for wait in waits]
    width = min(_FOLD, _ALL_FOLDS / len(folds)) if folds else 0.0
    shown = ends - begins - sum(b - a for a, b in folds)
    scale = (100 - width * len(folds)) / shown
    x, since = 0.0, begins
    for start, end in folds:
        yield _Piece(since, start, x, scale, is_folded=False)
        x += (start - since) * scale
        yield _Piece(start, end, x, width / (end - start), is_folded=True)
        x, since = x + width, end
    yield _Piece(since, ends, x, scale, is_folded=False)


def _folded(
    wait: tuple[float, float], open_seconds: float, begins: float, ends: float
) -> tuple[float, float]:
    """The part of a wait that is folded: its edges stay, so that it is seen to begin and end."""
    start, end = wait
    edge = min(open_seconds * _EDGE, (end - start) / 4)
    return start + (0 if start == begins else edge), end - (0 if end == ends else edge)


def _fold(piece: _Piece) -> Fold:
    width = (piece.until - piece.since) * piece.scale
    label = Label(piece.x + width / 2, duration(piece.until - piece.since), None)
    return Fold(round(piece.x, 3), round(width, 3), label)


# -- ticks ---------------------------------------------------------------------------------------


def _ticks(pieces: Sequence[_Piece], zone: tzinfo | None) -> Iterator[Label]:
    """Labels at round times of the zone; first the labels of the start and, after a fold, of the
    end.
    """
    scale = pieces[0].scale if not pieces[0].is_folded else pieces[-1].scale
    step = next((each for each in _STEPS if 100 / (each * scale) <= _MOST_TICKS), _STEPS[-1])
    yield Label(0.0, _text(pieces[0].since, zone, step, is_first=True), None)
    if len(pieces) > 1:
        yield Label(100.0, _text(pieces[-1].until, zone, step, is_first=True), None)
    for piece in pieces:
        if not piece.is_folded:
            for instant in _round_times(piece, step, zone):
                text = _text(instant, zone, step, is_first=False)
                yield Label(round(piece.at(instant), 3), text, None)


def _round_times(piece: _Piece, step: float, zone: tzinfo | None) -> Iterator[float]:
    offset = _local(piece.since, zone).utcoffset() or timedelta()
    shift = offset.total_seconds()
    number = math.ceil((piece.since + shift) / step)
    while (instant := number * step - shift) <= piece.until:
        yield instant
        number += 1


def _text(instant: float, zone: tzinfo | None, step: float, *, is_first: bool) -> str:
    """An instant as short as its neighbours allow."""
    at = _local(instant, zone)
    if step >= 86_400 or (step >= 3600 and at.hour == at.minute == 0):
        return f"{at.day} {at:%b}"
    if step >= 60:
        return f"{at:%H:%M}"
    if step >= 1 or is_first:
        return f"{at:%H:%M:%S}"
    digits = max(1, math.ceil(-math.log10(step) - 1e-9))
    return f"{at:%H:%M:%S.%f}"[: digits - 6]


def _local(instant: float, zone: tzinfo | None) -> datetime:
    return datetime.fromtimestamp(round(instant, 6), zone).astimezone(zone)


# -- labels --------------------------------------------------------------------------------------


def _fitting(folds: Sequence[Label], ticks: Sequence[Label]) -> list[Label]:
    """The labels, each with the narrowest screen on which it has a place: first the labels of
    folds, which on a phone are a sign, then the labels of ticks in their order.
    """
    placed: list[Label] = []
    for number, label in enumerate([_anchored(each) for each in (*folds, *ticks)]):
        narrowest = 1 if number < len(folds) else 0
        fits = (
            place
            for place in range(narrowest, len(_TRACKS))
            if all(
                _is_free(label, placed, len(folds), wider) for wider in range(place, len(_TRACKS))
            )
        )
        place = next(fits, None)
        placed.append(label if place is None else label._replace(shown=_TRACKS[place][0]))
    return placed


def _is_free(label: Label, placed: Sequence[Label], folds: int, place: int) -> bool:
    """Whether a label has room between those that are seen on a track."""
    track = _TRACKS[place][1]
    start, end = _reach(label, track)
    for number, other in enumerate(placed):
        seen = other.shown is not None and _PLACES[other.shown] <= place
        if not seen and number < folds:
            other = Label(other.x, "≈", None)  # the sign of a fold without its text
        elif not seen:
            continue
        other_start, other_end = _reach(other, track)
        if start < other_end and other_start < end:
            return False
    return True


def _anchored(label: Label) -> Label:
    if label.x < 8:
        return label._replace(anchor="start")
    return label._replace(anchor="end") if label.x > 92 else label


def _reach(label: Label, track: float) -> tuple[float, float]:
    """From where to where a label stands on a track of so many pixels, in per cent."""
    width = (len(label.text) * _LETTER + _APART) / track * 100
    start = {"start": 0.0, "middle": width / 2, "end": width}[label.anchor]
    return label.x - start, label.x - start + width
