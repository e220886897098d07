"""The rows of runners; forms as in ``runs``."""

from typing import Final, NamedTuple

PROTOCOL: Final = 2
"""Runners of protocol 1, which named none, did not know of runs that are paused, wait for their
time, or are being cancelled. A database in which there are such runs does not register them.
"""


class RunnerRow(NamedTuple):
    """A runner that may own runs.

    ``boot_id``, ``pid_namespace``, ``pid`` and ``process_start`` identify its process (see
    ``_engine/recover/process_identity.py``); ``lease_until`` is on the store's own lease clock.
    ``protocol`` says which states of runs the runner knows: see ``PROTOCOL``. ``draining_since`` is
    when somebody asked the runner to leave, None if nobody has.
    """

    id: str
    boot_id: str
    pid_namespace: str
    pid: int
    process_start: int
    beat: int
    lease_until: int
    fenced: bool
    started_at: int
    protocol: int = PROTOCOL
    draining_since: int | None = None
