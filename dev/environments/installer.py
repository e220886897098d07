"""Makes environments and installs packages in them: with uv, and with pip wherever uv cannot.

All of ``dev/`` and tox come here, so that one place knows how packages are had on this machine.
uv is given what pip was told (the index, its certificates, a proxy) and the system's certificates.
It is quick, but only an accelerator: where it is missing, does not start or does not reach the
index, pip does the same. Where packages come from is never printed: it may hold a password.

Only the standard library is imported: this runs before anything is installed.

``python -m dev.environments.installer ARGUMENTS`` installs in the environment that it runs in, as
``pip install ARGUMENTS`` does; tox calls it so.
"""

from __future__ import annotations

import ast
import functools
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from dev.console import TaskFailed, environment, readable_failures, run, say

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(sys.executable)
"""The Python that runs this; unless told otherwise, its pip is the one that is asked."""

VARIABLE = "CLOACA_INSTALLER"
"""``pip`` here means that uv is not asked."""

# An index that cannot be reached, or says nothing, is given up in half a minute at most, and pip is
# asked. Without these it takes minutes.
PATIENCE = {"UV_HTTP_CONNECT_TIMEOUT": "5", "UV_HTTP_TIMEOUT": "15", "UV_HTTP_RETRIES": "1"}


# -- making and filling --------------------------------------------------------------------------


def create(folder: Path, base: Path = HERE) -> None:
    """Make an empty environment, without pip in it, on this interpreter."""

    def make(uv: Path | None) -> None:
        if uv is None:
            run([base, "-I", "-m", "venv", "--without-pip", folder], quiet=True)
        else:
            quick = ["venv", "--quiet", "--no-python-downloads", "--no-project"]
            run([uv, *quick, "--python", base, folder], env=uv_settings(), quiet=True)

    with_either(make)


def install(python: Path, *arguments: str | Path, pip_of: Path = HERE) -> None:
    """Install in this Python's environment; the arguments are those that pip and uv share."""

    def fill(uv: Path | None) -> None:
        if uv is None:
            run([*_pip(python, pip_of), "install", *_QUIET, *arguments], quiet=True)
        else:
            words = [*_uv_pip(uv, "install", python), *_uv_options(pip_of), *arguments]
            run(words, env=uv_settings(pip_of), quiet=True)

    with_either(fill, near=pip_of)


def install_from_folder(python: Path, folder: Path, *requirements: str) -> None:
    """Install wheels of ours from a folder, without an index.

    And without a cache: a wheel that was built again has the same name and other contents.
    """
    offline: list[str | Path] = ["--no-index", "--find-links", folder, *requirements]

    def fill(uv: Path | None) -> None:
        if uv is None:
            run([*_pip(python), "install", *_QUIET, "--no-cache-dir", *offline], quiet=True)
        else:
            run([*_uv_pip(uv, "install", python), "--no-cache", *offline], quiet=True)

    with_either(fill)


def remove(python: Path, package: str, *, pip_of: Path = HERE) -> None:
    """Take a package out, also when another one requires it."""

    def take(uv: Path | None) -> None:
        if uv is None:
            run([*_pip(python, pip_of), "uninstall", "--quiet", "--yes", package], quiet=True)
        else:
            run([*_uv_pip(uv, "uninstall", python), package], quiet=True)

    with_either(take, near=pip_of)


def _uv_pip(uv: Path, command: str, python: Path) -> list[str | Path]:
    return [uv, "pip", command, "--quiet", "--no-python-downloads", "--python", python]


def _pip(python: Path, pip_of: Path = HERE) -> list[str | Path]:
    """The environment need not have a pip of its own."""
    return [pip_of, "-I", "-m", "pip", "--python", python]


_QUIET = ("--quiet", "--disable-pip-version-check", "--no-input")


# -- uv, or pip ----------------------------------------------------------------------------------


def with_either(act: Callable[[Path | None], None], near: Path = HERE) -> None:
    """Do it with uv, whose program ``act`` is given; where that fails, with pip, which is None.

    A program that pip had to do is the last for which this process and its children ask uv. When
    both fail, it was not uv's fault, and the failure tells of both.
    """
    uv = find_uv(near)
    if uv is None:
        act(None)
        return
    try:
        act(uv)
    except (TaskFailed, OSError) as failure:
        _after(failure, act)


