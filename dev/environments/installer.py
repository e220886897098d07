"""Makes environments and installs packages in them: with uv, or with pip if uv fails.

All of ``dev/`` and tox use this module, so that only one place knows how to get packages here. uv
gets pip's settings (the index, its certificates, a proxy) and the system's certificates. It is only
an accelerator: if it is missing, does not start or does not reach the index, pip does the same. An
index's URL is never printed: it may have a password.

Imports only the standard library: this runs before anything is installed.

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
"""The Python that runs this; by default its pip is used."""

VARIABLE = "CLOACA_INSTALLER"
"""The variable that excludes uv if its value is ``pip``."""

# With these uv gives up an index that does not answer within half a minute, and pip tries. Without
# them it takes minutes.
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
    """Install wheels of ours from a folder, without an index and without a cache.

    A wheel that was built again has the same name, but other contents.
    """
    offline: list[str | Path] = ["--no-index", "--find-links", folder, *requirements]

    def fill(uv: Path | None) -> None:
        if uv is None:
            run([*_pip(python), "install", *_QUIET, "--no-cache-dir", *offline], quiet=True)
        else:
            run([*_uv_pip(uv, "install", python), "--no-cache", *offline], quiet=True)

    with_either(fill)


def remove(python: Path, package: str, *, pip_of: Path = HERE) -> None:
    """Uninstall a package, also when another one requires it."""

    def take(uv: Path | None) -> None:
        if uv is None:
            run([*_pip(python, pip_of), "uninstall", "--quiet", "--yes", package], quiet=True)
        else:
            run([*_uv_pip(uv, "uninstall", python), package], quiet=True)

    with_either(take, near=pip_of)


def _uv_pip(uv: Path, command: str, python: Path) -> list[str | Path]:
    return [uv, "pip", command, "--quiet", "--no-python-downloads", "--python", python]


def _pip(python: Path, pip_of: Path = HERE) -> list[str | Path]:
    """The command of a pip, which need not be in the environment itself."""
    return [pip_of, "-I", "-m", "pip", "--python", python]


_QUIET = ("--quiet", "--disable-pip-version-check", "--no-input")


# -- uv, or pip ----------------------------------------------------------------------------------


def with_either(act: Callable[[Path | None], None], near: Path = HERE) -> None:
    """Call ``act`` with uv's program; if that fails, with None, which means pip.

    When pip succeeds after uv failed, this process and its children do not use uv again. When both
    fail, the error has both messages.
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
    """The uv beside this Python, or that of the tools' environment; None to use pip."""
    if os.environ.get(VARIABLE) == "pip":
        return None
    name = "uv.exe" if os.name == "nt" else "uv"
    tools = ROOT / ".venv" / ("Scripts" if os.name == "nt" else "bin")
    found = (folder / name for folder in (near.parent, tools))
    return next((path for path in found if os.access(path, os.X_OK)), None)


def masked(text: str) -> str:
    """The text without the user and password of an index, which installers may print."""
    return re.sub(r"(?<=://)[^/@\s]+@", "****@", text)


# -- settings of uv ------------------------------------------------------------------------------


def uv_settings(pip_of: Path = HERE) -> dict[str, str]:
    """Variables that make uv use the index of this Python's pip; the user's own variables win."""
    wanted = PATIENCE | {"UV_SYSTEM_CERTS": "1"} | translated(pip_options(pip_of))
    return {name: value for name, value in wanted.items() if not _is_said(name)}


def _is_said(name: str) -> bool:
    return name in os.environ or _FORMERLY.get(name, name) in os.environ


_FORMERLY = {"UV_DEFAULT_INDEX": "UV_INDEX_URL", "UV_INDEX": "UV_EXTRA_INDEX_URL"}


def _uv_options(pip_of: Path) -> list[str]:
    """Options of uv that have no variable."""
    said = pip_options(pip_of).get("no-index", "")
    return ["--no-index"] if said.lower() in {"1", "true", "yes", "on"} else []


def translated(options: Mapping[str, str]) -> dict[str, str]:
    """Translate options of ``pip install`` to variables of uv."""
    found = {name: options[option] for option, name in _SAME.items() if options.get(option)}
    if extra := _words(options, "extra-index-url"):
        # As pip does: the first index with the package need not be the one with the version.
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
    """Options of ``pip install`` from pip's files and variables; none without a pip."""
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
    """Read the output of ``pip config list``: the command's options override global ones, and
    variables override both.
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
