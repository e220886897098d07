"""The contract of ``Store``, one test for each promise of its docstrings.

A test sees one open store; its concurrent callers are coroutines. What other stores and processes
on the same database see is in ``backend_conformance``.
"""

from __future__ import annotations

import pytest

from cloaca_core.conformance.claim_conformance import ClaimConformance
from cloaca_core.conformance.lease_conformance import LeaseConformance
from cloaca_core.conformance.observe_conformance import ObserveConformance
from cloaca_core.conformance.overlap_conformance import OverlapConformance
from cloaca_core.conformance.record_conformance import CommitConformance
from cloaca_core.conformance.schedule_conformance import ScheduleConformance
from cloaca_core.conformance.trigger_conformance import TriggerConformance


class StoreConformance(
    CommitConformance,
    ClaimConformance,
    LeaseConformance,
    ObserveConformance,
    ScheduleConformance,
    OverlapConformance,
    TriggerConformance,
):
    """Give it a fixture ``store``: an open, empty one."""

    pytestmark = pytest.mark.asyncio
