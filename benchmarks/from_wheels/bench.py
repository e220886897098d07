"""The benchmark on the built wheels, in a temporary environment."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dev.console import environment, run, step
from dev.databases import sources
from dev.databases.programs import VARIABLE
from dev.environments.sandbox import Sandbox
from dev.packaging.artefacts import package
from dev.project import POSTGRES, ROOT


def bench(backend: str = "sqlite") -> None:
    """Measure cloaca beside its floor; fails when a target is missed."""
    package(backend)
    with tempfile.TemporaryDirectory(prefix="cloaca-bench-") as name, _variables(backend) as found:
        sandbox = Sandbox(Path(name) / "env").create()
        sandbox.install_for(backend, testing=True)
        step("measuring; this takes about a minute and wants the machine to itself")
        run(
            [sandbox.python, "-c", _START, ROOT, f"benchmarks.{backend}"],
            cwd=Path(name),
            env=environment(found),
        )


@contextmanager
def _variables(backend: str) -> Iterator[dict[str, str]]:
    """Variables with the URL of a server whose commits wait for the disk, if one is needed."""
    if backend != POSTGRES.backend:
        yield {}
        return
    with sources.server(durable=True) as url:
        yield {VARIABLE: url}


# The repository goes to the end of the path, where it cannot shadow the wheels.
_START = """
import runpy, sys
sys.path.append(sys.argv[1])
runpy.run_module(sys.argv[2], run_name="__main__")
"""
