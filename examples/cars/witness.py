"""Each step writes down in which process it began and ended, so that nobody has to believe us.

cloaca needs none of this. It lets the demo compare what really ran with what the database says.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cloaca


@contextmanager
def witnessed(context: cloaca.Context, step: str) -> Iterator[None]:
    """Note begin and end of a body; pause in it, or there would be nothing to watch."""
    notes = Path(context.get("notes"))
    note(notes, "begins", step)
    time.sleep(context.get("pause"))
    yield
    note(notes, "ends", step)


def note(notes: Path, what: str, step: str) -> None:
    """One line, in one write, so that lines of several threads do not mix."""
    with notes.open("ab", buffering=0) as file:
        file.write(f"{os.getpid()} {what} {step}\n".encode())
