"""Measures what a child node costs beside a task: Python calls, commits and statements.

``python -m benchmarks.children sqlite`` or ``python -m benchmarks.children URL``, the URL of a
PostgreSQL in which a schema is made and dropped. The children have one task that does nothing.
``--profile`` prints where the calls of a chain of nodes go instead.
"""

from __future__ import annotations

import argparse
import sys
import threading
from collections import Counter
from pathlib import PurePath
from types import FrameType
from typing import Any, Final, NamedTuple

import cloaca
from benchmarks import filled
from benchmarks.instructions import Calls
from benchmarks.measuring import Line, report
from cloaca_core.store.batch import Batch
from cloaca_core.store.sql.batch import BatchSteps
from cloaca_core.store.sql.commit_part import Steps

CHAIN: Final = 20
WIDTH: Final = 100
TRIES: Final = 7
MOST: Final = 2.5
"""Times the cost of a task."""


class Cost(NamedTuple):
    """Of one run, with its children."""

    calls: int
    commits: int
    statements: int


def _nothing(context: cloaca.Context) -> None:
    """Do nothing."""


def _task(name: str, dependencies: list[str]) -> None:
    cloaca.task(id=name, dependencies=dependencies)(_nothing)


def _node(name: str, dependencies: list[str]) -> None:
    cloaca.child(name, "leaf", context={}, dependencies=dependencies)


def define() -> None:
    """Register a chain and a fan of tasks, and of child nodes."""
    with cloaca.WorkflowBuilder("leaf"):
        cloaca.task(id="only")(_nothing)
    for kind, unit in (("tasks", _task), ("nodes", _node)):
        with cloaca.WorkflowBuilder(f"chain of {kind}"):
            for link in range(CHAIN):
                unit(f"n{link}", [f"n{link - 1}"] if link else [])
        with cloaca.WorkflowBuilder(f"fan of {kind}"):
            for branch in range(WIDTH):
                unit(f"n{branch}", [])


class Counted:
    """Counts the batches of the journal and their statements."""

    def __init__(self) -> None:
        self.commits = self.statements = 0
        of = BatchSteps.of

        def counted(steps: BatchSteps, batch: Batch) -> Steps:
            made = of(steps, batch)
            self.commits += 1
            self.statements += len(made)
            return made

        BatchSteps.of = counted  # type: ignore[assignment, method-assign]  # this process only measures


def _costs(runner: cloaca.DefaultRunner, calls: Calls, counted: Counted, name: str) -> Cost:
    """The cheapest of several runs: the runner may look after other things meanwhile."""
    found: list[Cost] = []
    for _ in range(TRIES):
        before, counted.commits, counted.statements = calls.total, 0, 0
        with calls.counted():
            runner.execute(name).raise_for_status()
        found.append(Cost(calls.total - before, counted.commits, counted.statements))
    return min(found)


def measure(url: str) -> list[Line]:
    """Chains and fans of nodes beside those of tasks."""
    calls, counted = Calls(), Counted()
    define()
    lines: list[Line] = []
    with cloaca.DefaultRunner(url) as runner:
        for shape, count in (("chain", CHAIN), ("fan", WIDTH)):
            costs = {
                kind: _costs(runner, calls, counted, f"{shape} of {kind}")
                for kind in ("tasks", "nodes")
            }
            tasks, nodes = costs["tasks"], costs["nodes"]
            each = f"{nodes.calls / count:.0f} calls, a task {tasks.calls / count:.0f}"
            beside = (
                f"{each}; {count} nodes: {nodes.commits} commits, {nodes.statements} statements; "
                f"tasks: {tasks.commits}, {tasks.statements}"
            )
            times = nodes.calls / tasks.calls
            lines.append(
                Line(f"node of a {shape}, to a task", times, "times", "at most", MOST, beside)
            )
    return lines


class Profile:
    """Counts the calls of each function, in all threads."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.is_on = False
        threading.setprofile(self._note)
        sys.setprofile(self._note)

    def _note(self, frame: FrameType, event: str, _: Any) -> None:
        if self.is_on and event == "call":
            file = "/".join(PurePath(frame.f_code.co_filename).parts[-3:])
            self.counts[f"{file}: {frame.f_code.co_qualname}"] += 1


def profile(url: str, name: str, count: int) -> None:
    """Print how often each function is called for a node."""
    found = Profile()
    define()
    with cloaca.DefaultRunner(url) as runner:
        runner.execute(name).raise_for_status()
        found.is_on = True
        runner.execute(name).raise_for_status()
        found.is_on = False
    for what, calls in found.counts.most_common():
        if calls * 4 >= count:
            print(f"{calls / count:6.2f}  {what}")
    print(f"{found.counts.total() / count:6.1f}  in all")


def main() -> int:
    """Measure, and print a line per figure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.children")
    parser.add_argument("database", help="sqlite, or the URL of a PostgreSQL")
    parser.add_argument("--profile", choices=["chain", "fan"])
    given = parser.parse_args()
    with filled.databases(given.database, ["children"]) as (url,):
        if given.profile is None:
            return report(measure(url))
        count = CHAIN if given.profile == "chain" else WIDTH
        profile(url, f"{given.profile} of nodes", count)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
