"""JUnit files: reads the counts of one run of pytest, and merges many reports into one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as Xml

from dev.files import write_atomically


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of tests by result; errors in fixtures count as failed."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.passed + other.passed,
            self.failed + other.failed,
            self.skipped + other.skipped,
        )

    @property
    def total(self) -> int:
        """The number of all tests."""
        return self.passed + self.failed + self.skipped

    def __str__(self) -> str:
        tail = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{tail}"


def read(path: Path) -> Counts | None:
    """The counts in a report; None when pytest died before it wrote one."""
    if not path.exists():
        return None
    return sum((_counts(suite) for suite in _suites(path)), Counts())


def merge(reports: Iterable[tuple[str, Path]], target: Path) -> None:
    """Write one report whose suites have the names of their jobs."""
    whole = Xml.Element("testsuites")
    for name, path in reports:
        if path.exists():
            for suite in _suites(path):
                suite.set("name", name)
                whole.append(suite)
    write_atomically(target, Xml.tostring(whole, encoding="utf-8", xml_declaration=True))


def _suites(path: Path) -> list[Xml.Element]:
    return list(Xml.parse(path).getroot().iter("testsuite"))  # noqa: S314  pytest has just written it


def _counts(suite: Xml.Element) -> Counts:
    failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
    skipped = int(suite.get("skipped", 0))
    return Counts(int(suite.get("tests", 0)) - failed - skipped, failed, skipped)
