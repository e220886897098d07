"""Ends a child process that user code has forked, when that code returns.

Such a child has a copy of the engine. If it continued, it would run the parent's queue as well.
"""

from __future__ import annotations

import os

from cloaca_core.values.this_process import THIS_PROCESS


class OneProcess:
    """A block for user code. A process that the code forked ends at the end of the block."""

    __slots__ = ("_forks",)

    def __enter__(self) -> None:
        self._forks = THIS_PROCESS.forks

    def __exit__(self, _: object, error: BaseException | None, trace: object) -> None:
        if THIS_PROCESS.forks != self._forks:
            end_process(error)


def end_process(error: BaseException | None = None) -> None:
    """End this process, which user code has forked.

    The exit status is 0, after an exception 1, after a ``SystemExit`` its own. Nothing is flushed
    or written: files and connections belong to the parent.
    """
    os._exit(_status(error))


def _status(error: BaseException | None) -> int:
    code = error.code if isinstance(error, SystemExit) else error
    if code is None:
        return 0
    return code & 0xFF if isinstance(code, int) else 1
