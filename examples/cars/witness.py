"""Notes in which process each step began and ended, as evidence.

cloaca does not need it. With it the demo compares the steps that really ran with the database.
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
    """Note begin and end of a body, with a pause in it, so that there is something to watch."""
    notes = Path(context.get("notes"))
    note(notes, "begins", step)
    time.sleep(context.get("pause"))
    yield
    note(notes, "ends", step)


def note(notes: Path, what: str, step: str) -> None:
    """Write one line at once, so that lines of several threads do not mix."""
    with notes.open("ab", buffering=0) as file:
        file.write(f"{os.getpid()} {what} {step}\n".encode())
