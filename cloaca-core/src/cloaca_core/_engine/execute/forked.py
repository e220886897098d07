"""Ends a child process in which user code that forked comes back.

Such a child holds a copy of the engine. Going on, it would run the parent's queue a second time.
"""

from __future__ import annotations

import os


class OneProcess:
    """User code runs within; a process that it forked does not leave the block.

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
