"""Finds the Chromium for tests of the web page and for the docs' pictures; on Debian as root it is
installed when it is missing.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from dev.console import TaskFailed, run, say, step

NAMES = (
    "chromium-headless-shell",
    "chrome-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
)
"""A shell first: it has no windows, on whose frames the others spend as much as on the pages."""
_ELSEWHERE = (
    Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"),
    Path("C:/Program Files/Google/Chrome/Application/chrome.exe"),
)
_APT = ("apt-get", "--quiet", "--quiet", "--option", "DPkg::Lock::Timeout=120")
_PACKAGES = ("chromium-headless-shell", "chromium")
"""The second where the system does not know the first."""
_FONT = "fonts-dejavu-core"
"""A new machine has no font at all."""


def found() -> Path | None:
    """The program: that of PATH, else one in the usual place of its system."""
    on_path = (shutil.which(name) for name in NAMES)
    candidates = (*(Path(path) for path in on_path if path), *_ELSEWHERE)
    return next((each for each in candidates if each.exists()), None)


def program() -> Path:
    """The program; fails with what to do when there is none."""
    if path := found():
        return path
    raise TaskFailed(what_to_do())


def options() -> list[str]:
    """Options to start it with: as root it has no sandbox."""
    return ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []


def provide() -> None:
    """Install it where it is missing and can be installed; else say what to do.

    The tests of the page then fail, and all others run.
    """
    step("finding a Chromium")
    if found() is None and _can_be_installed():
        try:
            _install()
        except TaskFailed as failure:
            say(str(failure))
    say(f"  {found() or what_to_do()}")


def _can_be_installed() -> bool:
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    return is_root and shutil.which(_APT[0]) is not None


def _install() -> None:
    quietly = {"DEBIAN_FRONTEND": "noninteractive"}
    run([*_APT, "update"], env=quietly, quiet=True)
    install = [*_APT, "install", "--yes", "--no-install-recommends", _FONT]
    first, second = _PACKAGES
    try:
        run([*install, first], env=quietly, quiet=True)
    except TaskFailed:
        run([*install, second], env=quietly, quiet=True)


def what_to_do() -> str:
    """What a developer does who has none."""
    return (
        f"The tests of the web page need one of {', '.join(NAMES)} on PATH, and found none:\n"
        f"    apt-get install {' # or '.join(_PACKAGES)}"
    )
