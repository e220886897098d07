"""What happens in a story from outside: faults and calls, chosen by a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple, TypeAlias

FaultName: TypeAlias = Literal["crash", "pause", "answer lost", "request lost", "clock"]
ActName: TypeAlias = Literal["submit", "send", "cancel", "pause run", "resume", "retry"]


@dataclass(frozen=True, slots=True)
class Faults:
    """How many faults of each kind a story has at most, and for how long they come.

    * ``crashes``: a runner is killed, and another one starts in its place some time later
    * ``pauses``: a runner is not scheduled, for up to ``longest_pause`` seconds
    * ``lost_answers``: a write of a runner fails; half of them have landed
    * ``skew``: the clock of a machine is up to so many seconds wrong
    * ``clock_steps``: the clock of a machine is set, by up to ``skew`` seconds
    * ``seconds``: no fault comes later
    """

    crashes: int = 2
    pauses: int = 2
    longest_pause: float = 40.0
    lost_answers: int = 4
    skew: float = 30.0
    clock_steps: int = 1
    seconds: float = 60.0


NO_FAULTS: Final = Faults(crashes=0, pauses=0, lost_answers=0, skew=0.0, clock_steps=0)


class Event(NamedTuple):
    """Something that is planned for an instant, in seconds from the beginning.

    ``what`` is a fault or an act, ``who`` the runner or caller. ``run`` is the number of the
    submission that an act is about; ``value`` is a length in seconds, the name of an event, or of
    the operation whose answer is lost (None: of the next write).
    """

    at: float
    what: FaultName | ActName
    who: int
    run: int = 0
    value: Any = None


class Acts(NamedTuple):
    """What the callers of a story do. ``runs`` are submitted by ``callers``, each with a chance of
    one in two with a key that another has, too; ``sends`` are the events that the runs wait for.
    ``steer`` is how many cancels, pauses and retries come at most.
    """

    runs: int = 4
    callers: int = 2
    sends: Mapping[str, Any] = MappingProxyType({})
    steer: int = 3


def plan(seed: int, runners: int, faults: Faults, acts: Acts) -> tuple[Event, ...]:
    """The events of a seed, in their order. The same seed gives the same ones."""
    chance = random.Random(f"plan {seed}")  # noqa: S311 - no secret
    events = [*_faults(chance, runners, faults), *_acts(chance, faults, acts)]
    return tuple(sorted(events, key=lambda each: each.at))


def _faults(chance: random.Random, runners: int, faults: Faults) -> Iterator[Event]:
    def some(most: int) -> range:
        return range(chance.randint(0, most))

    def when() -> float:
        return chance.uniform(0.0, faults.seconds)

    def who() -> int:
        return chance.randrange(runners)

    for _ in some(faults.crashes):
        yield Event(when(), "crash", who(), value=chance.uniform(0.0, faults.longest_pause))
    for _ in some(faults.pauses):
        yield Event(when(), "pause", who(), value=chance.uniform(1.0, faults.longest_pause))
    for _ in some(faults.lost_answers):
        what: FaultName = chance.choice(("answer lost", "request lost"))
        yield Event(when(), what, who(), value=chance.choice(("commit", None)))
    for _ in some(faults.clock_steps):
        yield Event(when(), "clock", who(), value=chance.uniform(-faults.skew, faults.skew))


def _acts(chance: random.Random, faults: Faults, acts: Acts) -> Iterator[Event]:
    last = faults.seconds / 2
    submitted = [chance.uniform(0.0, last) for _ in range(acts.runs)]
    for run, at in enumerate(submitted):
        yield Event(at, "submit", chance.randrange(acts.callers), run)
        for event in acts.sends:
            later = chance.uniform(at, faults.seconds)
            yield Event(later, "send", chance.randrange(acts.callers), run, event)
    steering: Sequence[ActName] = ("cancel", "pause run", "resume", "retry")
    for _ in range(chance.randint(0, acts.steer) if submitted else 0):
        run = chance.randrange(len(submitted))
        at = chance.uniform(submitted[run], faults.seconds)
        yield Event(at, chance.choice(steering), chance.randrange(acts.callers), run)
