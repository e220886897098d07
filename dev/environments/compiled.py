"""Compiled modules of new environments: one of each interpreter compiles, the others copy.

An environment begins without them, and processes that start together would each compile all that
they import: two to three seconds of a core in each environment.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from dev.console import run
from dev.environments.sandbox import Sandbox
from dev.project import DISTRIBUTIONS

# What pytest imports is compiled by importing it. Our own wheels were unpacked into each
# environment at another time, so Python compares the contents of their files, not the times.
_COMPILE = f"""
import compileall, importlib, importlib.util
from py_compile import PycInvalidationMode
for name in {[each.package for each in DISTRIBUTIONS]}:
    if found := importlib.util.find_spec(name):
        folder = found.submodule_search_locations[0]
        compileall.compile_dir(folder, quiet=2, invalidation_mode=PycInvalidationMode.CHECKED_HASH)
import hypothesis.strategies, pytest, pytest_asyncio.plugin, pytest_timeout
from _pytest.config import default_plugins
for name in default_plugins:
    importlib.import_module("_pytest." + name)
"""


def compile_once(environments: Sequence[Sandbox]) -> None:
    """Compile in the first of these environments of one interpreter, and copy to the others."""
    first, *others = environments
    run([first.python, "-I", "-c", _COMPILE], quiet=True)
    for other in others:
        copy(_packages(first), _packages(other))


def copy(source: Path, target: Path) -> None:
    """Copy compiled modules beside the packages that the target has too.

    Python does not use one that was compiled from another file.
    """
    for compiled in source.rglob("__pycache__"):
        beside = target / compiled.relative_to(source).parent
        if beside.is_dir():
            shutil.copytree(compiled, beside / compiled.name, dirs_exist_ok=True)


def _packages(environment: Sandbox) -> Path:
    if os.name == "nt":
        return environment.folder / "Lib" / "site-packages"
    return next((environment.folder / "lib").glob("python*/site-packages"))
