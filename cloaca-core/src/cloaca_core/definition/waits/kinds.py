"""The kinds of nodes that wait: for a time, an event, a decision, a run. Only data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final, Literal, TypeAlias

from cloaca_core.definition.rules import Always, Rule
from cloaca_core.values.missing import MISSING, Missing
from cloaca_core.values.option_names import RejectPolicyName
from cloaca_core.values.payloads.json_values import JsonValue
from cloaca_core.values.times.instants import Instant

REJECT: Final = "reject"
"""The choice that rejects, if an approval has it."""


@dataclass(frozen=True, slots=True)
class Sleep:
    """Waits ``seconds`` from its opening, or up to ``until``, or up to the instant that its context
    has at ``until_key``, a path of keys; exactly one is given.
    """

    kind: ClassVar[Literal["sleep"]] = "sleep"

    seconds: float | None = None
    until: Instant | None = None
    until_key: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class WaitFor:
    """Waits for a message of ``event``, for at most ``timeout`` seconds. Then ``default`` is taken
    in place of a payload; without one the node fails.
    """

    kind: ClassVar[Literal["event"]] = "event"

    event: str
    timeout: float | None = None
    default: JsonValue | Missing = field(default=MISSING, hash=False)


@dataclass(frozen=True, slots=True)
class Approval:
    """Waits for one of ``choices``, for at most ``timeout`` seconds. Then ``default`` is chosen;
    without one the node fails.

    ``data_type`` is the dataclass or model of the data that go with a choice, and ``schema`` its
    JSON schema. A recorded approval has the schema alone.
    """

    kind: ClassVar[Literal["approval"]] = "approval"

    prompt: str
    choices: tuple[str, ...]
    data_type: type | None = None
    schema: Mapping[str, JsonValue] | None = field(default=None, hash=False)
    timeout: float | None = None
    default: str | Missing = MISSING
    reject_policy: RejectPolicyName = "skip"


@dataclass(frozen=True, slots=True)
class Constant:
    """A value that a child run gets as it is; made by ``cloaca.constant``."""

    value: JsonValue = field(hash=False)


@dataclass(frozen=True, slots=True)
class Child:
    """Waits for the end of a run of ``workflow``, which it starts.

    Its input is the context of the node, or has the keys of ``context``, each from a path of that
    context or with a constant. ``outputs`` are the keys of its final context that are kept; None
    for all. ``queue`` is that of its tasks that name none; None for that of its workflow.
    ``time_limit`` is in the form of rows, ``tags`` are pairs.
    """

    kind: ClassVar[Literal["child", "loop"]] = "child"

    workflow: str
    context: tuple[tuple[str, tuple[str, ...] | Constant], ...] | None = None
    outputs: tuple[str, ...] | None = None
    priority: int | None = None
    time_limit: int | None = None
    tags: tuple[tuple[str, str], ...] = ()
    queue: str | None = None


@dataclass(frozen=True, slots=True)
class Loop(Child):
    """Waits for one run of ``workflow`` after the other, at most ``max_iterations``, until the
    final context of a run satisfies ``until``. The input of each run but the first is the final
    context of the run before, laid over the input of the first.
    """

    kind: ClassVar[Literal["child", "loop"]] = "loop"

    until: Rule = field(default_factory=Always)
    max_iterations: int = 1


NodeWait: TypeAlias = Sleep | WaitFor | Approval | Child
"""The wait of a node without a body."""
