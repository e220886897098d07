"""Counts the files of cloaca that a call enters on its way to the result, and the moves between
them: how much a reader of that way has to open.

``python -m benchmarks.entered execute|send`` prints both numbers. With ``--list`` it prints the way
before them: each file in the order of entrance, how often it is moved to, and its functions.
The database is in memory.
"""

from __future__ import annotations

import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from itertools import groupby, pairwise
from types import FrameType
from typing import Any, Final, NamedTuple

import cloaca

_EACH: Final = 5
"""So often each is tried; the least counts, since other work of a runner may come between."""


class Call(NamedTuple):
    file: str
    function: str


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


def main(way: str, *options: str) -> None:
    """Print the files and the moves; with ``--list`` the way before them."""
    entered: list[Call] = []
    is_on = False

    def note(frame: FrameType, event: str, _: Any) -> None:
        if is_on and event == "call" and _is_of_cloaca(frame):
            entered.append(Call(frame.f_code.co_filename, frame.f_code.co_qualname))

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
            found.append(_counted(entered))
    files, moves, calls = min(found)
    if "--list" in options:
        print("\n".join(_lines(calls)))
    print(files, moves)


def _is_of_cloaca(frame: FrameType) -> bool:
    """Whether a reader finds the function in a file: `dataclasses` makes some without."""
    in_file = not frame.f_code.co_filename.startswith("<")
    return in_file and "cloaca" in frame.f_globals.get("__name__", "")


def _counted(calls: list[Call]) -> tuple[int, int, list[Call]]:
    """The number of files, that of moves between them, and the calls."""
    moves = sum(before.file != after.file for before, after in pairwise(calls))
    return len({call.file for call in calls}), moves, list(calls)


def _lines(calls: list[Call]) -> Iterator[str]:
    """A line a file, in the order of entrance: the moves to it, its functions and their calls."""
    entrances = Counter(file for file, _ in groupby(call.file for call in calls))
    functions: dict[str, Counter[str]] = defaultdict(Counter)
    for file, function in calls:
        functions[file][function] += 1
    for file, names in functions.items():
        module = file.rpartition("/src/")[2] or file
        called = (f"{name} x{times}" if times > 1 else name for name, times in names.items())
        yield f"{entrances[file]:4} {module}: {', '.join(called)}"


def _nothing(context: cloaca.Context) -> None:
    """Do nothing."""


if __name__ == "__main__":
    main(*sys.argv[1:])
