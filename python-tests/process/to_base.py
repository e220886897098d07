"""Brings a file to the base again and again, and dies before the first statement, the second, …

``python to_base.py URL``; it prints before how many statements it died, and how the last try ended.
Each try is a fork: to start Python for each would take a minute.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

import cloaca
from cloaca_sqlite import migrator

KILLED = 9


def _dies(split: Callable[[str], Iterator[str]], place: int) -> Callable[[str], Iterator[str]]:
    count = 0

    def statements(script: str) -> Iterator[str]:
        nonlocal count
        for text in split(script):
            if count == place:
                os._exit(KILLED)
            count += 1
            yield text

    return statements


def main() -> None:
    url = sys.argv[1]
    place = -1
    code = KILLED
    while code == KILLED:
        place += 1
        pid = os.fork()
        if pid == 0:
            patched: Any = migrator
            patched.split_statements = _dies(migrator.split_statements, place)
            with cloaca.Client(url):
                pass
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    sys.stdout.write(f"{place} {code}\n")


if __name__ == "__main__":
    main()
