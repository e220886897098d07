"""The tools' environment ``.venv``: made once, then handed over to.

This is the one module that runs before anything is installed, on whatever Python started it, so
it imports nothing but the standard library. It installs nothing outside ``.venv``.
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

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "made-from.json"
LOCK = ROOT / ".venv.lock"
BACKUPS = ROOT / ".backups"
REQUIREMENTS = (ROOT / "dev" / "requirements.txt", ROOT / "python-tests" / "requirements.txt")
LEAST = (3, 11)


class SetupFailed(Exception):  # noqa: N818  reads as what happened
    """The environment cannot be made; the message says what to do."""


def hand_over(arguments: Sequence[str]) -> int:
    """Make ``.venv`` if need be and run invoke in it with these arguments."""
    try:
        check_python(sys.version_info[:2])
        with only_one(LOCK):
            if not is_current():
                make()
    except (SetupFailed, OSError) as failure:
        return _tell(f"failed: {failure}", 1)
    except KeyboardInterrupt:
        return _tell("interrupted", 130)
    words = list(arguments) or ["--list"]
    # Nothing in the folder that this was started from, and nothing the person's own shell adds,
    # is taken for one of the tools.
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
    """True when ``.venv`` was made, to its end, from these requirements and this Python."""
    there = all(program(name).exists() for name in ("python", "invoke"))
    try:
        return there and json.loads(STAMP.read_text()) == wanted()
    except (OSError, ValueError):
        return False


def wanted() -> dict[str, str]:
    """What the environment is made from; any change means making it anew."""
    texts = b"\0".join(path.read_bytes() for path in REQUIREMENTS)
    return {
        "requirements": hashlib.sha256(texts).hexdigest(),
        "python": sys.version,
        "base": base_python(),
        # A virtual environment knows its own place, so a moved checkout needs a new one.
        "place": str(VENV),
    }


def base_python() -> str:
    """The interpreter beneath any virtual environment that this one runs in."""
    return os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)


@contextmanager
def only_one(lock: Path) -> Iterator[None]:
    """Let one process at a time do what this file stands for; the system frees a dead one's."""
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
    """Make the environment from nothing; the stamp is empty until the end, so a broken one is made
    again.
    """
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
    STAMP.write_text(json.dumps(wanted(), indent=1))


def _refuse_without_ensurepip() -> None:
    if importlib.util.find_spec("ensurepip") is None:
        name = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
        raise SetupFailed(
            "this Python comes without ensurepip, so no virtual environment can be made. "
            f"On Debian and Ubuntu type:\n\n    apt-get install {name}\n\n"
            "or start tasks.py with another Python."
        )


def _put_aside_what_is_not_ours() -> None:
    """Somebody may have an environment of that name there, with things of their own in it."""
    if not VENV.exists() or STAMP.exists():
        return
    BACKUPS.mkdir(exist_ok=True)
    kept = Path(tempfile.mkdtemp(prefix="venv-", dir=BACKUPS)) / VENV.name
    _say(f"==> {VENV.name} was not made by tasks.py; moving it to {kept}")
    VENV.rename(kept)


def _install() -> None:
    """Install with uv, which takes seconds; with pip where uv does not come as a wheel."""
    pip = [str(program("python")), "-m", "pip", "install", "--quiet"]
    files = [word for path in REQUIREMENTS for word in ("--requirement", str(path))]
    try:
        _run([*pip, "uv>=0.9"])
        uv = [str(program("uv")), "pip", "install", "--quiet", "--python", str(program("python"))]
        _run([*uv, *files])
    except SetupFailed as failure:
        _say(f"{failure}\n    uv did not do it; pip will, more slowly")
        _run([*pip, *files])


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
        said = done.stdout.rstrip()
        raise SetupFailed(f"{said}\nexit code {done.returncode} from: {' '.join(command)}")


# -- handing over --------------------------------------------------------------------------------


def _replace_process(command: list[str]) -> int:
    """Become the task where that is possible, so that signals reach it and nothing else."""
    sys.stdout.flush()
    if os.name != "nt":
        os.execv(command[0], command)
    return subprocess.run(command, check=False).returncode


def _say(text: str) -> None:
    print(text, flush=True)


def _tell(text: str, code: int) -> int:
    print(text, file=sys.stderr, flush=True)
    return code
