"""Overlap policy: decides about a tick while earlier runs of its schedule have not ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, assert_never

from cloaca_core.values.arguments import one_of
from cloaca_core.values.option_names import OverlapPolicyName

OverlapPolicy: TypeAlias = OverlapPolicyName

_POLICIES: Final[dict[str, OverlapPolicy]] = {
    "allow": "allow",
    "skip": "skip",
    "queue": "queue",
    "cancel_old": "cancel_old",
}


@dataclass(frozen=True, slots=True)
class Start:
    """The tick's run starts now; the runs in ``cancel`` are cancelled first."""

    cancel: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Skip:
    """The tick makes no run, because of those in ``running``."""

    running: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Queue:
    """The tick's run exists now and starts when the run ``behind`` has ended."""

    behind: str


Outcome: TypeAlias = Start | Skip | Queue


def overlap_policy(value: object) -> OverlapPolicy:
    """Return the policy of this name; a DefinitionError lists them when there is none."""
    return one_of("overlap_policy", value, _POLICIES)


def meet(policy: OverlapPolicy, under_way: Sequence[str]) -> Outcome:
    """Decide about a tick, given its schedule's runs that have not ended, oldest first.

    These include queued runs. When several ticks are decided at once, each sees the run of the
    one before.
    """
    if not under_way:
        return Start()
    match policy:
        case "allow":
            return Start()
        case "skip":
            return Skip(tuple(under_way))
        case "queue":
            return Queue(under_way[-1])
        case "cancel_old":
            return Start(cancel=tuple(under_way))
        case _:
            assert_never(policy)
