"""The demo: a workflow on real data, from the built wheels, for new users.

The program is ``examples/cars``; this module starts and watches it and, with ``--crash``, kills it,
and makes its last step fail by putting a folder where the report must go. With ``--dask`` its
bodies run on a Dask cluster, with ``--ui`` its web page is served meanwhile. All files are in
``.demo/``; its environments are kept until the sources of the wheels change.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

from dev.console import TaskFailed, environment, say, step
from dev.environments.sandbox import Sandbox
from dev.packaging.artefacts import package
from dev.project import DISTRIBUTIONS, EXECUTORS, ROOT, distributions_for
from examples.from_wheels import demo_page
from examples.from_wheels.demo_notes import Notes, read_notes

FOLDER = ROOT / ".demo"
PROGRAM = ROOT / "examples"
# The data set's package requires pandas, which its files do not need.
DATA = "vega-datasets==0.9.0"
DISPLAY = "rich>=14"
DASK = EXECUTORS["dask"]
PAUSE = 0.3
PAUSE_TO_WATCH = 2.0
"""The same where somebody watches in a browser, which has to open first."""
BRANCHES_BEFORE_THE_KILL = 5
JOB_SECONDS = 300


def demo(*, crash: bool = False, dask: bool = False, ui: bool = False) -> None:
    """Run the workflow and show its report; ``crash`` kills and resumes it on the way, lets it
    fail, and runs it again. With ``dask`` its bodies run on a cluster of this machine. With ``ui``
    its web page is served from before the run until Ctrl-C.
    """
    if crash and dask:
        raise TaskFailed("--crash follows the bodies of one process; leave out --crash or --dask")
    python = _environment(_place(dask=dask, ui=ui), _beside(dask=dask, ui=ui))
    folder = _emptied(FOLDER / "run")
    with demo_page.page(python, folder / "cars.db") if ui else nullcontext():
        if dask:
            on_dask(python, folder)
        elif crash:
            killed_and_resumed(python, folder)
        else:
            undisturbed(python, folder, PAUSE_TO_WATCH if ui else PAUSE)


def _place(*, dask: bool, ui: bool) -> Path:
    """The folder of the environment, one for each set of requirements."""
    names = [name for name, wanted in (("dask", dask), ("ui", ui)) if wanted]
    return FOLDER / "-".join(names)


def _beside(*, dask: bool, ui: bool) -> tuple[str, ...]:
    return (DASK if dask else ()) + (demo_page.NEEDED if ui else ())


# -- without a crash -----------------------------------------------------------------------------


def undisturbed(python: Path, folder: Path, pause: float = PAUSE) -> None:
    """Run it to its end and show its report and files."""
    step("running the workflow: 406 cars of 1970 to 1982, a branch for each model year")
    with _started(python, folder, pause) as process:
        _succeed(process)
    report = folder / "report.md"
    step("the report that it wrote")
    say(report.read_text(encoding="utf-8").rstrip())
    step("what is left on disk")
    for path in (report, folder / "cars.db"):
        say(f"    {_shown(path)}  {path.stat().st_size:,} bytes")
    say("Now kill it in the middle: python tasks.py demo --crash")


# -- on Dask -------------------------------------------------------------------------------------


def on_dask(python: Path, folder: Path) -> None:
    """Run it with its bodies on Dask's workers, and compare its report with one made on threads."""
    step("running the workflow, its bodies on the workers of a Dask cluster of this machine")
    with _started(python, folder, PAUSE, on="dask") as process:
        _succeed(process)
    workers = read_notes(folder / "notes.txt").processes
    if str(process.pid) in workers:
        raise TaskFailed("a body ran in the program itself")
    step(f"the bodies ran in {len(workers)} processes, as they wrote down: {', '.join(workers)}")
    _compare_with_undisturbed(python, folder)


# -- with one ------------------------------------------------------------------------------------


def killed_and_resumed(python: Path, folder: Path) -> None:
    """Kill it in the fan-out, start it again, let its last step fail, mend the cause, retry, and
    compare with a run that nothing happened to.
    """
    step("process 1 runs the workflow: 406 cars, a branch for each model year")
    _kill_in_the_fan_out(python, folder)
    on_disk = _on_disk(python, folder)
    step("process 1 is gone, killed (kill -9) in the middle of the branches; on disk is")
    _say_what_is_on_disk(on_disk)
    obstacle = folder / "report.md"
    obstacle.mkdir()
    step("process 2 goes on, but a folder has the report's name now: that step fails")
    with _started(python, folder, PAUSE) as process:
        _fail(process)
    obstacle.rmdir()
    step("the run has failed in its last step; the folder is removed; process 3 retries the run")
    with _started(python, folder, command="retry") as process:
        _succeed(process)
    notes = read_notes(folder / "notes.txt")
    step("which step ran in which process, as the steps themselves wrote it down")
    say(notes.table(on_disk))
    _check(python, folder, notes, on_disk)


def _kill_in_the_fan_out(python: Path, folder: Path) -> None:
    notes = folder / "notes.txt"
    with _started(python, folder, PAUSE) as process:
        deadline = time.monotonic() + JOB_SECONDS
        while read_notes(notes).branches_ended() < BRANCHES_BEFORE_THE_KILL:
            if process.poll() is not None or time.monotonic() > deadline:
                raise TaskFailed("process 1 did not come to the middle of its branches")
            time.sleep(0.01)
        time.sleep(PAUSE / 2)  # so that the next branches are in the middle of their work
        if _kill(process) == 0:
            raise TaskFailed("process 1 was done before it could be killed; start the demo again")


