"""An error at one call that the engine makes, wherever that is: a fault of ours, or of memory."""

from __future__ import annotations

import asyncio
import dis
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import CodeType, FrameType, MappingProxyType
from typing import Any, Final, NamedTuple

CORE: Final = "/cloaca_core/"
ENGINE: Final = ("engine/", "features/", "assembly/", "run/")
LOOPS: Final = "engine/runtime/supervisor.py"
"""What the loops themselves call after a fault is no part of a turn."""
PREFIX: Final = "cloaca-"
"""Begins the names of the loops' tasks."""
_RESUME: Final = dis.opmap["RESUME"]


class Site(NamedTuple):
    """The function that calls one of the engine, that one, and its file below the core's folder."""

    caller: str
    callee: str
    file: str


class FaultError(Exception):
    """The error that is raised: of no class that the engine knows."""


class Calls:
    """The calls of functions of the engine that its loops make while this is ``watching``: ``met``
    has them by the name of the loop. Those of ``faults``, one of a loop, raise the first time;
    behind the last of them nothing is noted. The loops are tasks on the test's own loop.
    """

    def __init__(self, faults: Mapping[str, Site] = MappingProxyType({})) -> None:
        self.met: dict[str, set[Site]] = {}
        self._faults = dict(faults)
        self._of_engine: dict[str, bool] = {}
        self._watches = False

    @contextmanager
    def watching(self) -> Iterator[None]:
        """A block in which calls are noted and faults come."""
        before, self._watches = sys.gettrace(), True
        self._watch()
        try:
            yield
        finally:
            self._watches = False
            sys.settrace(before)

    def _watch(self) -> None:
        if self._watches:
            sys.settrace(self._look)

    def _look(self, frame: FrameType, _: str, __: Any) -> None:
        code = frame.f_code
        file = code.co_filename
        is_of_engine = self._of_engine.get(file)
        if is_of_engine is None:
            below = _below_core(file)
            is_of_engine = below.startswith(ENGINE) and below != LOOPS
            self._of_engine[file] = is_of_engine
        if is_of_engine and _begins(frame, code):
            self._note(frame, code)

    def _note(self, frame: FrameType, code: CodeType) -> None:
        task, caller = asyncio.current_task(), frame.f_back
        if task is None or caller is None or not task.get_name().startswith(PREFIX):
            return
        loop = task.get_name().removeprefix(PREFIX)
        below = _below_core(code.co_filename)
        site = Site(caller.f_code.co_qualname, code.co_qualname, below)
        self.met.setdefault(loop, set()).add(site)
        if self._faults.get(loop) == site:
            del self._faults[loop]
            if self._faults:  # the error ends the watching
                asyncio.get_running_loop().call_soon(self._watch)
            raise FaultError(f"in the {loop} loop, {site}")


def _below_core(file: str) -> str:
    """The path of a file below the core's folder; empty for others."""
    return file.rpartition(CORE)[2] if CORE in file else ""


def _begins(frame: FrameType, code: CodeType) -> bool:
    """Whether the function has just been called: a coroutine comes here each time it goes on."""
    found = code.co_code[frame.f_lasti : frame.f_lasti + 2]
    return len(found) == 2 and found[0] == _RESUME and found[1] & 3 == 0
