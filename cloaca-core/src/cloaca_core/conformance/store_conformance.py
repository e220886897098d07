"""The contract of ``Store``, one test for each promise of its docstrings.

A test uses one open store; its concurrent callers are coroutines. Tests with several stores and
processes on one database are in ``backend_conformance``.
"""

from __future__ import annotations

import pytest

from cloaca_core.conformance.act_conformance import ActConformance
from cloaca_core.conformance.claim_conformance import ClaimConformance
from cloaca_core.conformance.definition_conformance import DefinitionConformance
from cloaca_core.conformance.follow_up_conformance import FollowUpConformance
from cloaca_core.conformance.gauge_conformance import GaugeConformance
from cloaca_core.conformance.lease_conformance import LeaseConformance
from cloaca_core.conformance.memo_conformance import MemoConformance
from cloaca_core.conformance.message_conformance import MessageConformance
from cloaca_core.conformance.observe_conformance import ObserveConformance
from cloaca_core.conformance.overlap_conformance import OverlapConformance
from cloaca_core.conformance.payload_conformance import PayloadConformance
from cloaca_core.conformance.record_conformance import CommitConformance
from cloaca_core.conformance.schedule_conformance import ScheduleConformance
from cloaca_core.conformance.search_conformance import SearchConformance
from cloaca_core.conformance.steering.cancelled_conformance import CancelledConformance
from cloaca_core.conformance.steering.children_conformance import ChildrenConformance
from cloaca_core.conformance.steering.paused_children_conformance import PausedChildrenConformance
from cloaca_core.conformance.steering.rerun_conformance import RerunConformance
from cloaca_core.conformance.steering.rest_conformance import RestConformance
from cloaca_core.conformance.steering.resume_conformance import ResumeConformance
from cloaca_core.conformance.steering.standing_conformance import StandingConformance
from cloaca_core.conformance.steering.steering_conformance import SteeringConformance
from cloaca_core.conformance.steering.turn_conformance import TurnConformance
from cloaca_core.conformance.steering.unserved_conformance import UnservedConformance
from cloaca_core.conformance.task_log_conformance import TaskLogConformance
from cloaca_core.conformance.trigger_conformance import TriggerConformance
from cloaca_core.conformance.upkeep_conformance import UpkeepConformance
from cloaca_core.conformance.wait_conformance import WaitConformance


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
