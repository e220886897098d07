"""Makes an environment with the wheels installed, for experiments."""

from __future__ import annotations

import shutil

from dev.console import say, step
from dev.environments.sandbox import Sandbox
from dev.packaging.artefacts import package
from dev.project import ALL, ROOT, backend_named


def debug_env(backend: str = "sqlite") -> None:
    """Make ``debug-env-<backend>/`` again and print how to start its Python."""
    known = backend if backend == ALL else backend_named(backend).backend
    folder = ROOT / f"debug-env-{known}"
    package(backend)
    step(f"making {folder.name}")
    shutil.rmtree(folder, ignore_errors=True)
    try:
        sandbox = Sandbox(folder).create()
        sandbox.install_for(backend)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    say(f"start it with: {sandbox.python.relative_to(ROOT)}")
