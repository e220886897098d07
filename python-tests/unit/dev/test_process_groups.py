"""A process that ends takes with it what it started."""

from __future__ import annotations

import select
import subprocess
import sys

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

        ended, _, _ = select.select([process.stdout], [], [], 10)  # when no process holds it open

        assert ended
