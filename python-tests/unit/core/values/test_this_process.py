"""A forked process has another number than its parent, and its children another one again."""

from __future__ import annotations

import os
import warnings

import pytest

from cloaca_core.values.this_process import THIS_PROCESS

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")


def test_each_fork_changes_the_number_of_the_child_and_not_that_of_the_parent() -> None:
    before = THIS_PROCESS.forks
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 warns of any fork with threads
        if (pid := os.fork()) == 0:
            if (pid := os.fork()) == 0:
                os._exit(THIS_PROCESS.forks - before)
            os._exit(10 * (THIS_PROCESS.forks - before) + os.waitpid(pid, 0)[1] // 256)

    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 12
    assert THIS_PROCESS.forks == before
