"""Reports the jobs of a test run: a line for each that ends, then failures, table and sum."""

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
    """The result of a job; ``cpu`` is how many seconds it used a processor, empty if it died.

    ``problem`` is empty when there is none.
    """

    job: Job
    counts: Counts
    seconds: float
    cpu: str
    report: Path
    output: str
    problem: str

    @property
    def name(self) -> str:
        """The name of its job, with the environment."""
        return f"{self.job.target.name} {self.job.name}"

    @property
    def is_bad(self) -> bool:
        """True when a person must look at it."""
        return bool(self.problem or self.counts.failed)


def shown(outcome: Outcome) -> Outcome:
    """Print a line for this job, while others still run."""
    say(f"  {outcome.name}: {outcome.problem or outcome.counts}")
    return outcome


def merge(outcomes: Sequence[Outcome]) -> None:
    """Write one JUnit file for all jobs."""
    junit.merge([(each.name, each.report) for each in outcomes], REPORT)


def conclude(outcomes: Sequence[Outcome]) -> Counts:
    """Print failures, the table and the last line; raises when a job is bad."""
    bad = [each for each in outcomes if each.is_bad]
    for outcome in bad:
        step(f"output of {outcome.name}")
        say(outcome.output.rstrip())
    step("results")
    say(table(outcomes))
    # A process that died without a report counts as one failure, or it would not count at all.
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
    """A table with one row per process."""
    head = ("environment", "tests", "passed", "failed", "skipped", "seconds", "cpu", "")
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
        outcome.cpu,
        outcome.problem,
    )


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    """A line with words aligned left and numbers right."""
    cells = [
        cell.ljust(width) if column in (0, 1, 7) else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()
