"""What others may have changed in a database, as precisely as whoever noticed it can say.

Each kind has its own questions to the tables, and an idle runner asks few. Says nothing of which
rows they are: who is told of a change looks for itself.
"""

from __future__ import annotations

from enum import Enum


class Change(Enum):
    """What is worth a look."""

    RUNS = "runs"
    """Some may be claimable or have ended. Runners and schedules are as they were."""
    ANYTHING = "anything"
