"""Work of a released cloaca 0.x, which is installed in an environment of its own."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

PROGRAM = '''
"""Leaves a run that ended, one that failed and two schedules, and dies in a third run."""
import os
import sys
import cloaca

with cloaca.WorkflowBuilder("order") as builder:
    builder.description("an order")

    @cloaca.task(id="prepare")
    def prepare(context):
        context.set("prepared", True)
        return context

    @cloaca.task(id="charge", dependencies=["prepare"], retry_attempts=2, retry_delay_ms=1)
    def charge(context):
        if context.get("kind") == "fails":
            raise ValueError("no money")
        if context.get("kind") == "dies":
            os._exit(0)
        context.set("paid", 5)
        return context

    builder.add_task("prepare")
    builder.add_task("charge")

runner = cloaca.DefaultRunner(sys.argv[1])
runner.execute("order", cloaca.Context({"kind": "ends", "n": 1}))
try:
    runner.execute("order", cloaca.Context({"kind": "fails", "n": 2}))
except Exception as error:
    print("fails:", error)
runner.register_cron_workflow("order", "0 3 * * *", "Europe/Oslo")
off = runner.register_cron_workflow("order", "*/5 * * * *", "UTC")
runner.set_cron_schedule_enabled(off, False)
runner.execute("order", cloaca.Context({"kind": "dies", "n": 3}))
'''
INSTALL_S = 240
RUN_S = 120


def write_with(packages: list[str], url: str, folder: Path) -> None:
    """Install a release from the index into an environment in this folder, and let it write."""
    venv.create(folder / "environment", with_pip=True)
    python = folder / "environment" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", *packages]
    subprocess.run(install, check=True, timeout=INSTALL_S)
    program = folder / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    environment = {"PATH": "/usr/bin:/bin", "RUST_LOG": "error"}
    command = [str(python), str(program), url]
    subprocess.run(command, check=True, timeout=RUN_S, env=environment, capture_output=True)
