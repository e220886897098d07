"""Threads that meet at the engine's shared state lose nothing and do nothing twice, where the
interpreter changes between them at every chance, and where they stand still at any line of it.

The seed chooses the lines: always the same, but where ``CLOACA_TEST_SEED`` gives another, as
``invoke chaos`` does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from process.fleet import Fleet

PROGRAM = Path(__file__).with_name("races.py")
LONGEST = 120.0
POINTS = {
    "Mailbox.put on body",
    "Mailbox.put on coroutines",
    "Mailbox.put on caller",
    "Mailbox._empty on engine",
    "LoopThread.submit on body",
    "LoopThread.park on caller",
    "LoopThread.unpark on caller",
    "CallFuture._wait on body",
    "_arrive on engine",
    "ParkedCall.result on caller",
    "ParkedCall.answer on engine",
    "BodyThreads._next on body",
    "BodyThreads._has_run on body",
    "BodyThreads._is_dismissed on body",
    "BodyThreads.release_slot on engine",
    "BodyThreads._seat on engine",
    "BodyThreads.abandon on engine",
    "BodyLoop._begins on coroutines",
    "BodyLoop._report on engine",
    "AttemptWork.next_call on body",
    "LogBook.list on body",
    "LogBook._time_is_over on engine",
    "Memos._ask on body",
    "Memos._begin on engine",
    "RunIds.next on engine",
}
"""Where threads meet, and stood still."""
FEW = 3
"""So many of the points may be missing: the scheduler of a busy machine decides about a meeting."""


def test_threads_that_stand_still_anywhere_lose_nothing_and_do_nothing_twice(fleet: Fleet) -> None:
    seed = os.environ.get("CLOACA_TEST_SEED", "36")

    ran = subprocess.run(
        [sys.executable, "-P", str(PROGRAM), fleet.url, seed],
        capture_output=True, text=True, timeout=LONGEST, check=False,
    )  # fmt: skip

    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert told["wrong"] == []
    assert len(POINTS - set(told["met"])) <= FEW, POINTS - set(told["met"])
