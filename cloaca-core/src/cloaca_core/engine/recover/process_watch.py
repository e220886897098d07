"""Reports at once that a process of this host has ended, if the system can tell."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable
from typing import Final

_ENDED: Final = frozenset((errno.ESRCH, errno.EINVAL, errno.ENOENT))
"""Answers of the system about a number that is no process's any more. The last two (before Linux
6.15 and since) mean a number that is being freed, or that a group or a thread still has.
"""


class ProcessWatch:
    """Calls ``died`` when one of the watched processes ends, by pidfd; never on other systems."""

    def __init__(self, died: Callable[[], None]) -> None:
        self._died = died
        self._fds: dict[int, int] = {}
        self._reported: set[int] = set()

    def watch(self, pids: list[int]) -> None:
        """Watch exactly these processes, except this one."""
        self._reported &= set(pids)
        watched = set(pids) - {os.getpid()} - self._reported
        for pid in self._fds.keys() - watched:
            self._forget(pid)
        for pid in watched - self._fds.keys():
            self._observe(pid)

    def _observe(self, pid: int) -> None:
        if not hasattr(os, "pidfd_open"):
            return
        try:
            fd = os.pidfd_open(pid)
        except OSError as error:
            if error.errno in _ENDED:
                self._announce(pid)
            return  # else it is not to be watched here: its lease decides
        self._fds[pid] = fd
        asyncio.get_running_loop().add_reader(fd, self._report, pid)

    def _report(self, pid: int) -> None:
        self._forget(pid)
        self._announce(pid)

    def _announce(self, pid: int) -> None:
        """Report a death once, and watch the process no more: a sweep that still finds its runner
        alive would watch it, and hear of the death, again and again.
        """
        self._reported.add(pid)
        self._died()

    def _forget(self, pid: int) -> None:
        fd = self._fds.pop(pid)
        asyncio.get_running_loop().remove_reader(fd)
        os.close(fd)
