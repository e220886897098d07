"""The open waits of a run, as far as its life depends on them. A feature keeps the waits and ends
them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from cloaca_core.run.restore import Resume


class Waiting(Protocol):
    """The open waits of one run. ``seen`` is the number of its messages that were read."""

    seen: int

    @property
    def has_news(self) -> bool:
        """Whether messages were sent that are not read yet."""

    @property
    def has_runs(self) -> bool:
        """Whether any wait is for the end of a run."""

    def is_ending(self) -> bool:
        """Whether the end of a wait is being written."""

    def resting(self) -> set[int]:
        """The tasks that continue only when one of their waits ends."""

    def without_body(self) -> set[int]:
        """The tasks that wait and have no body in this process, also tasks whose wait is still
        being written.
        """

    def attended(self) -> Counter[int]:
        """For each task whose body is in this process: the number of waits that the body is in."""

    def suspended_before(self, resumes: Mapping[int, Resume]) -> None:
        """The bodies of these items had left in waits under an earlier owner. If one of its waits
        is open, the end of that begins an item.
        """

    def next_due(self) -> int | None:
        """The instant at which the first wait ends by time; None if no wait ends by time."""

    def newest_for_event(self) -> int | None:
        """The instant at which the newest wait for an event was opened; None without such a
        wait.
        """
