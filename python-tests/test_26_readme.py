"""The program in the README runs as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.backend("sqlite", reason="the program keeps what it does in a file")

README = Path(__file__).resolve().parent.parent / "README.md"


def test_the_readmes_program_prints_what_it_came_to(tmp_path: Path) -> None:
    (program,) = re.findall(r"(?ms)^```python\n(.*?)^```$", README.read_text("utf-8"))

    for _ in range(2):  # the second time its database is there already
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", program],
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        assert (done.stdout, done.stderr) == ("Completed True\n", "")
    assert (tmp_path / "orders.db").exists()
