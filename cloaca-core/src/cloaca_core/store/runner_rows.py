"""The rows of runners; forms as in ``run.rows``."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from cloaca_core.values.payloads.json_values import decode, encode

PROTOCOL: Final = 4
"""Runners of protocol 3 would run tasks of all queues, those of protocol 2 know no items of maps
either. Runners of protocol 1, which named no protocol, did not know of runs that are paused, wait
for their time, or are being cancelled. The database registers none of them.
"""


KEPT_LOST: Final = 24 * 3600 * 1_000_000
"""Microseconds for which a lost runner is kept."""


class RunnerRow(NamedTuple):
    """A runner that may own runs.

    ``boot_id``, ``pid_namespace``, ``pid`` and ``process_start`` identify its process (see
    ``engine/recover/process_identity.py``). ``lease_until`` is on the store's own lease clock.
    ``protocol`` says which statuses of runs the runner knows: see ``PROTOCOL``. ``draining_since``
    is the instant at which a person asked the runner to shut down, or None. ``idle_since`` is the
    instant since when the runner owns no run, by its own clock, None while it may own some.
    ``sharing`` is the text of a ``Sharing``, None for an empty one. ``host`` comes from its
    ``RunnerName``, where that was read. ``queues`` is a JSON list of the queues that it
    serves, None for all.
    """

    id: str
    boot_id: str
    pid_namespace: str
    pid: int
    process_start: int
    beat: int
    lease_until: int
    fenced: bool
    started_at: int
    protocol: int = PROTOCOL
    draining_since: int | None = None
    idle_since: int | None = None
    sharing: str | None = None
    host: str | None = None
    queues: str | None = None


@lru_cache(maxsize=64)  # the runners of a database have few different ones
def queues_in(text: str | None) -> Sequence[str] | None:
    """The queues that a runner serves, as its row has them; None for all."""
    if text is None:
        return None
    found = decode(text)
    return (
        tuple(name for name in found if isinstance(name, str)) if isinstance(found, list) else None
    )


def serves(runner: RunnerRow, queue: str) -> bool:
    """Whether a runner serves a queue."""
    queues = queues_in(runner.queues)
    return queues is None or queue in queues


def claims_from(runner: RunnerRow, queue: str) -> bool:
    """Whether a living runner claims runs of a queue: a runner that was asked to leave does not."""
    return runner.draining_since is None and serves(runner, queue)


class Fleet(NamedTuple):
    """The runners of a database as one read found them, perhaps in an earlier version's tables.
    ``clock`` is the present time by the clock of their leases; with ``ends_with_boot`` that clock
    restarts with each boot.
    """

    runners: Sequence[RunnerRow]
    clock: int
    ends_with_boot: bool

    def lease_clock(self) -> int:
        """See ``LeaseTime``."""
        return self.clock

    @property
    def lease_ends_with_boot(self) -> bool:
        """See ``LeaseTime``."""
        return self.ends_with_boot


class RunnerName(NamedTuple):
    """The identity of a runner, for the attempts that it has run: they have its ``number``.
    ``process`` is its pid on ``host``. The name stays after the runner is gone, for as long as it
    is needed.
    """

    number: int
    id: str
    host: str
    process: int


class Sharing(NamedTuple):
    """The load that a runner reports with its beats, to other runners and to people.

    ``asked`` is the number of its request for runs of the workflows that it ``serves``, 0 without
    one. The request holds while the runner has free slots and finds nothing to claim. ``backlog``
    counts its runs that wait for a slot while another runner requests such runs.

    ``busy`` of its ``slots`` for bodies are taken, of the kinds of slots that are in use;
    ``told_at`` is the instant of the beat by its own clock. An earlier version reports 0 for all
    three.
    """

    asked: int = 0
    serves: tuple[str, ...] = ()
    backlog: int = 0
    slots: int = 0
    busy: int = 0
    told_at: int = 0

    @classmethod
    def of(cls, text: str | None) -> "Sharing":
        """Read it from its text. Empty if there is no text, or one that this version does not
        understand.
        """
        try:
            match None if text is None else decode(text):
                case {"asked": int(asked), "serves": list(serves), "backlog": int(backlog), **rest}:
                    counts = (rest.get(name, 0) for name in cls._fields[3:])
                    numbers = [each if isinstance(each, int) else 0 for each in counts]
                    return cls(asked, tuple(map(str, serves)), backlog, *numbers)
                case _:
                    pass
        except ValueError:
            pass
        return cls()

    def text(self) -> str | None:
        """Its text; None if it is empty."""
        if self == Sharing():
            return None
        return encode({**self._asdict(), "serves": list(self.serves)})


class LostRunner(NamedTuple):
    """A runner that was declared dead at ``lost_at``. Other runners took ``taken_over`` of its runs
    over, of which ``begun_again`` had a body that ran, and ``cancelled`` further runs, which were
    being cancelled, have ended. The rest is as it was in its ``RunnerRow``.
    """

    id: str
    started_at: int
    pid: int
    host: str | None
    queues: str | None
    sharing: str | None
    lost_at: int
    taken_over: int
    begun_again: int
    cancelled: int
