"""Counts the files of cloaca that a call enters on its way to the result, and the moves between
them: how much a reader of that way has to open.

``python -m benchmarks.entered execute|send`` prints both numbers. The database is in memory.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from itertools import pairwise
from types import FrameType
from typing import Any, Final

import cloaca

_EACH: Final = 5
"""So often each is tried; the least counts, since other work of a runner may come between."""


def _execute(runner: cloaca.DefaultRunner) -> Callable[[], object]:
    return lambda: runner.execute("one", {"a": 1})


def _send(runner: cloaca.DefaultRunner) -> Callable[[], object]:
    """From the message for which a run waits to the result of the run."""
    run = runner.submit("waiting", {"a": 1})
    while run.tasks()["go"].status != "Waiting":
        pass
    return lambda: (run.send("go", 1), run.result())


WAYS: Final[dict[str, Callable[[cloaca.DefaultRunner], Callable[[], object]]]] = {
    "execute": _execute,
    "send": _send,
}


def main(way: str) -> None:
    """Print the files and the moves."""
    entered: list[str] = []
    is_on = False

    def note(frame: FrameType, event: str, _: Any) -> None:
        if is_on and event == "call" and "cloaca" in frame.f_globals.get("__name__", ""):
            entered.append(frame.f_code.co_filename)

    with cloaca.WorkflowBuilder("one"):
        cloaca.task(id="only")(_nothing)
    with cloaca.WorkflowBuilder("waiting"):
        cloaca.wait_for("go")
    threading.setprofile(note)
    sys.setprofile(note)
    found = []
    with cloaca.DefaultRunner(":memory:") as runner:
        for _ in range(_EACH):
            call = WAYS[way](runner)
            entered.clear()
            is_on = True
            call()
            is_on = False
            moves = sum(1 for before, after in pairwise(entered) if before != after)
            found.append((len(set(entered)), moves))
    print(*min(found))


def _nothing(context: cloaca.Context) -> None:
    """Do nothing."""


if __name__ == "__main__":
    main(*sys.argv[1:])
