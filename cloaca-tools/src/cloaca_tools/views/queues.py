"""The queues of a database, the runs that wait in each, and the runners that serve it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from cloaca_core.store.runner_rows import claims_from, queues_in
from cloaca_core.values.payloads.json_forms import Shown
from cloaca_core.values.times.rfc3339 import rfc3339_or_none

if TYPE_CHECKING:
    from cloaca_core.assembly.onlooker import Looks
    from cloaca_core.features.explain.facts import RunnerState
    from cloaca_core.features.queues.records import QueueLoad
    from cloaca_core.values.times.instants import Instant

COUNTED: Final = 10_000
"""How many runs of each workflow are counted that wait in a queue."""


@dataclass(frozen=True, slots=True)
class QueueLine(Shown):
    """A queue. ``waiting`` counts the runs that may be claimed from it, up to 10,000 of each
    workflow, ``running`` those that runners have claimed from it; ``oldest`` is since when the
    first of those that wait may be claimed. ``runners`` are the living ones that serve it.
    """

    name: str
    waiting: int
    running: int
    oldest: str | None
    runners: tuple[str, ...]

    @property
    def is_unserved(self) -> bool:
        """Whether runs wait in it and no living runner serves it."""
        return bool(self.waiting) and not self.runners


class QueueFacts(NamedTuple):
    """Rows of queues, and the runners."""

    loads: Sequence[QueueLoad]
    runners: Sequence[RunnerState]
    now: Instant


async def read(engine: Looks) -> QueueFacts:
    """The queues as seen now; runs on the engine's loop."""
    store = engine.store
    return QueueFacts(
        await store.queue_loads(COUNTED),
        await engine.explainer.runners(),
        await store.now(),
    )


def queue_lines(facts: QueueFacts) -> tuple[QueueLine, ...]:
    """The queues that have runs, or that a living runner names; by name."""
    living = [each.load.row for each in facts.runners if not each.is_gone(facts.now)]
    loads = {each.name: each for each in facts.loads}
    named = {name for row in living for name in queues_in(row.queues) or ()}
    lines = []
    for name in sorted({*loads, *named}):
        load = loads.get(name)
        lines.append(
            QueueLine(
                name=name,
                waiting=load.waiting if load else 0,
                running=load.running if load else 0,
                oldest=rfc3339_or_none(load.oldest if load else None),
                runners=tuple([row.id for row in living if claims_from(row, name)]),
            )
        )
    return tuple(lines)
