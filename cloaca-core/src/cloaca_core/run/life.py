"""The life of a run that this runner owns, as a state machine: facts go in, acts come out. Pure.

It alone decides whether a run continues, stays in memory, is given back, or ends. ``control``
carries the acts out, in their order, before it passes the next fact. A run that is not steered and
does not wait is ``ACTIVE`` until it is ``OVER``.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from cloaca_core.values.states import RunStatus
from cloaca_core.values.times.instants import SECOND

if TYPE_CHECKING:
    from cloaca_core.run.reasons import Reason

DUE_SOON: Final = 5 * SECOND
"""µs. A run that is due within this time stays: giving it back would cost two commits and a
claim.
"""


class State(Enum):
    """The state of a run. Only in the first two may more of it begin."""

    ACTIVE = "active"
    """Tasks of it run, or are about to."""
    IDLE = "idle"
    """Everything that is left of it waits; it stays in memory."""
    LEAVING = "leaving"
    """The commit that gives it back to the table is under way."""
    PAUSING = "pausing"
    """Its bodies must end; then it is given back."""
    CANCELLING = "cancelling"
    """Its bodies are asked to end; when they have, or at the deadline, the run ends."""
    OVER = "over"
    """Its end is written or being written, or this runner no longer owns it."""


class Do(Enum):
    """Acts without arguments."""

    HOLD = "hold"
    """Take back the attempts that have not begun; keep their tasks in ``held``."""
    INTERRUPT = "interrupt"
    """Ask its bodies to end."""
    STOP_LIMIT = "stop limit"
    """Stop the clock of its time limit: it is to be paused or cancelled."""
    REST = "rest"
    """Stop the clock of its time limit: it rests."""
    START_LIMIT = "start limit"
    """Restart the clock of its time limit."""
    BEGIN = "begin"
    """Start the held tasks."""
    BEGIN_IF_OWNED = "begin if owned"
    """Start the held tasks, once a commit has found that this runner still owns the run."""
    REVIEW = "review"
    """Call ``review`` with what remains of the run."""
    RELEASE_PLACE = "release place"
    """Keep it in memory, but do not count it as an active run."""
    DROP = "drop"
    """Forget it."""


class CutOffAt(NamedTuple):
    """Call ``cut_off`` at this instant in µs. Replaces an earlier such act."""

    deadline: int


class GiveBack(NamedTuple):
    """Write that the run has no owner. It may be claimed from ``due_at`` on (µs), or, with None, as
    soon as it is neither paused nor waiting behind another run. ``rests`` says whether its time
    limit does not count meanwhile, ``is_surplus`` whether this runner only had it wait for a slot.
    With a ``queue`` the run moves there, as nothing that is ready may begin here.
    """

    due_at: int | None
    rests: bool = False
    is_surplus: bool = False
    queue: str | None = None


class End(NamedTuple):
    """Record the end of the run, and cut its attempts off. A ``bare`` end has no context and no
    attempts.
    """

    status: RunStatus
    reason: Reason
    bare: bool = False


Act: TypeAlias = Do | CutOffAt | GiveBack | End
Acts: TypeAlias = Sequence[Act]

NOTHING: Final[Acts] = ()


class Cancel(NamedTuple):
    """The reason of a cancel, and the instant in µs by which the run must have ended."""

    reason: Reason
    deadline: int


class Remaining(NamedTuple):
    """What remains to do of a run at ``now`` (µs). ``under_way``: attempts of it are under way
    here. ``rests``: everything that remains is sleeps, events and approvals. ``idle``: nothing of
    it can continue by itself before ``due_at``. A run that waits for a message may stay until
    ``evict_at``, without a place. A runner that ``never_evicts`` gives back no run that waits.
    ``moves_to`` is the queue of the tasks that are ready, if none of them is served here.
    """

    now: int
    under_way: bool
    rests: bool
    idle: bool
    due_at: int
    evict_at: int | None = None
    never_evicts: bool = False
    moves_to: str | None = None


class Life:
    """``held`` are tasks to begin later. ``cancel`` is set once a request to cancel was read, and
    stays set after the end. ``rests`` says whether the time limit does not count because the run
    rests. ``stops_found`` counts the commits that found a request to pause or cancel.
    """

    __slots__ = ("cancel", "held", "rests", "state", "stops_found")

    def __init__(self) -> None:
        self.state: State = State.ACTIVE
        self.held: list[int] = []
        self.cancel: Cancel | None = None
        self.rests: bool = False
        self.stops_found: int = 0

    @property
    def may_begin(self) -> bool:
        """Whether more of the run may begin."""
        return self.state is State.ACTIVE or self.state is State.IDLE

    # -- units -------------------------------------------------------------------------------

    def ready(self, tasks: Sequence[int]) -> Sequence[int]:
        """Return the tasks that begin now. The others are held, unless the run is over."""
        if self.may_begin:
            self.state = State.ACTIVE
            return tasks
        if self.state is not State.OVER:
            self.held += tasks
        return ()

    def release(self) -> list[int]:
        """Return the held tasks, which are held no more."""
        held, self.held = self.held, []
        return held

    def unit_ended(self, *, under_way: bool) -> Acts:
        """An attempt has ended. ``under_way``: others are still running."""
        return self.cut_off() if not under_way else NOTHING

    def over(self) -> None:
        """Nothing is left to do, or another part has decided that this runner no longer owns the
        run.
        """
        self.state = State.OVER

    # -- requests ----------------------------------------------------------------------------

    def cancel_requested(self, reason: Reason, deadline: int) -> Acts:
        """A caller has requested that the run ends by a deadline, an instant in µs. Of several
        requests the earliest deadline holds.
        """
        known = self.cancel
        if self.state is State.OVER or (known is not None and known.deadline <= deadline):
            return NOTHING
        self.cancel = Cancel(reason if known is None else known.reason, deadline)
        if self.state is State.LEAVING:  # nothing of it runs; the commit under way decides
            return NOTHING
        if known is not None:
            return (CutOffAt(deadline),)
        return self._begin_cancel(self.cancel)

    def pause_requested(self) -> Acts:
        """A caller has requested that the run pauses. A commit may have found the request
        before.
        """
        if self.may_begin:
            return (*self._stop(State.PAUSING), Do.REVIEW)
        return (Do.REVIEW,) if self.state is State.PAUSING else NOTHING

    def stop_found(self, stop_request: RunStatus) -> Acts:
        """A commit has found that the run must be paused or cancelled. The request itself is read
        soon.
        """
        self.stops_found += 1
        if not self.may_begin:
            return NOTHING
        return self._stop(
            State.CANCELLING if stop_request == RunStatus.CANCELLED else State.PAUSING
        )

    def resumed(self, stops_found: int) -> Acts:
        """The table has no request to pause or cancel the run. It was read when ``stops_found``
        commits had found such a request: if another commit has found one since, the reading is old.
        """
        if self.state is not State.PAUSING or self.stops_found != stops_found:
            return NOTHING
        self.state = State.ACTIVE
        return (Do.START_LIMIT, Do.BEGIN_IF_OWNED)

    def replaced(self) -> Acts:
        """Keys of its input were replaced: tasks that have not begun begin with the new values."""
        return (Do.HOLD, Do.BEGIN_IF_OWNED) if self.may_begin else NOTHING

    def cut_off(self) -> Acts:
        """End a run that is being cancelled: all its attempts have ended, its deadline has come, or
        the runner shuts down.
        """
        if self.state is not State.CANCELLING or self.cancel is None:  # else it is on its way
            return NOTHING
        self.state = State.OVER
        return (End(RunStatus.CANCELLED, self.cancel.reason),)

    # -- leave memory ------------------------------------------------------------------------

    def review(self, remaining: Remaining) -> Acts:
        """Decide whether the run stays in memory, given what remains of it."""
        if self.may_begin:
            return self._settle(remaining)
        if remaining.under_way:
            return NOTHING
        if self.state is State.PAUSING:
            self.state = State.LEAVING
            return (GiveBack(None),)
        return self.cut_off()

    def _settle(self, remaining: Remaining) -> Acts:
        acts: list[Act] = []
        if remaining.rests is not self.rests:
            self.rests = remaining.rests
            acts.append(Do.REST if remaining.rests else Do.START_LIMIT)
        if remaining.moves_to is not None and not (remaining.under_way or remaining.never_evicts):
            acts += self._begin_give_back(GiveBack(None, is_surplus=True, queue=remaining.moves_to))
        elif not remaining.idle or remaining.under_way or remaining.never_evicts:
            self.state = State.ACTIVE
        elif remaining.due_at - remaining.now <= DUE_SOON:
            self.state = State.IDLE
        elif remaining.evict_at is not None and remaining.now < remaining.evict_at:
            self.state = State.IDLE
            acts.append(Do.RELEASE_PLACE)
        else:
            acts += self._begin_give_back(GiveBack(remaining.due_at, self.rests))
        return acts

    def shut_down(self, remaining: Remaining) -> Acts:
        """The runner shuts down. Give a run back if only this runner knows that it rests or has
        rested.
        """
        if self.state is State.PAUSING:
            return self._begin_give_back(GiveBack(None))
        if not self.may_begin:
            return NOTHING
        due_at = remaining.due_at if remaining.idle else None
        self.rests = remaining.rests and remaining.idle
        return self._begin_give_back(GiveBack(due_at, self.rests))

    def hand_over(self) -> Acts:
        """The run waits for a slot here, and another runner has free slots."""
        return self._begin_give_back() if self.may_begin else NOTHING

    def ready_to_hand_over(self, *, under_way: bool) -> Acts:
        """The attempts that had not begun are held, to give the run to another runner.
        ``under_way``: a body began at that moment.
        """
        if self.state is not State.LEAVING:
            return NOTHING
        if not under_way:
            return (GiveBack(None, is_surplus=True),)
        self.state = State.ACTIVE
        return (Do.BEGIN,)

    def _begin_give_back(self, *acts: Act) -> Acts:
        self.state = State.LEAVING
        return (Do.HOLD, *acts)

    # -- commits -----------------------------------------------------------------------------

    def gave_back(self, stop_request: RunStatus | None) -> Acts:
        """The commit that gives the run back is durable. If it found that the run must be
        cancelled, this runner still owns it.
        """
        if self.state is not State.LEAVING:
            return NOTHING
        if stop_request != RunStatus.CANCELLED:
            return self.lost()
        if self.cancel is None:  # it is read soon
            return self._stop(State.CANCELLING)
        return self._begin_cancel(self.cancel)

    def lost(self) -> Acts:
        """The run belongs to another runner, or to none."""
        self.state = State.OVER
        return (Do.DROP,)

    # -- failures ----------------------------------------------------------------------------

    def limit_passed(self, reason: Reason) -> Acts:
        """The time limit of the run has passed. A run that is being given back is due then, and its
        next owner ends it.
        """
        return self.fail(reason) if self.state is not State.LEAVING else NOTHING

    def fail(self, reason: Reason, *, bare: bool = False) -> Acts:
        """The run cannot continue."""
        if self.state is State.OVER:
            return NOTHING
        self.state = State.OVER
        return (End(RunStatus.FAILED, reason, bare),)

    def refused(self, reason: Reason, end: End | None) -> Acts:
        """The database refuses rows of the run, among them this ``end``, or none."""
        if self.state is not State.OVER:
            return self.fail(reason)
        if end is None:  # the end is being written
            return NOTHING
        if not end.bare:
            return (End(RunStatus.FAILED, reason, bare=True),)
        return (Do.DROP,)  # even the bare end cannot be written: a person must help

    # -- consequences of several facts ----------------------------------------------------------

    def _begin_cancel(self, cancel: Cancel) -> Acts:
        stop = self._stop(State.CANCELLING)
        return (*stop, Do.INTERRUPT, CutOffAt(cancel.deadline), Do.REVIEW)

    def _stop(self, state: State) -> Acts:
        """Let nothing more of the run begin."""
        self.state, self.rests = state, False
        return (Do.STOP_LIMIT, Do.HOLD)
