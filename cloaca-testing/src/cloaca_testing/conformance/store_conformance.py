"""The contract of ``Store``, one test for each promise of its docstrings.

A test uses one open store; its concurrent callers are coroutines. Tests with several stores and
processes on one database are in ``backend_conformance``.
"""

from __future__ import annotations

import pytest

from cloaca_testing.conformance.act_conformance import ActConformance
from cloaca_testing.conformance.claim_conformance import ClaimConformance
from cloaca_testing.conformance.definition_conformance import DefinitionConformance
from cloaca_testing.conformance.follow_up_conformance import FollowUpConformance
from cloaca_testing.conformance.gauge_conformance import GaugeConformance
from cloaca_testing.conformance.lease_conformance import LeaseConformance
from cloaca_testing.conformance.memo_conformance import MemoConformance
from cloaca_testing.conformance.message_conformance import MessageConformance
from cloaca_testing.conformance.observe_conformance import ObserveConformance
from cloaca_testing.conformance.overlap_conformance import OverlapConformance
from cloaca_testing.conformance.payload_conformance import PayloadConformance
from cloaca_testing.conformance.record_conformance import CommitConformance
from cloaca_testing.conformance.schedule_conformance import ScheduleConformance
from cloaca_testing.conformance.search_conformance import SearchConformance
from cloaca_testing.conformance.steering.cancelled_conformance import CancelledConformance
from cloaca_testing.conformance.steering.children_conformance import ChildrenConformance
from cloaca_testing.conformance.steering.paused_children_conformance import (
    PausedChildrenConformance,
)
from cloaca_testing.conformance.steering.rerun_conformance import RerunConformance
from cloaca_testing.conformance.steering.rest_conformance import RestConformance
from cloaca_testing.conformance.steering.resume_conformance import ResumeConformance
from cloaca_testing.conformance.steering.standing_conformance import StandingConformance
from cloaca_testing.conformance.steering.steering_conformance import SteeringConformance
from cloaca_testing.conformance.steering.turn_conformance import TurnConformance
from cloaca_testing.conformance.steering.unserved_conformance import UnservedConformance
from cloaca_testing.conformance.task_log_conformance import TaskLogConformance
from cloaca_testing.conformance.trigger_conformance import TriggerConformance
from cloaca_testing.conformance.upkeep_conformance import UpkeepConformance
from cloaca_testing.conformance.wait_conformance import WaitConformance


class StoreConformance(
    CommitConformance,
    ClaimConformance,
    GaugeConformance,
    LeaseConformance,
    ObserveConformance,
    SearchConformance,
    ScheduleConformance,
    OverlapConformance,
    TriggerConformance,
    ActConformance,
    SteeringConformance,
    StandingConformance,
    CancelledConformance,
    ChildrenConformance,
    PausedChildrenConformance,
    TurnConformance,
    RerunConformance,
    ResumeConformance,
    RestConformance,
    UnservedConformance,
    PayloadConformance,
    DefinitionConformance,
    FollowUpConformance,
    MemoConformance,
    TaskLogConformance,
    WaitConformance,
    MessageConformance,
    UpkeepConformance,
):
    """Define a fixture ``store``: an open, empty store."""

    pytestmark: pytest.MarkDecorator = pytest.mark.asyncio
