"""The facts about a run and its possible runners, for an explanation. Only data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from cloaca_core.engine.recover.liveness import counts_as_alive

if TYPE_CHECKING:
    from cloaca_core.definition.rules import Rule
    from cloaca_core.engine.execute.usage import Usage
    from cloaca_core.features.explain.records import RecordedRun, RunnerLoad
    from cloaca_core.features.waits.records import WaitRow
    from cloaca_core.run.rows import RunRow
    from cloaca_core.values.times.instants import Instant


class Retries(Protocol):
    """The retry policy of a task, or the record of one."""

    @property
    def max_attempts(self) -> int:
        """How many attempts count at most."""


class TaskShape(Protocol):
    """A task, or the record of one."""

    @property
    def id(self) -> str:
        """Its name in the workflow."""

    @property
    def dependencies(self) -> tuple[str, ...]:
        """The ids of the tasks that it depends on."""

    @property
    def retry(self) -> Retries:
        """Its retry policy."""

    @property
    def rule(self) -> Rule | None:
        """Its trigger rule, None for the default one."""

    @property
    def executor(self) -> str | None:
        """The executor of its body, None for its runner's own process."""

    @property
    def limits(self) -> Sequence[object]:
        """The limits that it uses."""


class AwaitedLimit(NamedTuple):
    """The place of a limit for which a task waits, or some of its items, or the run. ``key`` is
    JSON text, None for the limit as a whole. ``holders`` are the bodies and runs that hold such a
    place, by task and run.
    """

    name: str
    key: str | None
    since: Instant
    waiting: int
    holders: Sequence[tuple[str, str]]


class RunFacts(NamedTuple):
    """Facts about a run alone. ``active_bodies``: the number of its bodies that run in this
    process; None for a run of another runner. ``forked_from``: its source, if it is a fork.
    ``follows``: the run whose end it follows, if any. ``waits`` are its open waits; it was read at
    ``now``.
    """

    row: RunRow
    active_bodies: int | None
    forked_from: str | None
    follows: str | None = None
    waits: Sequence[WaitRow] = ()
    now: Instant = 0


@dataclass(frozen=True, slots=True)
class Here:
    """The runner of this process. It claims nothing if it was stopped, or opened with
    ``start=False``.

    ``most`` is its ``max_active_runs``, ``free`` the number of free places; ``full`` is the number
    of runs that it may have of the run's queue, if it has as many. ``version`` is the
    registered version of the run's workflow and ``tasks`` are its tasks, if it is registered here;
    otherwise ``near`` is a workflow with almost the same name. ``refuses`` is true for the version
    policy "fail", ``recovers`` for ``enable_recovery``. ``lacks`` are the executors that these
    tasks name and that this runner was not given. For a version other than the run's, ``is_older``
    says that it was known when the run was submitted, ``has_same_tasks`` that the two versions
    differ only in their descriptions.
    """

    claims: bool
    most: int
    free: int
    recovers: bool
    version: str | None = None
    tasks: tuple[str, ...] = ()
    refuses: bool = False
    near: str | None = None
    lacks: tuple[str, ...] = ()
    is_older: bool = False
    has_same_tasks: bool = False
    full: int | None = None


@dataclass(frozen=True, slots=True)
class Active:
    """A run that this process owns.

    ``queued`` are the tasks that wait for a free slot, each with the setting that limits the slots;
    ``executors`` has the use of the executors' slots. ``deadline`` is the end of its time limit,
    which does not count while the run ``rests``. ``suspects`` are bodies that run alone, or wait
    until they can, each by its task and run: by the name of their executor, or None for this
    process. Other bodies do not begin there until the suspect has ended.
    """

    running: frozenset[str]
    queued: Mapping[str, str]
    deadline: Instant | None = None
    rests: bool = False
    executors: Mapping[str, Usage] = field(default_factory=dict)
    suspects: Mapping[str | None, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunnerState:
    """A registered runner; its lease ends at ``lease_until``. ``process_ended`` is true if its
    process has certainly ended, which only a process of the same machine can know. A runner that
    ``is_here`` needs no lease to be alive.
    """

    load: RunnerLoad
    lease_until: Instant
    is_here: bool = False
    process_ended: bool = False

    def is_gone(self, now: Instant) -> bool:
        """Whether it counts as dead, so that others take over its runs."""
        left = 1 if self.is_here else self.lease_until - now
        fenced, ended = self.load.row.fenced, self.process_ended
        return not counts_as_alive(fenced=fenced, process_ended=ended, lease_left=left)


@dataclass(frozen=True, slots=True)
class Facts:
    """``tasks`` are the tasks of ``known_version``: the run's version, or the newest if that is not
    known; None if none is known. ``queues`` are the queues of their bodies, if any is not the usual
    one. ``newest`` is the version that a runner has registered last, with
    its tasks. ``here`` is None for a client, and for a read-only database; ``active`` is None if
    this process does not own the run. ``limits`` are the limits for which tasks wait.
    """

    now: Instant
    recorded: RecordedRun
    runners: Sequence[RunnerState]
    tasks: Sequence[TaskShape] | None = None
    known_version: str | None = None
    newest: tuple[str, tuple[str, ...]] | None = None
    here: Here | None = None
    active: Active | None = None
    queues: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, AwaitedLimit] = field(default_factory=dict)
