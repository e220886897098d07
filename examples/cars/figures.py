"""Statistics of one model year, and of all together. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import fsum
from typing import Any, TypeAlias

from .data import Car
from .rules import ORIGINS, year_of

Figures: TypeAlias = dict[str, Any]


def figures_of_year(cars: Sequence[Car], year: int) -> Figures:
    """One branch of the fan-out: the figures of the cars of one model year."""
    built = [car for car in cars if year_of(car) == year]
    return {
        "cars": len(built),
        "mpg": mean(built, "Miles_per_Gallon"),
        "weight": mean(built, "Weight_in_lbs"),
        "horsepower": mean(built, "Horsepower"),
        "mpg_by_origin": {
            origin: mean([car for car in built if car["Origin"] == origin], "Miles_per_Gallon")
            for origin in ORIGINS
        },
        "thriftiest": thriftiest(built),
    }


def mean(cars: Sequence[Car], field: str) -> float | None:
    """The mean of a field, to one decimal; None when no car has a value."""
    return round(fsum(car[field] for car in cars) / len(cars), 1) if cars else None


def thriftiest(cars: Sequence[Car]) -> str | None:
    """The name of the most economical car; of equal ones the first in the alphabet."""
    if not cars:
        return None
    name: str = min(cars, key=lambda car: (-car["Miles_per_Gallon"], car["Name"]))["Name"]
    return name


def compare(by_year: Mapping[int, Figures]) -> Figures:
    """The join: the changes from the first year with cars to the last one."""
    years = [year for year in sorted(by_year) if by_year[year]["cars"]]
    first, last = by_year[years[0]], by_year[years[-1]]
    return {
        "first_year": years[0],
        "last_year": years[-1],
        "mpg_percent": percent(first["mpg"], last["mpg"]),
        "weight_percent": percent(first["weight"], last["weight"]),
        "horsepower_percent": percent(first["horsepower"], last["horsepower"]),
        "best_year": max(years, key=lambda year: (by_year[year]["mpg"], -year)),
        "years_without_cars": [year for year in sorted(by_year) if not by_year[year]["cars"]],
    }


def percent(before: float, after: float) -> int:
    """The increase, in whole percent."""
    return round(100 * (after - before) / before)


def count_reasons(rejected: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """The number of rejected records for each reason, the most frequent first."""
    counts = Counter(each["reason"] for each in rejected)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
