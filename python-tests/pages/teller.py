"""Runs, saves or starts the blocks of a page, in one namespace: a program that the nursery forks.

The blocks are those of a program that Python was given with ``-c``: what they define is of
``__main__``, which has no file, and their folder is the first place where modules are looked for.
Line numbers are those of the page.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType


def main() -> None:
    """Do what the standard input says."""
    sys.modules["__main__"] = ModuleType("__main__")
    sys.path[0] = ""
    sys.argv = ["-c"]
    names = {"__name__": "__main__"}
    for where, line, saved, started, code in json.loads(sys.stdin.read()):
        if saved:
            Path(saved).write_text(code, encoding="utf-8")
        elif started:
            sys.stdout.flush()
            subprocess.run(
                [sys.executable, "-u", "-W", "error", started],
                stdin=subprocess.DEVNULL,
                check=False,
            )
        else:
            block = compile("\n" * (line - 1) + code, where, "exec", dont_inherit=True)
            exec(block, names)  # noqa: S102  a page of ours


if __name__ == "__main__":
    main()
