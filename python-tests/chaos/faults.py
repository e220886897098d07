"""The faults that a world may meet: each does harm, waits, and undoes the harm.

A fault is a generator: what comes before its ``yield`` does the harm, the number is the seconds
that it lasts, and what comes after undoes it. Several are under way at once.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from chaos.world import World

Course = Callable[["World"], Iterator[float]]


class Fault(NamedTuple):
    """A kind of fault; ``backend`` None means both."""

    name: str
    course: Course
    weight: int
    backend: str | None = None


def _killed(world: World) -> Iterator[float]:
    """A member dies; its successor starts once the world has noticed, as under a supervisor."""
    member = world.some_member()
    world.disturb(member)
    member.worker.signal(signal.SIGKILL)
    yield 0


def _ended(world: World) -> Iterator[float]:
    """A deploy: a member closes, with a time of grace, and another comes."""
    member = world.some_member()
    world.disturb(member)
    member.worker.signal(signal.SIGTERM)
    yield 0


def _stopped(world: World) -> Iterator[float]:
    """A member stands still at any place, also in a transaction, and then continues."""
    member = world.some_member()
    if member.is_short:
        world.disturb(member)
    member.worker.signal(signal.SIGSTOP)
    yield world.chance.uniform(0.2, 3.0)
    member.worker.signal(signal.SIGCONT)


def _clocks_moved(world: World) -> Iterator[float]:
    """The clock of the machine is set, for all of its processes, and stays so for a while."""
    world.move_clock(world.chance.choice([-8, -2, 2, 8]))
    yield world.chance.uniform(0.5, 3.0)
    world.move_clock(0)


def _disk_full(world: World) -> Iterator[float]:
    """No file of one member may grow."""
    member = world.some_member()
    world.disturb(member)
    member.tell("limit", 4096)
    yield world.chance.uniform(0.2, 1.5)
    member.tell("limit", "none")


def _hogged(world: World) -> Iterator[float]:
    """Another program holds the file's only place to write."""
    with world.hog():
        yield world.chance.uniform(0.2, 2.0)


def _power_cut(world: World) -> Iterator[float]:
    """File and log as a power cut would leave them; opened and judged at once."""
    world.cut_power()
    yield 0


def _connections_cut(world: World) -> Iterator[float]:
    """All connections to the server break, and may be made again."""
    world.proxy.cut()
    yield 0


def _connections_silent(world: World) -> Iterator[float]:
    """Connections stay open, and nothing passes."""
    world.proxy.freeze()
    yield world.chance.uniform(0.2, 2.5)
    world.proxy.thaw()


def _server_restarted(world: World) -> Iterator[float]:
    """The server crashes and is away for a while."""
    if world.is_away:
        return
    world.is_away = True
    world.server.go_down()
    yield world.chance.uniform(0, 3.0)
    world.server.come_back()
    world.is_away = False


FAULTS: Final = (
    Fault("a process is killed", _killed, 8),
    Fault("a process is told to end", _ended, 2),
    Fault("a process stands still", _stopped, 5),
    Fault("the clock is set", _clocks_moved, 2),
    Fault("the disk of a process is full", _disk_full, 2, "sqlite"),
    Fault("another program holds the file", _hogged, 2, "sqlite"),
    Fault("the power is cut", _power_cut, 1, "sqlite"),
    Fault("all connections break", _connections_cut, 2, "postgres"),
    Fault("the server is silent", _connections_silent, 2, "postgres"),
    Fault("the server crashes and starts again", _server_restarted, 1, "postgres"),
)
POINTED: Final = "a process is killed at a point of the engine"
"""The fault with which some members are born; it strikes when they come there."""
