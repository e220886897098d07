"""The workflow: extract, validate, a branch for each model year, compare, report.

    extract ─► validate ─┬─► year_1970 ─┬─► compare ─► report
                         ├─► …         ─┤
                         └─► year_1982 ─┘

Other modules have the work of each step; this one has only their order.
"""

from __future__ import annotations

import os
from pathlib import Path

import cloaca

from .data import read_cars
from .figures import compare, count_reasons, figures_of_year
from .report import write_report
from .rules import YEARS, check_cars
from .witness import witnessed

NAME = "cars"
ON = os.environ.get("CARS_ON")
"""The executor on which the bodies run, "dask"; None for threads of the program itself."""


def of_year(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
    """One branch of the fan-out; its name says of which year. Branches run side by side."""
    step = handle.task_id
    with witnessed(context, step):
        year = int(step.removeprefix("year_"))
        context.set(step, figures_of_year(context.get("cars"), year))


with cloaca.WorkflowBuilder(NAME) as builder:
    builder.description("How much further did a gallon go?")

    @cloaca.task(executor=ON)
    def extract(context: cloaca.Context) -> None:
        """Read the file; later steps get its records."""
        with witnessed(context, "extract"):
            context.set("records", read_cars())

    @cloaca.task(executor=ON, dependencies=[extract])
    def validate(context: cloaca.Context) -> None:
        """Keep the records that can be used, and note why the others cannot."""
        with witnessed(context, "validate"):
            checked = check_cars(context.remove("records"))
            context.set("cars", checked.accepted)
            context.set("rejected", checked.rejected)

    for model_year in YEARS:
        cloaca.task(id=f"year_{model_year}", executor=ON, dependencies=[validate])(of_year)

    @cloaca.task(id="compare", executor=ON, dependencies=[f"year_{year}" for year in YEARS])
    def join(context: cloaca.Context) -> None:
        """Start when every branch has ended, with the keys of all of them."""
        with witnessed(context, "compare"):
            by_year = {year: context.get(f"year_{year}") for year in YEARS}
            context.set("comparison", compare(by_year))

    @cloaca.task(executor=ON, dependencies=[join], retry_attempts=2, retry_delay_ms=100)
    def report(context: cloaca.Context) -> None:
        """Write the file. A step may run again after a crash, so it replaces, never appends."""
        with witnessed(context, "report"):
            text = write_report(
                {year: context.get(f"year_{year}") for year in YEARS},
                context.get("comparison"),
                count_reasons(context.get("rejected")),
                len(context.get("cars")),
            )
            path = Path(context.get("report"))
            unfinished = path.with_suffix(".part")
            unfinished.write_text(text, encoding="utf-8")
            unfinished.replace(path)


WORKFLOW = builder.workflow
STEPS = [task.id for task in WORKFLOW.tasks]
