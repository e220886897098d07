"""``python -m cars``, started in ``examples/``: run the workflow, or look at a database of it."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import cloaca

from .progress import DONE, display, status_of
from .steps import NAME, STEPS

# The same key gives the same run: a second start goes on with it.
KEY = "the one run of the demo"


def main() -> int:
    """Read the command line and carry it out; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m cars", description=__doc__)
    parser.add_argument("command", choices=["run", "look"])
    parser.add_argument("folder", type=Path, help="where the database and the report lie")
    parser.add_argument("--pause", type=float, default=0.0, help="seconds that a step takes longer")
    given = parser.parse_args()
    folder: Path = given.folder.resolve()
    try:
        if given.command == "run":
            run(folder, given.pause)
        else:
            look(folder)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on where it stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of the lines, such as ``head``, has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


def run(folder: Path, pause: float) -> None:
    """Start the run, or go on with it, and show its progress until the report is written."""
    order = {
        "report": str(folder / "report.md"),
        "notes": str(folder / "notes.txt"),
        "pause": pause,
    }
    with cloaca.DefaultRunner(database(folder)) as runner:
        handle = runner.submit(NAME, order, idempotency_key=KEY)
        before = handle.tasks()
        if done := [step for step in STEPS if status_of(before, step) == DONE]:
            print(f"    on disk already: {', '.join(done)}", flush=True)
        with display(STEPS, before) as shown:
            while not ended(handle):
                shown.show(handle.tasks())
            shown.show(handle.tasks())
        handle.result().raise_for_status()


def ended(handle: cloaca.RunHandle) -> bool:
    """Wait a moment for the end; True when it has come."""
    try:
        handle.wait(timeout=0.05)
    except cloaca.PipelineTimeoutError:
        return False
    return True


def look(folder: Path) -> None:
    """Print each step's state in the database. An empty registry: this process runs nothing."""
    with cloaca.DefaultRunner(database(folder), registry=cloaca.Registry()) as runner:
        for run_info in runner.list_runs():
            tasks = runner.get_run(run_info.id).tasks()
            for step in STEPS:
                print(step, status_of(tasks, step))


def database(folder: Path) -> str:
    """One SQLite file is all that a run needs, unless ``DATABASE_URL`` names another database."""
    return os.environ.get("DATABASE_URL", f"sqlite://{folder / 'cars.db'}")


if __name__ == "__main__":
    raise SystemExit(main())
