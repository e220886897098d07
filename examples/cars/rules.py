"""Decides which records can be used, and why the others cannot. Pure: no files, no workflow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .data import Car

YEARS = range(1970, 1983)
ORIGINS = ("USA", "Europe", "Japan")

# Possible values for a car of that time; others are typing errors.
RANGES = {
    "Miles_per_Gallon": (5, 60),
    "Cylinders": (2, 16),
    "Horsepower": (20, 400),
    "Weight_in_lbs": (1000, 7000),
}


@dataclass(frozen=True, slots=True)
class Checked:
    """The records that can be used, and the name, row and reason of each that cannot."""

    accepted: list[Car]
    rejected: list[dict[str, str | int]]


def check_cars(cars: Sequence[Car]) -> Checked:
    """Check the records; each rejected one counts once, for its first fault."""
    checked = Checked([], [])
    seen: set[tuple[str, int]] = set()
    for row, car in enumerate(cars, start=1):
        reason = what_is_wrong(car) or repetition(car, seen)
        if reason:
            checked.rejected.append({"row": row, "name": str(car.get("Name")), "reason": reason})
        else:
            checked.accepted.append(car)
            seen.add(identity(car))
    return checked


def what_is_wrong(car: Car) -> str:
    """The first rule that a record breaks by itself; empty when there is none."""
    for field in ("Name", "Year", "Origin", *RANGES):
        if car.get(field) in (None, ""):
            return f"no value for {field}"
    for field, (least, most) in RANGES.items():
        if not least <= car[field] <= most:
            return f"{field} is not between {least} and {most}"
    if year_of(car) not in YEARS:
        return f"Year is not between {YEARS[0]} and {YEARS[-1]}"
    if car["Origin"] not in ORIGINS:
        return "unknown Origin"
    return ""


def repetition(car: Car, seen: set[tuple[str, int]]) -> str:
    """The reason against a second record of one name and year, which would count twice."""
    return "same name and year as an earlier row" if identity(car) in seen else ""


def identity(car: Car) -> tuple[str, int]:
    """The key of a model."""
    return (car["Name"], year_of(car))


def year_of(car: Car) -> int:
    """1970 of ``1970-01-01``."""
    return int(car["Year"][:4])
