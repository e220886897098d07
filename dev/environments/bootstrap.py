"""Makes the tools' environment ``.venv`` once, and runs tasks in it.

This runs before anything is installed, on any Python, so it imports only the standard library and
modules that do the same. It installs nothing outside ``.venv``.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from dev.console import TaskFailed
from dev.environments import installer

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
STAMP = VENV / "made-from.json"
LOCK = ROOT / ".venv.lock"
BACKUPS = ROOT / ".backups"
LOCKED = ROOT / "dev" / "lock.txt"
"""Every package of the tools and the tests, with its version."""
QUICK = ROOT / "dev" / "quick.txt"
"""uv, which installs the rest where it is available."""
LEAST = (3, 11)


class SetupFailed(TaskFailed):
    """The environment cannot be made; the message says what to do."""


def hand_over(arguments: Sequence[str]) -> int:
    """Make ``.venv`` if need be and run invoke in it with these arguments."""
    try:
        check_python(sys.version_info[:2])
        with only_one(LOCK):
            if not is_current():
                make()
    except (TaskFailed, OSError) as failure:
        return _tell(f"failed: {failure}", 1)
    except KeyboardInterrupt:
        return _tell("interrupted", 130)
    words = list(arguments) or ["--list"]
    # No module in the current folder or on the user's PYTHONPATH may replace one of the tools.
    os.environ.pop("PYTHONPATH", None)
    python = [str(program("python")), "-P"]
    return _replace_process([*python, "-m", "invoke", "--search-root", str(ROOT), *words])


def check_python(version: tuple[int, int]) -> None:
    """Refuse a Python that is too old for the project."""
    if version < LEAST:
        found = ".".join(map(str, version))
        raise SetupFailed(f"this is Python {found}; start tasks.py with Python 3.11 or newer")


def program(name: str) -> Path:
    """A program inside the environment."""
    if os.name == "nt":
        return VENV / "Scripts" / f"{name}.exe"
    return VENV / "bin" / name


# -- is it there ---------------------------------------------------------------------------------


def is_current() -> bool:
    """True when ``.venv`` was completed from these requirements, and its Python works.

    The Python that starts ``tasks.py`` does not matter: the tools run on their own.
    """
    there = all(program(name).exists() for name in ("python", "invoke"))
    try:
        return there and json.loads(STAMP.read_text()) == made_from(python_inside())
    except (OSError, ValueError):
        return False


def made_from(minor: tuple[int, int] | None) -> dict[str, object]:
    """The inputs of the environment; when one changes, it is made again."""
    texts = b"\0".join(path.read_bytes() for path in (LOCKED, QUICK))
    return {
        "requirements": hashlib.sha256(texts).hexdigest(),
        # None, which is in no stamp, for a Python that is too old by now or does not start.
        "python": list(minor) if minor is not None and minor >= LEAST else None,
        # A virtual environment knows its own place, so a moved checkout needs a new one.
        "place": str(VENV),
    }


def python_inside() -> tuple[int, int] | None:
    """The minor version of the environment's Python; None when it no longer starts.

    Its packages lie in a folder of that name, so another version in its place cannot see them.
    """
    question = "import sys; print(*sys.version_info[:2])"
    try:
        done = subprocess.run(
            [str(program("python")), "-I", "-S", "-c", question],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
        )
        major, minor = done.stdout.split()
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return int(major), int(minor)


def base_python() -> str:
    """The interpreter on which this process's virtual environment, if any, is based."""
    return os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)


@contextmanager
def only_one(lock: Path) -> Iterator[None]:
    """Lock a file, so that one process works at a time; the system frees a dead one's lock."""
    with lock.open("a+b") as file:
        _lock(file.fileno())
        yield


def _lock(handle: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(handle, msvcrt.LK_LOCK, 1)
    else:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX)


# -- making it -----------------------------------------------------------------------------------


def make() -> None:
    """Make the environment; its stamp is empty until the end, so a broken one is made again."""
    _refuse_without_ensurepip()
    _put_aside_what_is_not_ours()
    _say(f"==> making {VENV.name} with Python {sys.version.split()[0]} (once)")
    shutil.rmtree(VENV, ignore_errors=True)
    try:
        VENV.mkdir(exist_ok=True)
        STAMP.touch()
        _run([base_python(), "-m", "venv", str(VENV)])
        _install()
    except BaseException:
        shutil.rmtree(VENV, ignore_errors=True)
        raise
    STAMP.write_text(json.dumps(made_from(sys.version_info[:2]), indent=1))


def _refuse_without_ensurepip() -> None:
    if importlib.util.find_spec("ensurepip") is None:
        name = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
        raise SetupFailed(
            "this Python comes without ensurepip, so no virtual environment can be made. "
            f"On Debian and Ubuntu type:\n\n    apt-get install {name}\n\n"
            "or start tasks.py with another Python."
        )


def _put_aside_what_is_not_ours() -> None:
    """Move a ``.venv`` that was not made here: a user may have made it and still need it."""
    if not VENV.exists() or STAMP.exists():
        return
    BACKUPS.mkdir(exist_ok=True)
    kept = Path(tempfile.mkdtemp(prefix="venv-", dir=BACKUPS)) / VENV.name
    _say(f"==> {VENV.name} was not made by tasks.py; moving it to {kept}")
    VENV.rename(kept)


def _install() -> None:
    """Install with uv, which takes seconds, or with pip if uv fails.

    uv is removed when it failed: later tasks use it whenever it is installed.
    """
    python = program("python")
    if os.environ.get(installer.VARIABLE) != "pip":
        _fetch_uv(python)
    installer.install(python, "--requirement", LOCKED, pip_of=python)
    if installer.find_uv(python) is None:
        _run([*_pip(python), "uninstall", "--quiet", "--yes", "uv"])


def _fetch_uv(python: Path) -> None:
    """Install uv with short timeouts: only the installation after it waits for a slow index."""
    try:
        hasty = ["--quiet", "--retries", "1", "--timeout", "15", "--requirement", str(QUICK)]
        _run([*_pip(python), "install", *hasty])
    except SetupFailed as failure:
        _say(f"{failure}\n    uv cannot be had; pip does it, more slowly")


def _pip(python: Path) -> list[str]:
    return [str(python), "-I", "-m", "pip", "--disable-pip-version-check", "--no-input"]


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        said = installer.masked(done.stdout.rstrip())
        raise SetupFailed(f"{said}\nexit code {done.returncode} from: {' '.join(command)}")


# -- handing over --------------------------------------------------------------------------------


def _replace_process(command: list[str]) -> int:
    """Become the task, where that is possible, so that signals reach only the task."""
    sys.stdout.flush()
    if os.name != "nt":
        os.execv(command[0], command)
    return subprocess.run(command, check=False).returncode


def _say(text: str) -> None:
    print(text, flush=True)


def _tell(text: str, code: int) -> int:
    print(text, file=sys.stderr, flush=True)
    return code
