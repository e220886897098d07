"""Reads the notes of the demo's steps: which began and ended in which process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Notes:
    """Lines of process id, ``begins`` or ``ends``, and step, in the order of time."""

    lines: tuple[tuple[str, str, str], ...]

    @property
    def processes(self) -> list[str]:
        """The process ids, first seen first."""
        return list(dict.fromkeys(process for process, _, _ in self.lines))

    def branches_ended(self) -> int:
        """The number of branches that have ended."""
        return sum(what == "ends" and step.startswith("year_") for _, what, step in self.lines)

    def begun_in(self, number: int) -> set[str]:
        """The steps whose bodies began in the process with this number, counted from 0."""
        return self._in(number, "begins")

    def table(self, on_disk: Mapping[str, str]) -> str:
        """A row for each step, a column for each process; the first one was killed."""
        heads = [f"process {number} ({pid})" for number, pid in enumerate(self.processes, 1)]
        rows = [f"    {'':<10}  {'  '.join(heads)}"]
        for step, status in on_disk.items():
            later = [self._in_later(number, step) for number in range(1, len(heads))]
            cells = zip(heads, [self._in_first(step, status), *later], strict=True)
            columns = "  ".join(f"{cell:<{len(head)}}" for head, cell in cells)
            rows.append(f"    {step:<10}  {columns}".rstrip())
        return "\n".join(rows)

    def _in(self, number: int, wanted: str) -> set[str]:
        pids = self.processes[number : number + 1]
        return {step for process, what, step in self.lines if [process] == pids if what == wanted}

    def _in_later(self, number: int, step: str) -> str:
        if step not in self.begun_in(number):
            return ""
        return "ran" if step in self._in(number, "ends") else "failed"

    def _in_first(self, step: str, status: str) -> str:
        if step not in self.begun_in(0):
            return ""
        return "ran" if status == "Completed" else "cut off"


def read_notes(path: Path) -> Notes:
    """Read the notes so far; none before the first step."""
    if not path.exists():
        return Notes(())
    found = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
    # The newest line may be incomplete.
    return Notes(tuple((words[0], words[1], words[2]) for words in found if len(words) == 3))
