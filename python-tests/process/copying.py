"""Copies a database, and dies in the middle: ``python copying.py SOURCE TARGET TABLE ROWS``.

It dies once so many rows of this table are written.
"""

from __future__ import annotations

import os
import signal
import sys

from cloaca import databases


def main() -> None:
    source, target, table, rows = sys.argv[1:]

    def progress(done: databases.CopyProgress) -> None:
        if (done.phase, done.table) == ("copy", table) and done.rows >= int(rows):
            os.kill(os.getpid(), signal.SIGKILL)

    databases.copy(source, target, progress=progress)


if __name__ == "__main__":
    main()
