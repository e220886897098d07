"""Runs that a body submits through its handle: with which options, and who submits them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from cloaca_core.definition.inputs import ContextLike
from cloaca_core.values.durations import Duration
from cloaca_core.values.no_limit import NoLimit
from cloaca_core.values.option_names import FailedPolicyName


@dataclass(frozen=True, slots=True)
class ChildOptions:
    """The options of a submission, as the body gives them; they are checked with it."""

    tags: Mapping[str, str] | None
    time_limit: Duration | NoLimit | None
    priority: int | None
    run_at: datetime | str | None
    delay: Duration | None
    start_by: datetime | str | Duration | None
    detached: bool
    idempotency_key: str | None = None
    failed_policy: FailedPolicyName = "keep"
    send: tuple[str, object] | None = None
    by: str | None = None


class ChildMaker(Protocol):
    """Submits runs for one attempt. The answers are handles of runs, which this part of the program
    does not know.
    """

    def submit(self, workflow_name: str, context: ContextLike, options: ChildOptions) -> Any:
        """The handle of a new run; on a thread that may block."""

    async def submit_async(
        self, workflow_name: str, context: ContextLike, options: ChildOptions
    ) -> Any:
        """As ``submit``, on a loop."""

    def submit_many(
        self, workflow_name: str, contexts: Iterable[ContextLike], options: ChildOptions
    ) -> Any:
        """The handles of new runs; on a thread that may block."""

    async def submit_many_async(
        self, workflow_name: str, contexts: Iterable[ContextLike], options: ChildOptions
    ) -> Any:
        """As ``submit_many``, on a loop."""
