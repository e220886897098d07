"""Tells stories of all workflows, seed by seed, until a promise is broken: for ``invoke simulate``.

``python -m simulation.tell FIRST COUNT [--brief]``; brief is one line, for an engine that is broken
on purpose.
"""

from __future__ import annotations

import sys
import time

from simulation.workflows import CASES, arguments

from cloaca_testing import SimulationError, simulate


def main(first: int, count: int, *, brief: bool) -> int:
    """Tell them; 1 if a promise was broken."""
    told = 0
    for seed in range(first, first + count):
        for case in CASES:
            try:
                simulate(**arguments(case), seeds=[seed], shrink=not brief)
            except SimulationError as error:
                where = f"seed {seed}, {case!r}, {time.process_time():.1f} s of CPU"
                _say(f"{where}: {error.reason.splitlines()[0]}" if brief else f"{case}: {error}")
                return 1
            told += 1
    minutes = time.process_time() / 60
    _say(f"{told} stories, nothing was broken; {told / minutes:,.0f} in a minute of CPU")
    return 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), brief="--brief" in sys.argv))
