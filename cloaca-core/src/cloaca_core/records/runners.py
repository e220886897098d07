"""The rows of runners; forms as in ``runs``."""

from __future__ import annotations

from typing import NamedTuple


class RunnerRow(NamedTuple):
    """A runner that may own runs.

    ``boot_id``, ``pid_namespace``, ``pid`` and ``process_start`` identify its process (see
    ``_engine/recover/process_identity.py``); ``lease_until`` is on the store's own lease clock.
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
