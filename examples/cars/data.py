"""Reads the cars: a public data set inside a package of the index.

The package's files are found through its metadata, so it is not imported: its code needs pandas,
which this example does not.
"""

from __future__ import annotations

import json
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, TypeAlias

PACKAGE = "vega-datasets"
FILE = "vega_datasets/_data/cars.json"

Car: TypeAlias = dict[str, Any]


def read_cars() -> list[Car]:
    """Every record of the file, with all its gaps."""
    path = Path(str(distribution(PACKAGE).locate_file(FILE)))
    cars: list[Car] = json.loads(path.read_text(encoding="utf-8"))
    return cars
