"""What a run costs in Python calls and in instructions, which no other load of a machine changes.

``invoke bench --instructions`` starts this program once for each cell and count, under callgrind
where instructions are counted: ``python -m benchmarks.instructions CELL calls|instructions URL``.
It prints the number of runs that were counted, and the calls.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType
from typing import Any, Final

import cloaca
from benchmarks import workflows

THREADS: Final = 100
SETTLED: Final = 35.0
"""Seconds after which a runner has looked around: for work that nobody takes up, and for rows that
are to go. A runner does so once in a while and not for a run; callgrind slows a batch down so much
that both would fall into it.
"""


def _at_once(workflow: str, count: int) -> Callable[[cloaca.DefaultRunner], int]:
    """So many runs in flight, submitted in one call."""

    def cell(runner: cloaca.DefaultRunner) -> int:
        for run in runner.submit_many(workflow, [workflows.CONTEXT] * count):
            run.wait()
        return count

    return cell


def _one_by_one(workflow: str, count: int) -> Callable[[cloaca.DefaultRunner], int]:
    def cell(runner: cloaca.DefaultRunner) -> int:
        for _ in range(count):
            runner.execute(workflow, workflows.CONTEXT)
        return count

    return cell


def _from_threads(runner: cloaca.DefaultRunner) -> int:
    """Threads that each wait for their runs, one by one."""
    each = 5

    def executes() -> None:
        for _ in range(each):
            runner.execute("one", workflows.CONTEXT)

    threads = [threading.Thread(target=executes) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return THREADS * each


CELLS: Final[dict[str, Callable[[cloaca.DefaultRunner], int]]] = {
    "batch": _at_once("one", 1_000),
    "one": _one_by_one("one", 50),
    "diamond": _at_once("diamond", 200),
    "chain": _one_by_one("chain", 20),
    "fan_out": _one_by_one("fan_out", 5),
    "threads": _from_threads,
}


# -- counting --------------------------------------------------------------------------------------


class Calls:
    """Counts the calls of Python functions, in all threads that begin later and in this one."""

    def __init__(self) -> None:
        self._counts: list[list[int]] = []
        self._own = threading.local()
        self._is_on = False
        threading.setprofile(self._note)
        sys.setprofile(self._note)

    def _note(self, _: FrameType, event: str, __: Any) -> None:
        if self._is_on and event == "call":
            try:
                count = self._own.count
            except AttributeError:
                count = self._own.count = [0]
                self._counts.append(count)
            count[0] += 1

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count within this block."""
        self._is_on = True
        yield
        self._is_on = False

    @property
    def total(self) -> int:
        """The calls so far."""
        return sum(count for (count,) in self._counts)


@contextmanager
def instructions() -> Iterator[None]:
    """Have callgrind count within this block."""
    _tell_callgrind("on")
    yield
    _tell_callgrind("off")


def _tell_callgrind(word: str) -> None:
    program = shutil.which("callgrind_control") or "callgrind_control"
    command = [program, f"--instr={word}", str(os.getpid())]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def main(cell: str, counting: str, url: str) -> None:
    """Warm up, then count one batch of the cell."""
    calls = Calls() if counting == "calls" else None
    counted: Callable[[], AbstractContextManager[None]] = calls.counted if calls else instructions
    workflows.define()
    with cloaca.DefaultRunner(url) as runner:
        CELLS[cell](runner)
        if calls is None:
            time.sleep(SETTLED)
        with counted():
            runs = CELLS[cell](runner)
    print(runs, calls.total if calls else 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
