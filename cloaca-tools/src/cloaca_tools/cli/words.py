"""Times and states as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

_MINUTE: Final = 60
_HOUR: Final = 3_600
_DAY: Final = 86_400

# Colours by name, which every terminal shows readable on its own background; no yellow and no
# white, which light ones cannot show, and no blue, which dark ones cannot.
STYLES: Final[Mapping[str, str]] = {
    "Completed": "green",
    "Failed": "bold red",
    "Cancelled": "red",
    "Cancelling": "red",
    "Running": "bold cyan",
    "Waiting": "magenta",
    "Paused": "magenta",
    "Pending": "",
    "Skipped": "dim",
    "NotStarted": "dim",
}
SIGNS: Final[Mapping[str, str]] = {
    "Completed": "✓",
    "Failed": "✗",
    "Cancelled": "⊘",
    "Cancelling": "⊘",
    "Running": "●",
    "Waiting": "◷",
    "Paused": "‖",
    "Pending": "○",
    "Skipped": "-",
    "NotStarted": "·",
}
PLAIN_SIGNS: Final[Mapping[str, str]] = {
    "Completed": "+",
    "Failed": "x",
    "Cancelled": "/",
    "Cancelling": "/",
    "Running": ">",
    "Waiting": "~",
    "Paused": "=",
    "Pending": "o",
    "Skipped": "-",
    "NotStarted": ".",
}
"""For terminals without Unicode."""


def instant(text: str) -> datetime:
    """The instant of RFC 3339 text."""
    return datetime.fromisoformat(text)


def ago(text: str | None, now: datetime | None = None) -> str:
    """How long ago an instant is, or in how long it comes; nothing for None."""
    if text is None:
        return ""
    seconds = ((now or datetime.now(UTC)) - instant(text)).total_seconds()
    if abs(seconds) < 1:
        return "now"
    return f"{_about(seconds)} ago" if seconds > 0 else f"in {_about(-seconds)}"


def _about(seconds: float) -> str:
    """So much time in one unit, which is enough to say how long ago it was."""
    for unit, name in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "m")):
        if seconds >= unit:
            return f"{seconds // unit:.0f}{name}"
    return f"{seconds:.0f}s"


def clock(text: str | None) -> str:
    """The time of an instant on the reader's clock; nothing for None."""
    return "" if text is None else f"{instant(text).astimezone():%H:%M:%S}"


def runner_state(*, alive: bool, draining: bool, lost: bool = False) -> str:
    """The state of a runner."""
    if lost:
        return "lost"
    if not alive:
        return "gone"
    return "draining" if draining else "alive"
