"""``Submission``: a run to be submitted, with its options as the caller gave them.

Clients and the handles of bodies make the same value. It is checked where it is submitted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, TypedDict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from cloaca_core.definition.context import ContextLike
    from cloaca_core.values.option_names import FailedPolicyName, SingletonPolicyName
    from cloaca_core.values.times.durations import Duration
    from cloaca_core.values.times.no_limit import NoLimit


class StartOptions(NamedTuple):
    """When a run starts and before which others, in which queue, and whether it is on its own."""

    priority: int | None = None
    run_at: datetime | str | None = None
    delay: Duration | None = None
    start_by: datetime | str | Duration | None = None
    detached: bool = False
    queue: str | None = None


class StartNames(TypedDict, total=False):
    """The same as keyword arguments."""

    priority: int | None
    run_at: datetime | str | None
    delay: Duration | None
    start_by: datetime | str | Duration | None
    detached: bool
    queue: str | None


NO_OPTIONS: Final = StartOptions()


class Submission(NamedTuple):
    """One run. ``send`` is a first message to it, ``by`` names the person who submits it.
    At most one run of its workflow with the ``singleton`` key is under way.
    """

    workflow_name: str
    context: ContextLike = None
    idempotency_key: str | None = None
    failed_policy: FailedPolicyName = "keep"
    tags: Mapping[str, str] | None = None
    time_limit: Duration | NoLimit | None = None
    start: StartOptions = NO_OPTIONS
    send: tuple[str, object] | None = None
    by: str | None = None
    singleton: str | None = None
    singleton_policy: SingletonPolicyName = "existing"


class Submissions(NamedTuple):
    """A run for each context; each run has the options."""

    workflow_name: str
    contexts: Iterable[ContextLike]
    tags: Mapping[str, str] | None = None
    time_limit: Duration | NoLimit | None = None
    start: StartOptions = NO_OPTIONS
