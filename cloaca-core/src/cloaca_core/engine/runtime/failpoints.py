"""Named points at which tests may stop or kill the process. Otherwise they do nothing.

A point costs one look-up when no fault is armed. ``CLOACA_FAULT=point[:n]`` kills the process with
SIGKILL at the n-th time (default 1) that the point is reached. The test kit watches the points, and
kills an engine there.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from typing import Final

POINTS: Final = (
    "submit.before_commit",
    "submit.after_commit",
    "claim.after_commit",
    "body.before",
    "body.after",
    "transaction.before_commit",
    "transaction.after_commit",
    "journal.before_commit",
    "journal.after_commit",
    "run.before_end",
    "run.after_end",
    "child.after_end",
    "map.after_open",
    "map.before_end",
    "wait.after_open",
    "wait.before_close",
    "body.left",
    "run.before_move",
    "run.after_park",
    "places.before_ask",
    "places.after_ask",
    "takeover.after_fence",
    "steer.after_level",
    "send.before_commit",
    "send.after_commit",
    "retry.before_commit",
    "retry.after_commit",
    "fork.before_commit",
    "fork.after_commit",
    "schedule.before_commit",
    "schedule.after_commit",
    "trigger.after_take",
    "trigger.before_commit",
    "trigger.after_commit",
    "prune.before_hide",
    "prune.after_hide",
    "prune.after_erase",
)
"""Every point, in the order of the flow."""


class _Fault:
    def __init__(self, setting: str) -> None:
        self.point, _, count = setting.partition(":")
        if self.point not in POINTS:
            raise ValueError(f"CLOACA_FAULT: {self.point!r} is none of {', '.join(POINTS)}")
        self._left = int(count or 1)
        self._lock = threading.Lock()

    def reached(self, point: str) -> None:
        """Count, if this is the point."""
        if point != self.point:
            return
        with self._lock:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


watches: tuple[Callable[[str], None], ...] = ()
"""Called in turn at each point, on the thread that reaches it. Code that each run passes checks
this before it calls ``hit``.
"""

if "CLOACA_FAULT" in os.environ:
    watches = (_Fault(os.environ["CLOACA_FAULT"]).reached,)


def hit(point: str) -> None:
    """The flow has reached ``point``."""
    for each in watches:
        each(point)


def watch(reached: Callable[[str], None]) -> Callable[[], None]:
    """Call ``reached`` at each point until the returned function is called."""
    global watches
    watches = (*watches, reached)

    def unwatch() -> None:
        global watches
        watches = tuple(each for each in watches if each != reached)

    return unwatch
