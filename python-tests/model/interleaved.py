"""Another thread that acts at the worst moment: between two instructions of a function."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, FunctionType
from typing import Any


@contextmanager
def interleaved(function: Callable[..., object], act: Callable[[], object]) -> Iterator[None]:
    """Call ``act`` before each instruction of this function, on this thread."""
    assert isinstance(function, FunctionType)
    name, file = function.__qualname__, function.__code__.co_filename

    def step(frame: FrameType, event: str, _: Any) -> Any:
        code = frame.f_code
        if code.co_filename != file or not code.co_qualname.startswith(name):
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            act()
        return step

    before = sys.gettrace()
    sys.settrace(step)
    try:
        yield
    finally:
        sys.settrace(before)
