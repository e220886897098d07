"""The report as Markdown: the same figures always give the same text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .figures import Figures
from .rules import ORIGINS

BAR = "█"
NOTHING = "-"


def write_report(
    by_year: Mapping[int, Figures],
    comparison: Figures,
    reasons: Mapping[str, int],
    accepted: int,
) -> str:
    """Write all sections."""
    sections = [
        ["# How much further did a gallon go?"],
        summary(comparison),
        ["## By model year"],
        year_table(by_year),
        ["## Miles per gallon"],
        ["```text", *chart(by_year), "```"],
        ["## What was read"],
        [f"{accepted + sum(reasons.values())} records, {accepted} of them used."],
        reason_table(reasons),
    ]
    return "\n\n".join("\n".join(lines) for lines in sections) + "\n"


def summary(comparison: Figures) -> list[str]:
    """The answer in a few sentences."""
    first, last = comparison["first_year"], comparison["last_year"]
    change = (
        f"From {first} to {last} the miles that the mean car went on a gallon changed by "
        f"{comparison['mpg_percent']:+d} %, its weight by {comparison['weight_percent']:+d} %, "
        f"its power by {comparison['horsepower_percent']:+d} %."
    )
    lines = [change, f"The best year was {comparison['best_year']}."]
    if comparison["years_without_cars"]:
        years = ", ".join(map(str, comparison["years_without_cars"]))
        lines.append(f"The data has no cars of {years}.")
    return lines


def year_table(by_year: Mapping[int, Figures]) -> list[str]:
    """A row for each year that has cars."""
    rows = [
        [
            str(year),
            str(figures["cars"]),
            number(figures["mpg"]),
            *(number(figures["mpg_by_origin"][origin]) for origin in ORIGINS),
            number(figures["weight"]),
            figures["thriftiest"],
        ]
        for year, figures in sorted(by_year.items())
        if figures["cars"]
    ]
    head = ["year", "cars", "mpg", *ORIGINS, "weight, lbs", "thriftiest"]
    return table(head, rows, right=len(head) - 1)


def chart(by_year: Mapping[int, Figures]) -> list[str]:
    """A bar a year, one character a mile."""
    return [bar(year, by_year[year]["mpg"]) for year in sorted(by_year)]


def bar(year: int, mpg: float | None) -> str:
    """One line of the chart."""
    return f"{year} {NOTHING}" if mpg is None else f"{year} {BAR * round(mpg)} {number(mpg)}"


def reason_table(reasons: Mapping[str, int]) -> list[str]:
    """A row for each reason why records were not used."""
    rows = [[str(count), reason] for reason, count in reasons.items()]
    return table(["records", "not used because"], rows, right=1)


def number(value: float | None) -> str:
    """One decimal, or a hyphen for a mean of nothing."""
    return NOTHING if value is None else f"{value:.1f}"


def table(head: Sequence[str], rows: Sequence[Sequence[Any]], *, right: int) -> list[str]:
    """A Markdown table that reads well as text too; the first ``right`` columns are numbers."""
    widths = [max(len(str(row[column])) for row in [head, *rows]) for column in range(len(head))]
    rule = [
        "-" * (width - 1) + ":" if column < right else "-" * width
        for column, width in enumerate(widths)
    ]
    return [line(row, widths, right) for row in [head, rule, *rows]]


def line(row: Sequence[Any], widths: Sequence[int], right: int) -> str:
    """One row, its cells as wide as their column."""
    cells = [
        str(cell).rjust(width) if column < right else str(cell).ljust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return f"| {' | '.join(cells)} |"
