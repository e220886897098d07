"""The names of queues."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

from cloaca_core.errors import DefinitionError
from cloaca_core.values.arguments import text

ServedQueues: TypeAlias = Sequence[str] | Mapping[str, int | None]
"""The queues that a runner serves, perhaps with the number of runs that each may have there."""
DEFAULT_QUEUE: Final = "default"
"""The queue of a run for which none is named: the default of its column."""
USUAL_QUEUES: Final = (DEFAULT_QUEUE,)
"""The queue that every workflow has, without a note of it."""
LONGEST: Final = 100
"""Characters of a name, at most."""
ACCEPTED: Final = (
    f"1 to {LONGEST} printable characters without a comma, an = or a space at either end"
)


class PlannedQueue(NamedTuple):
    """The queue in which a run begins again: its ``own`` queue. Without it, the run begins in the
    queue that its submission asked for, else in the ``usual`` queue; None if that is not known.
    """

    own: str | None
    usual: str | None


def is_queue_name(name: str) -> bool:
    """Whether a queue can have this name; lists of names are written with , and =."""
    return (
        1 <= len(name) <= LONGEST
        and name.isprintable()
        and name == name.strip()
        and not {",", "="}.intersection(name)
    )


def checked_queue(parameter: str, name: object) -> str:
    """The name of a queue, as it was given for a parameter."""
    if not is_queue_name(found := text(parameter, name)):
        raise DefinitionError(f"{parameter} must be {ACCEPTED}, got {found!a:.120}")
    return found


def most_asked(queues: Sequence[str]) -> str:
    """Return the queue that occurs most often; of equally frequent queues, the first."""
    return max(dict.fromkeys(queues), key=queues.count)
