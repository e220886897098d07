"""``python -m nightly FOLDER``, started in ``examples/``: close each shop's day at two at night.

The reports are written to FOLDER, and so are the shops' databases, unless ``DATABASE_URL`` names a
PostgreSQL server and an administrator's role on it. ``--try`` does not wait for the night.
"""

from __future__ import annotations

import argparse
import os
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import cloaca

from .shops import SHOPS, Files, Schemas, Shop
from .workflow import NAME

AT_TWO = "0 2 * * *"
EACH_SECOND = "* * * * * *"
SCHEDULE = "close the day"

Runners = Mapping[Shop, cloaca.DefaultRunner]


def main() -> None:
    """Open a runner for each shop, schedule the end of its day, and let them work."""
    parser = argparse.ArgumentParser(prog="python -m nightly", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the reports, or all of it, lie")
    parser.add_argument("--try", dest="trying", action="store_true", help="once, and now")
    given = parser.parse_args()
    folder: Path = given.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    url = os.environ.get("DATABASE_URL")
    tenants = Schemas(url) if url else Files(folder)
    with ExitStack() as stack:
        runners = {
            shop: stack.enter_context(cloaca.DefaultRunner(tenants.database_of(shop)))
            for shop in SHOPS
        }
        if given.trying:
            try_once(runners, folder)
        else:
            for_ever(runners, folder)
    if given.trying:
        for shop in SHOPS:
            tenants.remove(shop)


def for_ever(runners: Runners, folder: Path) -> None:
    """Work until Ctrl-C. On any number of machines, each night of each shop is closed once."""
    for shop, runner in runners.items():
        schedule(runner, shop, folder, AT_TWO)
        (told,) = runner.list_cron_schedules()
        print(f"{shop.name}: next at {told['next_run_at']}", flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        print("stopped; nights that are missed now are made up for at the next start")


def try_once(runners: Runners, folder: Path) -> None:
    """Close a day each second until every shop has closed one."""
    schedules = {
        shop: schedule(runner, shop, folder, EACH_SECOND) for shop, runner in runners.items()
    }
    for shop, runner in runners.items():
        result = first_run(runner).result()
        runner.set_cron_schedule_enabled(schedules[shop], False)
        result.raise_for_status()
        report = Path(result.final_context["report"])
        print(f"{shop.name}: {report.read_text(encoding='utf-8').rstrip()}")


def schedule(runner: cloaca.DefaultRunner, shop: Shop, folder: Path, expression: str) -> str:
    """Schedule the workflow, by name, so that repeating it at each start changes nothing.

    ``run_all``: each missed night gets its own run later.
    """
    return runner.schedule(
        SCHEDULE,
        NAME,
        expression,
        shop.timezone,
        catchup_policy="run_all",
        params={"shop": shop.name, "folder": str(folder)},
    )


def first_run(runner: cloaca.DefaultRunner) -> cloaca.RunHandle:
    """The first run of this shop: a runner sees no other shop's."""
    while not (runs := runner.list_runs(workflow_name=NAME, limit=1)):
        time.sleep(0.05)
    return runner.get_run(runs[0].id)


if __name__ == "__main__":
    main()
