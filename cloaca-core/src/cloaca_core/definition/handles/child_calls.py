"""``ChildMaker``: submits runs for a body, through its handle."""

from __future__ import annotations

from typing import Any, Protocol

from cloaca_core.definition.submission import Submission, Submissions


class ChildMaker(Protocol):
    """Submits runs for one attempt. The answers are handles of runs, which this part of the program
    does not know.
    """

    def submit(self, asked: Submission) -> Any:
        """The handle of a new run; on a thread that may block."""

    async def submit_async(self, asked: Submission) -> Any:
        """As ``submit``, on a loop."""

    def submit_many(self, asked: Submissions) -> Any:
        """The handles of new runs; on a thread that may block."""

    async def submit_many_async(self, asked: Submissions) -> Any:
        """As ``submit_many``, on a loop."""
