"""Fault points kill where they are told to, and are nothing otherwise."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from tables import each_row

from cloaca_core.engine.runtime import failpoints

PROGRAM = """
from cloaca_core.engine.runtime import failpoints
for number in range(1, 5):
    print(number, flush=True)
    failpoints.hit("body.before")
"""


def run(setting: str | None) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "CLOACA_FAULT"}
    if setting is not None:
        environment["CLOACA_FAULT"] = setting
    command = [sys.executable, "-c", PROGRAM]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@each_row(
    ("setting", "code", "last"),
    [
        (None, 0, "4"),  # nothing is armed
        ("body.before", -signal.SIGKILL, "1"),  # the first time
        ("body.before:3", -signal.SIGKILL, "3"),  # the third time
        ("body.before:5", 0, "4"),  # never reached so often
        ("body.after", 0, "4"),  # another point
    ],
)
def test_the_process_dies_at_the_nth_time(setting: str | None, code: int, last: str) -> None:
    done = run(setting)

    assert done.returncode == code
    assert done.stdout.split()[-1] == last


def test_a_point_that_does_not_exist_is_refused() -> None:
    assert "'body.during' is none of submit.before_commit" in run("body.during").stderr


def test_points_are_named_once() -> None:
    assert len(set(failpoints.POINTS)) == len(failpoints.POINTS)


def test_points_can_be_watched_for_a_while() -> None:
    seen: list[str] = []
    unwatch = failpoints.watch(seen.append)
    failpoints.hit("body.before")
    unwatch()
    failpoints.hit("body.after")

    assert seen == ["body.before"]
