"""Waits of bodies as they are called: for what, and for how long. Checks their arguments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from cloaca_core.definition.handles.steps import StepRunner
from cloaca_core.definition.submission import Submission, Submissions
from cloaca_core.definition.waits.options import read_timeout, read_until, short_text
from cloaca_core.errors import DefinitionError
from cloaca_core.values.arguments import shown_number, wrong_type
from cloaca_core.values.missing import MISSING, Missing
from cloaca_core.values.times.durations import LONGEST, Duration, read_seconds
from cloaca_core.values.times.instants import Instant
from cloaca_core.values.waits import APPROVAL, EVENT, SLEEP

if TYPE_CHECKING:
    from cloaca_core.definition.context import Context
    from cloaca_core.definition.handles.child_calls import BegunChild, ChildCall


class ChildMaker(Protocol):
    """Submits runs for one attempt. The answers of ``submit`` are handles of runs, which this part
    of the program does not know.
    """

    def submit(self, asked: Submission) -> Any:
        """The handle of a new run; on a thread that may block."""

    async def submit_async(self, asked: Submission) -> Any:
        """As ``submit``, on a loop."""

    def submit_many(self, asked: Submissions) -> Any:
        """The handles of new runs; on a thread that may block."""

    def results(self, task: str) -> Any:
        """The items of a map of this run, for ``for`` and for ``async for``."""

    async def submit_many_async(self, asked: Submissions) -> Any:
        """As ``submit_many``, on a loop."""

    def start_workflow(self, asked: ChildCall) -> BegunChild:
        """Start a child run, or find it; on a thread that may block."""

    async def start_workflow_async(self, asked: ChildCall) -> BegunChild:
        """As ``start_workflow``, on a loop."""

    def child_result(self, child: BegunChild, seconds: float | None) -> Context:
        """The final context of a child run, once it has ended; on a thread that may block."""

    async def child_result_async(self, child: BegunChild, seconds: float | None) -> Context:
        """As ``child_result``, on a loop."""


@dataclass(frozen=True, slots=True)
class WaitCall:
    """A wait whose arguments were checked. ``default`` is the value after a time-out, for an
    approval the choice; without a default a time-out is an error. ``detail`` is as in ``WaitRow``.
    """

    kind: str
    name: str
    seconds: float | None
    until: Instant | None = None
    default: Any = MISSING
    detail: str = "{}"


class WaitMaker(Protocol):
    """Makes the waits of one attempt."""

    def wait(self, call: WaitCall) -> object:
        """The value of the wait; on a thread that may block."""

    async def wait_async(self, call: WaitCall) -> object:
        """The value of the wait; on a loop."""

    def defer(self, condition: Callable[[], object], seconds: float) -> None:
        """Return once the condition is true. It is called again every ``seconds``."""

    async def defer_async(self, condition: Callable[[], object], seconds: float) -> None:
        """As ``defer``, on a loop."""


class BodyCalls(StepRunner, WaitMaker, ChildMaker, Protocol):
    """Makes the steps, the waits and the children of one attempt."""


def sleep_call(seconds: Duration) -> WaitCall:
    """A wait for this number of seconds."""
    return WaitCall(SLEEP, "", read_seconds("seconds", seconds))


def sleep_until_call(instant: object) -> WaitCall:
    """A wait up to an instant."""
    return WaitCall(SLEEP, "", None, read_until("instant", instant))


def event_call(event: object, timeout: Duration | None, default: Any) -> WaitCall:
    """A wait for an event."""
    seconds = read_timeout(timeout, default)
    return WaitCall(EVENT, short_text("event", event), seconds, None, default)


def approval_call(
    name: object,
    prompt: str,
    choices: Sequence[str],
    schema: type | None,
    timeout: Duration | None,
    default: str | Missing,
) -> WaitCall:
    """A wait for a person's decision."""
    from cloaca_core.definition.waits.approvals import detail_of, read_approval  # few bodies ask

    asked = read_approval(prompt, choices, schema, timeout, default)
    return WaitCall(
        APPROVAL,
        short_text("name", name),
        asked.timeout,
        default=asked.default,
        detail=detail_of(asked),
    )


_LONGEST_MS: Final = LONGEST * 1000


def poll_seconds(condition: object, poll_interval_ms: object) -> float:
    """The seconds between two questions to a condition."""
    if not callable(condition):
        raise wrong_type("condition", "a function without arguments", condition)
    if not isinstance(poll_interval_ms, int | float) or isinstance(poll_interval_ms, bool):
        raise wrong_type("poll_interval_ms", "a number of milliseconds", poll_interval_ms)
    if not 1 <= poll_interval_ms <= _LONGEST_MS:
        raise DefinitionError(
            f"poll_interval_ms must be 1 to {_LONGEST_MS:.0f}, got {shown_number(poll_interval_ms)}"
        )
    return poll_interval_ms / 1000
