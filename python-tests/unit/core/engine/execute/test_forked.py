"""User code that forks and comes back in the child ends that child, with a fitting status."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable

import pytest
from tables import each_row

from cloaca_core.engine.execute.forked import OneProcess

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")


def _refuse() -> None:
    raise ValueError("in the child")


@each_row(
    ("how", "status"),
    [
        (lambda: None, 0),  # it returns
        (_refuse, 1),
        (lambda: sys.exit(), 0),
        (lambda: sys.exit(7), 7),
        (lambda: sys.exit("a message"), 1),
    ],
)
def test_a_forked_child_does_not_leave_the_block(how: Callable[[], None], status: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 warns of any fork with threads
        pid = -1
        try:
            with OneProcess():
                pid = os.fork()
                if pid == 0:
                    how()
        finally:
            if pid == 0:
                os._exit(99)  # it has left

    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == status


def test_the_process_itself_goes_on_and_hears_of_errors() -> None:
    with pytest.raises(ValueError, match="in the child"), OneProcess():
        _refuse()
