"""The counts of calls are exact, so that a test of two revisions can rest on them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.from_wheels.costs import Cost, _line
from dev.project import ROOT

COUNTING = """
import sys, threading
from benchmarks.instructions import Calls

calls = Calls()

def called(): pass

def repeated(times):
    for _ in range(times):
        called()

def counted(times):
    before = calls.total
    with calls.counted():
        repeated(times)
        thread = threading.Thread(target=repeated, args=(times,))
        thread.start()
        thread.join()
    repeated(times)
    return calls.total - before

counted(1)  # the second thread of the process imports
print(counted(110) - counted(10))
"""


def test_calls_are_counted_in_all_threads_and_within_the_block_alone(tmp_path: Path) -> None:
    path = [*sys.path, str(ROOT)]
    code = f"import sys; sys.path[:0] = {path!r}\n{COUNTING}"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "200\n"


def test_the_cost_of_another_revision_is_told_as_a_ratio() -> None:
    line = _line("sqlite", "one", [Cost(900, 1_800_000), Cost(1_000, 2_000_000)])
    assert line.startswith("sqlite    one           900.0 calls      1,800,000 instructions")
    assert line.endswith("beside it 0.900 x calls, 0.900 x instructions")
