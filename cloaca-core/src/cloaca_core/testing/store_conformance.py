"""The contract of ``Store``, one test for each promise of its docstrings.

A test sees one open store; its concurrent callers are coroutines. What other stores and processes
on the same database see is in ``backend_conformance``.
"""

from __future__ import annotations

import pytest

from cloaca_core.testing.claim_conformance import ClaimConformance
from cloaca_core.testing.lease_conformance import LeaseConformance
from cloaca_core.testing.observe_conformance import ObserveConformance
from cloaca_core.testing.record_conformance import CommitConformance
from cloaca_core.testing.schedule_conformance import ScheduleConformance
from cloaca_core.testing.trigger_conformance import TriggerConformance


class StoreConformance(
    CommitConformance,
    ClaimConformance,
    LeaseConformance,
    ObserveConformance,
    ScheduleConformance,
    TriggerConformance,
):
    """Give it a fixture ``store``: an open, empty one."""

    pytestmark = pytest.mark.asyncio
