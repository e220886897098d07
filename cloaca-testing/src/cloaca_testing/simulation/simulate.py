"""``simulate``: many stories of a workflow under faults, each from its seed."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cloaca_core.config import DefaultRunnerConfig
from cloaca_core.definition.registry import Registry, default_registry
from cloaca_core.errors import ConfigError
from cloaca_testing.simulation.plan import Acts, Event, Faults, plan
from cloaca_testing.virtual_loop import StandstillError

if TYPE_CHECKING:
    from cloaca_core.definition.builder import WorkflowBuilder
    from cloaca_core.definition.context import ContextLike
    from cloaca_testing.options import SubmitOptions

LAST_LINES: Final = 200
"""Lines of a story that an error shows."""
TRIES: Final = 200
"""Stories that are told at most to make a failing one smaller."""


class SimulationError(AssertionError):
    """A promise was broken in a story. ``seed`` tells it again, ``story`` has its lines, ``reason``
    the promise, and ``events`` the faults and calls that are left of its plan.
    """

    def __init__(
        self, seed: int, reason: str, story: Sequence[str], events: Sequence[Event], again: str
    ) -> None:
        self.seed: int = seed
        self.reason: str = reason
        self.story: tuple[str, ...] = tuple(story)
        self.events: tuple[Event, ...] = tuple(events)
        left_out = len(story) - LAST_LINES
        shown = [f"  … {left_out} lines before"] if left_out > 0 else []
        shown += [f"  {line}" for line in story[-LAST_LINES:]]
        super().__init__(
            "\n".join([f"seed {seed}: {reason}", f"again: {again}", "the story:", *shown])
        )


@dataclass(frozen=True, slots=True)
class SimulationReport:
    """The answer of ``simulate`` where nothing was broken: how many stories were told, the faults,
    runs and bodies in them, and the seconds of CPU that it took.
    """

    seeds: int
    faults: int
    runs: int
    bodies: int
    cpu_seconds: float

    def __str__(self) -> str:
        per_minute = self.seeds / self.cpu_seconds * 60 if self.cpu_seconds else 0.0
        return (
            f"{self.seeds} seeds, {self.runs} runs, {self.bodies} bodies, {self.faults} faults: "
            f"nothing was broken; {per_minute:,.0f} seeds in a minute of CPU"
        )


class Story:
    """One story and how it ended. ``reason`` is None if nothing was broken."""

    def __init__(self, lines: list[str], reason: str | None, runs: int, bodies: int) -> None:
        self.lines = lines
        self.reason = reason
        self.runs = runs
        self.bodies = bodies


def simulate(
    workflow: str | WorkflowBuilder,
    *,
    seeds: Iterable[int] = range(100),
    runners: int = 2,
    faults: Faults | None = None,
    context: ContextLike | Callable[[int], ContextLike] = None,
    send: Mapping[str, Any] | None = None,
    options: SubmitOptions | Callable[[int], SubmitOptions] | None = None,
    runs: int = 4,
    steer: bool = True,
    registry: Registry | None = None,
    config: DefaultRunnerConfig | None = None,
    shrink: bool = True,
) -> SimulationReport:
    """Run a workflow in many stories: several runners on one database, on virtual time, while they
    are killed, stand still, lose answers and have wrong clocks, and callers submit, send, cancel,
    pause and retry. Each story follows from its seed. Raises ``SimulationError``, with the shortest
    story that was found, where a promise is broken: what was acknowledged exists, a recorded result
    never changes, a key has one input, no body begins twice in one epoch or after its result was
    recorded, and all runs end once the faults stop. Bodies run for real. An error that a body
    raises, an ``AssertionError`` too, fails its run and breaks no promise.

    * ``workflow``: its name, or its builder
    * ``seeds``: one story each; ``seeds=[17]`` tells story 17 again
    * ``runners``: how many at once
    * ``faults``: how many of each kind at most; ``Faults()``
    * ``context``: the input of each run, or a function that makes it of the run's number
    * ``options``: those of ``submit`` for each run, or a function that makes them of its number
    * ``send``: the events that a run waits for, with their payloads
    * ``runs``: submissions a story; ``steer``: whether runs are cancelled, paused and retried
    * ``registry``: where the workflow is; the program's own
    * ``config``: the settings of all runners; ``DefaultRunnerConfig()``
    * ``shrink``: whether faults and calls are left out of a failing story while it still fails
    """
    name = workflow if isinstance(workflow, str) else workflow._name
    found = default_registry() if registry is None else registry
    found.find(name)
    if runners < 1:
        raise ConfigError(f"runners must be at least 1, got {runners}", field="runners")
    teller = _Teller(
        name,
        found,
        DefaultRunnerConfig() if config is None else copy.copy(config),
        runners,
        Faults() if faults is None else faults,
        Acts(runs=runs, sends=dict(send or {}), steer=3 if steer else 0),
        context,
        options,
    )
    begun = time.process_time()
    count = faulty = runs_of_all = bodies = 0
    for seed in seeds:
        events = teller.plan(seed)
        story = teller.tell(seed, events)
        if story.reason is not None:
            raise _error(teller, seed, events, story, shrink=shrink)
        count += 1
        faulty += sum(each.what in FAULTS for each in events)
        runs_of_all += story.runs
        bodies += story.bodies
    return SimulationReport(count, faulty, runs_of_all, bodies, time.process_time() - begun)


FAULTS: Final = ("crash", "pause", "answer lost", "request lost", "clock")


class _Teller:
    """Tells stories of one workflow."""

    def __init__(
        self,
        name: str,
        registry: Registry,
        config: DefaultRunnerConfig,
        runners: int,
        faults: Faults,
        acts: Acts,
        context: ContextLike | Callable[[int], ContextLike],
        options: SubmitOptions | Callable[[int], SubmitOptions] | None,
    ) -> None:
        config.shutdown_grace_seconds = 0
        self.name = name
        self._registry = registry
        self._config = config
        self._runners = runners
        self._faults = faults
        self._acts = acts
        self._context = context
        self._options = options

    def plan(self, seed: int) -> tuple[Event, ...]:
        """The events of a seed."""
        return plan(seed, self._runners, self._faults, self._acts)

    def tell(self, seed: int, events: Sequence[Event]) -> Story:
        """Tell a story to its end, or to the promise that is broken."""
        # they load the engine, which a test session may not need
        from cloaca_testing.simulation.chance import one_chance
        from cloaca_testing.simulation.world import World

        with _silence(), one_chance(seed):
            world = World(
                seed, events, self._registry, copy.copy(self._config), self._runners,
                self._faults, self._acts, self._start, self.name,
            )  # fmt: skip
            reason = None
            try:
                world.run()
            except (AssertionError, StandstillError) as error:
                reason = str(error)
                world.story.tell("all", reason)
            finally:
                world.close()
            runs = len(world.checks.said)
            return Story(list(map(str, world.story.lines)), reason, runs, world.stand_ins.begun)

    def _start(self, run: int) -> tuple[ContextLike, SubmitOptions]:
        context, options = self._context, self._options
        given = context(run) if callable(context) else context
        chosen = options(run) if callable(options) else options
        return given, {} if chosen is None else chosen


@contextmanager
def _silence() -> Iterator[None]:
    """Within, the engine logs nothing: what it did is in the story."""
    log = logging.getLogger("cloaca")
    before, log.disabled = log.disabled, True
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        log.disabled = before
        logging.disable(level)


def _error(
    teller: _Teller, seed: int, events: Sequence[Event], story: Story, *, shrink: bool
) -> SimulationError:
    if shrink:
        events, story = _shrunk(teller, seed, list(events), story)
    assert story.reason is not None
    again = f"simulate({teller.name!r}, seeds=[{seed}], …) with the same arguments"
    return SimulationError(seed, story.reason, story.lines, events, again)


def _shrunk(
    teller: _Teller, seed: int, events: list[Event], story: Story
) -> tuple[list[Event], Story]:
    """Leave out what is not needed: halves first, single events last."""
    size, tries = max(1, len(events) // 2), 0
    while size and tries < TRIES:
        at = 0
        while at < len(events) and tries < TRIES:
            fewer = events[:at] + events[at + size :]
            tries += 1
            told = teller.tell(seed, fewer)
            if told.reason is not None:
                events, story = fewer, told
            else:
                at += size
        size //= 2
    return events, story
