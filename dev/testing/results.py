"""Reports the jobs of a test run: a line as each ends, then failures, the table, the sum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dev.console import TaskFailed, say, step
from dev.project import REPORTS, ROOT
from dev.testing import junit
from dev.testing.jobs import Job
from dev.testing.junit import Counts

REPORT = REPORTS / "junit.xml"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended. ``problem`` is empty when all is well."""

    job: Job
    counts: Counts
    seconds: float
    report: Path
    output: str
    problem: str

    @property
    def name(self) -> str:
        """Of its job and the environment that this ran in."""
        return f"{self.job.target.name} {self.job.name}"

    @property
    def is_bad(self) -> bool:
        """Whether a person must look at it."""
        return bool(self.problem or self.counts.failed)


def shown(outcome: Outcome) -> Outcome:
    """Say, while others still run, that this one ended."""
    say(f"  {outcome.name}: {outcome.problem or outcome.counts}")
    return outcome


def merge(outcomes: Sequence[Outcome]) -> None:
    """Write one JUnit file of all."""
    junit.merge([(each.name, each.report) for each in outcomes], REPORT)


def conclude(outcomes: Sequence[Outcome]) -> Counts:
    """Failures in full, the table, the closing line; raises when not all is well."""
    bad = [each for each in outcomes if each.is_bad]
    for outcome in bad:
        step(f"output of {outcome.name}")
        say(outcome.output.rstrip())
    step("results")
    say(table(outcomes))
    # A process that died without a report is one failure, or it would be counted nowhere.
    counts = sum((each.counts for each in outcomes), Counts())
    counts += Counts(failed=sum(1 for each in bad if not each.counts.failed))
    say(f"report: {REPORT.relative_to(ROOT)}")
    say(str(counts))
    if bad:
        raise TaskFailed(", ".join(each.name for each in bad))
    if not counts.total:
        raise TaskFailed("no test matched")
    return counts


def table(outcomes: Sequence[Outcome]) -> str:
    """One row per process, in columns."""
    head = ("environment", "tests", "passed", "failed", "skipped", "seconds", "")
    rows = [head, *(_row(each) for each in outcomes)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    return "\n".join(_line(row, widths) for row in rows)


def _row(outcome: Outcome) -> tuple[str, ...]:
    counts = outcome.counts
    numbers = (counts.passed, counts.failed, counts.skipped)
    return (
        outcome.job.target.name,
        outcome.job.name,
        *(str(number) for number in numbers),
        f"{outcome.seconds:.1f}",
        outcome.problem,
    )


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    """Words to the left, numbers to the right."""
    cells = [
        cell.ljust(width) if column in (0, 1, 6) else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()
