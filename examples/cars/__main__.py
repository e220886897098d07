"""``python -m cars``, started in ``examples/``: run the workflow, run it again when it has failed,
or look at a database of it.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import cloaca

from .executors import executors
from .progress import DONE, display, status_of
from .steps import NAME, STEPS

# The same key gives the same run: a second start goes on with it.
KEY = "the one run of the demo"


def main() -> int:
    """Read the command line and carry it out; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m cars", description=__doc__)
    parser.add_argument("command", choices=["run", "retry", "look"])
    parser.add_argument("folder", type=Path, help="where the database and the report lie")
    parser.add_argument("--pause", type=float, default=0.0, help="seconds that a step takes longer")
    given = parser.parse_args()
    folder: Path = given.folder.resolve()
    try:
        if given.command == "run":
            run(folder, given.pause)
        elif given.command == "retry":
            retry(folder)
        else:
            look(folder)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on where it stopped", file=sys.stderr)
        return 130
    except cloaca.RunFailedError as error:
        print(f"    {error}", flush=True)
        return 1
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
    with executors() as given, cloaca.DefaultRunner(database(folder), executors=given) as runner:
        handle = runner.submit(NAME, order, idempotency_key=KEY)
        watch(handle, handle.tasks())


def retry(folder: Path) -> None:
    """Run the failed run again, when its cause is mended; the steps that succeeded are kept."""
    with executors() as given, cloaca.DefaultRunner(database(folder), executors=given) as runner:
        failed = runner.list_runs(status="Failed")
        if not failed:
            print("    no run has failed", flush=True)
            return
        before = runner.get_run(failed[0].id).tasks()
        for item in runner.plan_retry(failed[0].id).run:
            print(f"    the retry runs {item.task} again, as it {item.reason}", flush=True)
        watch(runner.retry(failed[0].id), before)


def watch(handle: cloaca.RunHandle, before: Mapping[str, cloaca.TaskResult]) -> None:
    """Show the progress of a run until its end; raises if it has failed."""
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
