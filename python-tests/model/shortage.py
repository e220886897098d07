"""A system that has no thread for bodies, as long as the test says so."""

from __future__ import annotations

import threading

import pytest

BODIES = ("cloaca-body", "cloaca-coroutines")


class Shortage:
    """``refused`` counts the threads that could not be started while it lasted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.refused = 0
        self._monkeypatch = monkeypatch
        self._start = threading.Thread.start
        monkeypatch.setattr(threading.Thread, "start", self._start_or_refuse())

    def ends(self) -> None:
        self._monkeypatch.setattr(threading.Thread, "start", self._start)

    def _start_or_refuse(self) -> object:
        def start(thread: threading.Thread) -> None:
            if thread.name in BODIES:
                self.refused += 1
                raise RuntimeError("can't start new thread")
            self._start(thread)

        return start
