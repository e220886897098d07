"""The project's tasks. ``python tasks.py <task>`` sets everything up on a machine with only Python.

Inside the environment that it makes (``.venv``), ``invoke <task>`` is the same. What each task
does lives in ``dev/``; this file is the list of them.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":
    from dev.environments.bootstrap import hand_over

    raise SystemExit(hand_over(sys.argv[1:]))

from dev.commands import namespace

__all__ = ["namespace"]
