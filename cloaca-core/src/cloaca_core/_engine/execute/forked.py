"""Ends a child process that user code has forked, when that code returns.

Such a child holds a copy of the engine. If it went on, it would run the parent's queue as well.
"""

from __future__ import annotations

import os


class OneProcess:
    """A block for user code; a process that it forked ends at the end of the block.

    Its exit status is 0, after an exception 1, and that of a ``SystemExit``. Nothing is flushed or
    written: files and connections are the parent's.
    """

    __slots__ = ("_pid",)

    def __enter__(self) -> None:
        self._pid = os.getpid()

    def __exit__(self, _: object, error: BaseException | None, trace: object) -> None:
        if os.getpid() != self._pid:
            os._exit(_status(error))


def _status(error: BaseException | None) -> int:
    code = error.code if isinstance(error, SystemExit) else error
    if code is None:
        return 0
    return code & 0xFF if isinstance(code, int) else 1
