"""Decisions about a tick while earlier runs of its schedule have not ended."""

from __future__ import annotations

import pytest
from tables import each_row

from cloaca_core.errors import DefinitionError, DefinitionTypeError
from cloaca_core.features.schedules.timing.overlap import (
    Outcome,
    OverlapPolicy,
    Queue,
    Skip,
    Start,
    meet,
    overlap_policy,
)


@each_row(
    ("outcome", "policy"),
    [
        (Start(), "allow"),
        (Skip(running=("a", "b")), "skip"),
        (Queue(behind="b"), "queue"),
        (Start(cancel=("a", "b")), "cancel_old"),
    ],
)
def test_with_runs_under_way_the_policy_decides(outcome: Outcome, policy: OverlapPolicy) -> None:
    assert meet(policy, ["a", "b"]) == outcome


@each_row("policy", ["allow", "skip", "queue", "cancel_old"])
def test_with_none_under_way_the_tick_starts(policy: OverlapPolicy) -> None:
    assert meet(policy, []) == Start()


def test_a_policy_is_read_by_its_name() -> None:
    assert overlap_policy("queue") == "queue"
    with pytest.raises(
        DefinitionError,
        match='unknown overlap_policy "wait": expected one of allow, skip, queue, cancel_old',
    ):
        overlap_policy("wait")
    with pytest.raises(DefinitionTypeError, match="overlap_policy must be a str, got bool"):
        overlap_policy(True)
