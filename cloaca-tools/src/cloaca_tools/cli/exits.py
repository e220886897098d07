"""The exit codes of all commands, as the reference lists them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

OK: Final = 0
ERROR: Final = 1
USAGE: Final = 2
DECLINED: Final = 3
NO_DATABASE: Final = 4
RUN_FAILED: Final = 5
RUN_CANCELLED: Final = 6
TIMED_OUT: Final = 7
FOUND: Final = 8
INTERRUPTED: Final = 130

MEANINGS: Final[Mapping[int, str]] = {
    OK: "done",
    ERROR: "an error: stderr says which",
    USAGE: "the command was called wrongly",
    DECLINED: "not done, as it was not confirmed: see `--yes`",
    NO_DATABASE: "the database cannot be opened, for any reason",
    RUN_FAILED: "the run has failed (`run`, `runs wait`, `runs watch`)",
    RUN_CANCELLED: "the run was cancelled (`run`, `runs wait`, `runs watch`)",
    TIMED_OUT: "the wait has timed out; the run goes on",
    FOUND: "a check has found something",
    INTERRUPTED: "ended by Ctrl-C",
}

_OF_STATUS: Final[Mapping[str, int]] = {"Failed": RUN_FAILED, "Cancelled": RUN_CANCELLED}


def of_status(status: str) -> int:
    """The exit code of a command that has waited for a run which ended so."""
    return _OF_STATUS.get(status, OK)