def _after(failure: Exception, act: Callable[[Path | None], None]) -> None:
    try:
        act(None)
    except TaskFailed as second:
        said = f"{masked(str(failure))}\nuv did not do it, and pip did not either:"
        raise TaskFailed(f"{said}\n{masked(str(second))}") from failure
    os.environ[VARIABLE] = "pip"
    end = "\n".join(masked(str(failure)).splitlines()[-4:])
    say(f"{end}\n    uv could not do it; pip did, and does so from here on")


def find_uv(near: Path = HERE) -> Path | None:
    """The uv beside this Python, or the one of the tools' environment; None to go without."""
    if os.environ.get(VARIABLE) == "pip":
        return None
    name = "uv.exe" if os.name == "nt" else "uv"
    tools = ROOT / ".venv" / ("Scripts" if os.name == "nt" else "bin")
    found = (folder / name for folder in (near.parent, tools))
    return next((path for path in found if os.access(path, os.X_OK)), None)


def masked(text: str) -> str:
    """The text without the user and password of an index, which installers may repeat."""
    return re.sub(r"(?<=://)[^/@\s]+@", "****@", text)


# -- what uv is told -----------------------------------------------------------------------------


def uv_settings(pip_of: Path = HERE) -> dict[str, str]:
    """The variables that make uv look where this Python's pip looks; the person's own win."""
    wanted = PATIENCE | {"UV_SYSTEM_CERTS": "1"} | translated(pip_options(pip_of))
    return {name: value for name, value in wanted.items() if not _is_said(name)}


def _is_said(name: str) -> bool:
    return name in os.environ or _FORMERLY.get(name, name) in os.environ


_FORMERLY = {"UV_DEFAULT_INDEX": "UV_INDEX_URL", "UV_INDEX": "UV_EXTRA_INDEX_URL"}


def _uv_options(pip_of: Path) -> list[str]:
    """Options of uv that no variable can set."""
    said = pip_options(pip_of).get("no-index", "")
    return ["--no-index"] if said.lower() in {"1", "true", "yes", "on"} else []


def translated(options: Mapping[str, str]) -> dict[str, str]:
    """Options of ``pip install`` as the variables of uv."""
    found = {name: options[option] for option, name in _SAME.items() if options.get(option)}
    if extra := _words(options, "extra-index-url"):
        # As pip does it: an index that has the package need not be the one that has the version.
        found |= {"UV_INDEX": " ".join(extra), "UV_INDEX_STRATEGY": "unsafe-best-match"}
    if links := _words(options, "find-links"):
        found["UV_FIND_LINKS"] = ",".join(links)
    if hosts := _words(options, "trusted-host"):
        found["UV_INSECURE_HOST"] = " ".join(hosts)
    return found


_SAME = {
    "index-url": "UV_DEFAULT_INDEX",
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
    "proxy": "ALL_PROXY",
}


def _words(options: Mapping[str, str], name: str) -> list[str]:
    return options.get(name, "").split()


@functools.lru_cache
def pip_options(python: Path) -> Mapping[str, str]:
    """Options of ``pip install`` from this machine's files and variables; none without a pip."""
    done = subprocess.run(
        [python, "-I", "-m", "pip", "config", "list"],
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return read_options(done.stdout.splitlines()) if done.returncode == 0 else {}


def read_options(lines: Iterable[str]) -> dict[str, str]:
    """The options in what ``pip config list`` prints: the command's count more than the global
    ones, and variables more than both.
    """
    by_section: dict[str, dict[str, str]] = {section: {} for section in _SECTIONS}
    for section, option, value in _parsed(lines):
        by_section[section][option] = value
    return {name: value for each in by_section.values() for name, value in each.items()}


_SECTIONS = ("global", "install", ":env:")
_LINE = re.compile(r"(global|install|:env:)\.([a-z-]+)=(.*)")


def _parsed(lines: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    for line in lines:
        if found := _LINE.fullmatch(line.strip()):
            section, option, value = found.groups()
            yield section, option, str(ast.literal_eval(value))


def _main(arguments: Sequence[str]) -> None:
    install(HERE, *arguments)


if __name__ == "__main__":
    with readable_failures():
        _main(sys.argv[1:])
