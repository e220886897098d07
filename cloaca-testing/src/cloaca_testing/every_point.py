"""Kills the engine at every point that a run comes to, and tells which bodies run twice then."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack

from cloaca_testing.kit import Harness
from cloaca_testing.options import EvictName, SubmitOptions

if TYPE_CHECKING:
    from datetime import datetime

    from cloaca_core.config import DefaultRunnerConfig
    from cloaca_core.definition.context import ContextLike
    from cloaca_core.definition.registry import Registry
    from cloaca_testing.runs import HarnessRun


@dataclass(frozen=True, slots=True)
class Crash:
    """One crash: the engine was killed at the ``nth`` time that it came to ``point``. ``twice`` are
    the tasks whose body was called more often than without the crash; ``status`` and ``context``
    are those of the run in the end.
    """

    point: str
    nth: int
    twice: tuple[str, ...]
    status: str
    context: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CrashReport:
    """The answer of ``crash_at_every_point``; ``print`` shows a line for each crash.

    ``status`` and ``context`` come from a run without a crash.
    """

    status: str
    context: Mapping[str, Any]
    crashes: tuple[Crash, ...]

    @property
    def twice(self) -> tuple[str, ...]:
        """The tasks whose body is called twice after some crash: all that such a body does to the
        world has to bear it.
        """
        return tuple(dict.fromkeys(task for crash in self.crashes for task in crash.twice))

    @property
    def different(self) -> tuple[Crash, ...]:
        """The crashes after which the run ended in another way."""
        return tuple(
            crash
            for crash in self.crashes
            if (crash.status, crash.context) != (self.status, self.context)
        )

    def __str__(self) -> str:
        width = max((len(crash.point) for crash in self.crashes), default=0)
        different = self.different
        lines = []
        for crash in self.crashes:
            twice = f"twice: {', '.join(crash.twice)}" if crash.twice else "nothing twice"
            end = f"; ended as {crash.status} with {dict(crash.context)!r}"
            lines.append(
                f"{crash.point:{width}} {crash.nth:3}  {twice}{end if crash in different else ''}"
            )
        return "\n".join(lines)


def crash_at_every_point(
    workflow: str,
    context: ContextLike = None,
    *,
    registry: Registry | None = None,
    setup: Callable[[Harness], object] = lambda _: None,
    meanwhile: Callable[[Harness, HarnessRun], object] = lambda *_: None,
    evict: EvictName | None = None,
    now: datetime | str | None = None,
    config: DefaultRunnerConfig | None = None,
    **options: Unpack[SubmitOptions],
) -> CrashReport:
    """Run a workflow again and again, and kill the engine each time at another one of the points
    that a run comes to; the next engine takes over, and time passes until the run has ended.

    Bodies run for real, unless ``setup``, which is called with each new harness, replaces them.
    ``meanwhile`` is called, before time passes, with the harness and the run when that first waits:
    to send it a message, for instance. The ``options`` are those of the run, such as ``send``.
    """

    def run(crash: tuple[str, int] | None) -> tuple[Harness, Any]:
        with Harness(registry, evict=evict, now=now, config=config) as h:
            setup(h)
            h._crashes.watch()
            if crash is not None:
                h.crash_at(crash[0], nth=crash[1])
            found = h.run(workflow, context, **options)
            meanwhile(h, found)
            h._driver.autoskip = True
            h._drive_to_end(found)
            return h, found

    clean, ended = run(None)
    usual = _calls(clean, ended.id)
    crashes = []
    met: Counter[str] = Counter()
    for point in clean._crashes.seen:
        met[point] += 1
        h, after = run((point, met[point]))
        twice = tuple(_calls(h, after.id) - usual)
        crashes.append(Crash(point, met[point], twice, after.status, after.context))
    return CrashReport(ended.status, ended.context, tuple(crashes))


def _calls(h: Harness, run_id: str) -> Counter[str]:
    """How often the body of each task of this run, or of each item of a map, was called."""
    calls: Counter[str] = Counter()
    for (run, name), count in h._stand_ins.by_name.items():
        if run == run_id:
            calls[name] += count
    return calls
