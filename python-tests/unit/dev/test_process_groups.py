"""A process that ends takes with it what it started."""

from __future__ import annotations

import select
import subprocess
import sys
from collections.abc import Iterator

import pytest

from dev import process_groups


def test_what_a_test_started_and_forgot_ends_with_its_process() -> None:
    forget = "import subprocess; subprocess.Popen(['cat'])"
    with subprocess.Popen(
        [sys.executable, "-c", forget],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process_groups.wait(process, 60) == 0

        ended, _, _ = select.select([process.stdout], [], [], 60)  # when no process holds it open

        assert ended


@pytest.fixture
def waiting() -> Iterator[subprocess.Popen[bytes]]:
    """A process that ends when its input is closed."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, start_new_session=True) as process:
        yield process


def test_a_process_is_waited_for_as_long_as_it_gets_on(waiting: subprocess.Popen[bytes]) -> None:
    assert waiting.stdin is not None
    steps = iter("abcde")

    def progress() -> str:
        assert waiting.stdin is not None
        if (step := next(steps)) == "e":
            waiting.stdin.close()
            waiting.wait()
        return step

    assert process_groups.wait(waiting, 0.01, progress) == 0


def test_a_process_that_does_not_get_on_is_killed(waiting: subprocess.Popen[bytes]) -> None:
    assert process_groups.wait(waiting, 0.01, lambda: "the same") is None
    assert waiting.poll() == -9
