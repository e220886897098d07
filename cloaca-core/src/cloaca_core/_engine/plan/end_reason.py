"""Writes and reads the error message of a run that has passed its deadline.

The message itself marks such a run, for other processes and later ones. No other message has this
form: the planner's begin with a number of tasks, the engine's name the thing that could not be
read or stored. A column beside it would say the same a second time, and could contradict it.
"""

from __future__ import annotations

import re
from typing import Final

_MESSAGE: Final = re.compile(r"Pipeline timeout after (?P<seconds>[0-9]+)s(?:; .*)?", re.DOTALL)
"""Further errors at the end of the run may follow."""


def overdue_message(seconds: int) -> str:
    """The error of a run that took longer than this."""
    return f"Pipeline timeout after {seconds}s"


def passed_limit(error_message: str | None) -> int | None:
    """The limit in seconds that a run has passed, by its error; None for any other error."""
    match = None if error_message is None else _MESSAGE.fullmatch(error_message)
    return None if match is None else int(match["seconds"])
