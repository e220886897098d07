"""Durations, counts and first lines in words, the same on every screen."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

_MINUTE: Final = 60
_HOUR: Final = 3_600
_DAY: Final = 86_400
_COUNTS: Final = re.compile(r"^\d+ task\(s\) failed, .*?; first error: (?=.)")


def duration(seconds: float | None) -> str:
    """So much time in two units at most: ``1 m 04 s``; nothing for None."""
    if seconds is None:
        return ""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    for unit, name, below, its_name in (
        (_DAY, "d", _HOUR, "h"),
        (_HOUR, "h", _MINUTE, "m"),
        (_MINUTE, "m", 1, "s"),
    ):
        if whole >= unit:
            return f"{whole // unit} {name} {whole % unit // below:02d} {its_name}"
    raise AssertionError("there is a unit for a minute")


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """``1 run`` or ``2 runs``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {plural or f'{noun}s'}"


def tasks_failed(failed: int, completed: int, skipped: int, first: str) -> str:
    """The error of a run in which tasks failed; ``first`` is ``task: error`` of the first one."""
    counts = f"{failed} task(s) failed, {completed} completed, {skipped} skipped"
    return f"{counts}; first error: {first}"


def first_failure(error: str) -> str:
    """The ``task: error`` in an error by ``tasks_failed``; any other error as it is."""
    return _COUNTS.sub("", error)


def first_line(text: str | None) -> str:
    """The first line of a text; nothing for None."""
    return (text or "").strip().partition("\n")[0]


def slot_wait(runner: str, runs: int, idle: Sequence[str]) -> str:
    """Tells of runs that wait for a slot of a runner although others are idle."""
    verb, are = "waits" if runs == 1 else "wait", "is" if len(idle) == 1 else "are"
    others = idle[0] if len(idle) == 1 else f"{len(idle):,} others"
    return f"{counted(runs, 'run')} {verb} for a slot of {runner} while {others} {are} idle"
