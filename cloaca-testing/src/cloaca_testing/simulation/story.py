"""The story of a simulation: who did what at which time, in plain words."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Line(NamedTuple):
    """One fact; ``at`` is in seconds from the beginning."""

    at: float
    who: str
    what: str

    def __str__(self) -> str:
        return f"{self.at:9.3f} s  {self.who:<9}  {self.what}"


class Story:
    """Collects lines. Runs and runners have numbers in it, in the order in which they came."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.lines: list[Line] = []
        self._now = now
        self._runs: dict[str, str] = {}
        self._runners: dict[str, str] = {}

    def tell(self, who: str, what: str) -> None:
        """Add a line for this instant."""
        self.lines.append(Line(self._now(), who, what))

    def run(self, run_id: str) -> str:
        """The name of a run."""
        return self._runs.setdefault(run_id, f"run {len(self._runs) + 1}")

    def is_runner(self, runner_id: str, name: str) -> None:
        """A runner has registered under this id."""
        self._runners[runner_id] = name

    def runner(self, runner_id: str) -> str:
        """The name of a runner."""
        return self._runners.get(runner_id, "a runner")

    def __str__(self) -> str:
        return "\n".join(map(str, self.lines))