def _on_disk(python: Path, folder: Path) -> dict[str, str]:
    """The status of each step, read by a process that runs no steps."""
    done = subprocess.run(
        _command(python, "look", folder),
        cwd=PROGRAM,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=JOB_SECONDS,
        check=False,
    )
    if done.returncode:
        raise TaskFailed(f"{done.stdout}{done.stderr}".rstrip())
    lines = (line.partition(" ") for line in done.stdout.splitlines())
    return {name: status for name, _, status in lines}


def _say_what_is_on_disk(on_disk: dict[str, str]) -> None:
    for status in dict.fromkeys(on_disk.values()):
        names = [name for name, found in on_disk.items() if found == status]
        say(f"    {status:<10} {len(names):>2}: {', '.join(names)}")


def _check(python: Path, folder: Path, notes: Notes, on_disk: dict[str, str]) -> None:
    """Verify the demo's claims: no finished step ran again, and the report is the same."""
    completed = [name for name, status in on_disk.items() if status == "Completed"]
    again = [name for name in completed if name in notes.begun_in(1)]
    if again:
        raise TaskFailed(f"these steps were on disk and ran again: {', '.join(again)}")
    step(f"none of the {len(completed)} steps that were on disk ran again")
    if notes.begun_in(2) != {"report"}:
        raise TaskFailed(f"the retry ran {', '.join(sorted(notes.begun_in(2))) or 'nothing'}")
    step("the retry ran the failed step, and no other")
    _compare_with_undisturbed(python, folder)


def _compare_with_undisturbed(python: Path, folder: Path) -> None:
    other = _emptied(folder.with_name("undisturbed"))
    with _started(python, other, 0.0, quiet=True) as process:
        _succeed(process)
    report = folder / "report.md"
    if report.read_bytes() != (other / "report.md").read_bytes():
        raise TaskFailed("the report differs from that of an undisturbed run")
    step("the report is, byte for byte, that of an undisturbed run")
    say(f"    {_shown(report)}")


# -- folders and processes -----------------------------------------------------------------------


def _emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def _shown(path: Path) -> Path:
    """The path relative to the checkout."""
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


def _command(python: Path, command: str, folder: Path, *options: str) -> list[str]:
    return [str(python), "-X", "utf8", "-m", "cars", command, str(folder), *options]


@contextmanager
def _started(
    python: Path,
    folder: Path,
    pause: float = 0.0,
    *,
    command: str = "run",
    quiet: bool = False,
    on: str | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Start the program as a process, and kill it at the end of the block."""
    process = subprocess.Popen(
        _command(python, command, folder, "--pause", str(pause)),
        cwd=PROGRAM,
        env=environment({} if on is None else {"CARS_ON": on}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL if quiet else None,
        # Ctrl-C is only for the demo, which starts from the beginning; the program would say
        # that it goes on.
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> int:
    """Kill it, like a crash; its exit code, which is 0 if it had ended before."""
    process.kill()
    code = process.wait()
    if sys.stdout.isatty():
        # The live table hid the cursor, and a killed process does not restore it.
        print("\x1b[?25h", flush=True)
    return code


def _succeed(process: subprocess.Popen[bytes]) -> None:
    if code := _ended(process):
        raise TaskFailed(f"the program ended with exit code {code}")


def _fail(process: subprocess.Popen[bytes]) -> None:
    if (code := _ended(process)) != 1:
        raise TaskFailed(f"the program ended with exit code {code}, though its run should fail")


def _ended(process: subprocess.Popen[bytes]) -> int:
    """Wait for its end; its exit code."""
    try:
        return process.wait(timeout=JOB_SECONDS)
    except subprocess.TimeoutExpired:
        raise TaskFailed(f"the program did not end within {JOB_SECONDS} s") from None


# -- the environment -----------------------------------------------------------------------------


def _environment(folder: Path, beside: Sequence[str]) -> Path:
    """A Python with the wheels, the data, the display and what is wanted beside them; made in this
    folder when the sources have changed.
    """
    sandbox, stamp = Sandbox(folder / "environment"), folder / "made-from.txt"
    wanted = _made_from(beside)
    if stamp.exists() and stamp.read_text() == wanted and sandbox.python.exists():
        return sandbox.python
    package()
    step("making an environment with the wheels, the data and a progress display (once)")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    python = install(sandbox, beside)
    stamp.write_text(wanted)
    return python


def install(sandbox: Sandbox, beside: Sequence[str] = ()) -> Path:
    """Install everything that the program needs; the environment's Python."""
    sandbox.create()
    sandbox.install_for("sqlite", beside=beside)
    sandbox.install_third_party(DISPLAY)
    sandbox.install_third_party(DATA, alone=True)
    return sandbox.python


def _made_from(beside: Sequence[str]) -> str:
    """The digest of all inputs of an environment."""
    third_party = [name for each in distributions_for("sqlite") for name in each.third_party]
    parts = [sys.version, str(FOLDER), DISPLAY, DATA, *third_party, *beside]
    digest = hashlib.sha256("\0".join(parts).encode())
    sources = [path for each in DISTRIBUTIONS for path in (each.folder / "src").rglob("*")]
    for path in sorted([ROOT / "VERSION", *sources]):
        if path.is_file() and path.suffix != ".pyc":
            digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return digest.hexdigest()
