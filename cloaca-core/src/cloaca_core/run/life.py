"""The life of a run that this runner owns, as a machine: facts go in, acts come out. Pure.

It alone decides whether a run goes on, stays in memory, leaves it, or ends. ``control`` carries the
acts out, in their order, before it tells the next fact. A run that is not steered and does not wait
is ``ACTIVE`` until it is ``over``.
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
"""µs; a run that is due within them is not worth two commits and a claim."""


class State(Enum):
    """What is to become of a run. In all but the first two nothing more of it begins."""

    ACTIVE = "active"
    """Something of it goes on, or is about to."""
    IDLE = "idle"
    """All that is left of it waits; it is still here."""
    LEAVING = "leaving"
    """The commit that gives it back to the table is under way."""
    PAUSING = "pausing"
    """Its bodies are to end; then it is given back."""
    CANCELLING = "cancelling"
    """Its bodies are asked to end; then, or at the deadline, it ends."""
    OVER = "over"
    """Its end is written or on its way to the table, or it is not ours any more."""


class Do(Enum):
    """Acts without arguments."""

    HOLD = "hold"
    """Take back what has not begun, into ``held``."""
    INTERRUPT = "interrupt"
    """Ask its bodies to end."""
    STOP_LIMIT = "stop limit"
    """Its time limit stands still, since it is to be paused or cancelled."""
    REST = "rest"
    """Its time limit stands still, since it rests."""
    START_LIMIT = "start limit"
    """Its time limit goes on."""
    BEGIN = "begin"
    """Start what is held."""
    GO_ON = "go on"
    """Start what is held, once a commit has found that the run is still ours."""
    LOOK = "look"
    """Tell the life what is left of the run."""
    LINGER = "linger"
    """Let it stay without a place."""
    DROP = "drop"
    """Forget it."""


class CutOffAt(NamedTuple):
    """Tell the life ``cut_off`` at this instant in µs, in place of an earlier such act."""

    deadline: int


class GiveBack(NamedTuple):
    """Write that the run has no owner any more. It may be claimed from ``due_at`` on (µs), or, with
    None, as soon as nothing else holds it. ``rests`` says whether its time limit stands still
    meanwhile, ``is_surplus`` whether it was ours only to wait for a slot.
    """

    due_at: int | None
    rests: bool = False
    is_surplus: bool = False


class End(NamedTuple):
    """Record the end of the run; what is under way is cut off. A ``bare`` end has no context and no
    attempts.
    """

    status: RunStatus
    reason: Reason
    bare: bool = False


Act: TypeAlias = Do | CutOffAt | GiveBack | End
Acts: TypeAlias = Sequence[Act]

NOTHING: Final[Acts] = ()


class Cancel(NamedTuple):
    """Why a run is being cancelled, and when it is to have ended, in µs."""

    reason: Reason
    deadline: int


class Left(NamedTuple):
    """What is left of a run at ``now`` (µs). ``under_way`` says whether attempts of it are under
    way here, ``rests`` whether all that is left are sleeps, events and approvals, ``idle`` whether
    nothing of it can go on by itself before ``due_at``. For a message it may stay, without a
    place, until ``lingers_until``. A runner that ``keeps`` its runs gives none back that waits.
    """

    now: int
    under_way: bool
    rests: bool
    idle: bool
    due_at: int
    lingers_until: int | None = None
    keeps: bool = False


class Life:
    """``held`` are the tasks that would have begun meanwhile, ``cancel`` is set once a cancel was
    read, also after its end. ``rests`` says whether the time limit stands still because all that is
    left waits. ``met`` counts the commits that have met a wish.
    """

    __slots__ = ("cancel", "held", "met", "rests", "state")

    def __init__(self) -> None:
        self.state: State = State.ACTIVE
        self.held: list[int] = []
        self.cancel: Cancel | None = None
        self.rests: bool = False
        self.met: int = 0

    @property
    def goes_on(self) -> bool:
        """Whether more of it may begin."""
        return self.state is State.ACTIVE or self.state is State.IDLE

    # -- units -------------------------------------------------------------------------------

    def ready(self, tasks: Sequence[int]) -> Sequence[int]:
        """Returns those of these tasks that begin now; the others are held, or the run is over."""
        if self.goes_on:
            self.state = State.ACTIVE
            return tasks
        if self.state is not State.OVER:
            self.held += tasks
        return ()

    def release(self) -> list[int]:
        """Returns what is held; it is held no more."""
        held, self.held = self.held, []
        return held

    def unit_ended(self, *, under_way: bool) -> Acts:
        """An attempt has ended; others are ``under_way``, or not."""
        return self.cut_off() if not under_way else NOTHING

    def over(self) -> None:
        """Nothing is left to do, or it is decided elsewhere that the run is ours no more."""
        self.state = State.OVER

    # -- wishes ------------------------------------------------------------------------------

    def cancel_asked(self, reason: Reason, deadline: int) -> Acts:
        """It is asked that the run ends by a deadline, an instant in µs. Of several calls the
        earliest deadline holds.
        """
        known = self.cancel
        if self.state is State.OVER or (known is not None and known.deadline <= deadline):
            return NOTHING
        self.cancel = Cancel(reason if known is None else known.reason, deadline)
        if self.state is State.LEAVING:  # nothing of it runs; the commit that is under way decides
            return NOTHING
        if known is not None:
            return (CutOffAt(deadline),)
        return self._begin_cancel(self.cancel)

    def pause_asked(self) -> Acts:
        """It is asked that the run pauses. A commit may have met the wish before."""
        if self.goes_on:
            return (*self._stop(State.PAUSING), Do.LOOK)
        return (Do.LOOK,) if self.state is State.PAUSING else NOTHING

    def wish_met(self, wish: RunStatus) -> Acts:
        """A commit has found that the run is to be paused or cancelled; the wish itself is read
        soon.
        """
        self.met += 1
        if not self.goes_on:
            return NOTHING
        return self._stop(State.CANCELLING if wish == RunStatus.CANCELLED else State.PAUSING)

    def resumed(self, met: int) -> Acts:
        """No wish is in the table any more. That was read when ``met`` commits had met one: if
        another has since, the reading is old.
        """
        if self.state is not State.PAUSING or self.met != met:
            return NOTHING
        self.state = State.ACTIVE
        return (Do.START_LIMIT, Do.GO_ON)

    def replaced(self) -> Acts:
        """Keys of its input were replaced: what has not begun begins with the new ones."""
        return (Do.HOLD, Do.GO_ON) if self.goes_on else NOTHING

    def cut_off(self) -> Acts:
        """Nothing of a run that is being cancelled goes on, its deadline has come, or the runner
        leaves.
        """
        if self.state is not State.CANCELLING or self.cancel is None:  # else it is on its way
            return NOTHING
        self.state = State.OVER
        return (End(RunStatus.CANCELLED, self.cancel.reason),)

    # -- leave memory ------------------------------------------------------------------------

    def look(self, left: Left) -> Acts:
        """Decide whether the run stays here, with what is left of it."""
        if self.goes_on:
            return self._settle(left)
        if left.under_way:
            return NOTHING
        if self.state is State.PAUSING:
            self.state = State.LEAVING
            return (GiveBack(None),)
        return self.cut_off()

    def _settle(self, left: Left) -> Acts:
        acts: list[Act] = []
        if left.rests is not self.rests:
            self.rests = left.rests
            acts.append(Do.REST if left.rests else Do.START_LIMIT)
        if not left.idle or left.under_way or left.keeps:
            self.state = State.ACTIVE
        elif left.due_at - left.now <= DUE_SOON:
            self.state = State.IDLE
        elif left.lingers_until is not None and left.now < left.lingers_until:
            self.state = State.IDLE
            acts.append(Do.LINGER)
        else:
            acts += self._leave(GiveBack(left.due_at, self.rests))
        return acts

    def leave(self, left: Left) -> Acts:
        """The runner leaves, and only it knows that the run rests, or has rested."""
        if self.state is State.PAUSING:
            return self._leave(GiveBack(None))
        if not self.goes_on:
            return NOTHING
        due_at = left.due_at if left.idle else None
        self.rests = left.rests and left.idle
        return self._leave(GiveBack(due_at, self.rests))

    def give(self) -> Acts:
        """The run waits for a slot, and another runner has free ones."""
        return self._leave() if self.goes_on else NOTHING

    def is_held(self, *, under_way: bool) -> Acts:
        """What had not begun is held, to give the run to another runner; a body that began at that
        moment is ``under_way``.
        """
        if self.state is not State.LEAVING:
            return NOTHING
        if not under_way:
            return (GiveBack(None, is_surplus=True),)
        self.state = State.ACTIVE
        return (Do.BEGIN,)

    def _leave(self, *acts: Act) -> Acts:
        self.state = State.LEAVING
        return (Do.HOLD, *acts)

    # -- commits -----------------------------------------------------------------------------

    def gave_back(self, wish: RunStatus | None) -> Acts:
        """The run is given back. If the commit has found that it is to be cancelled, it was not."""
        if self.state is not State.LEAVING:
            return NOTHING
        if wish != RunStatus.CANCELLED:
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
        """The time limit of the run has passed. The table brings a leaving run back for that."""
        return self.fail(reason) if self.state is not State.LEAVING else NOTHING

    def fail(self, reason: Reason, *, bare: bool = False) -> Acts:
        """The run cannot go on."""
        if self.state is State.OVER:
            return NOTHING
        self.state = State.OVER
        return (End(RunStatus.FAILED, reason, bare),)

    def refused(self, reason: Reason, end: End | None) -> Acts:
        """The database will not take rows of the run, among them this ``end`` or none."""
        if self.state is not State.OVER:
            return self.fail(reason)
        if end is None:  # the end is on its way
            return NOTHING
        if not end.bare:
            return (End(RunStatus.FAILED, reason, bare=True),)
        return (Do.DROP,)  # not even the bare end can be written: a person must help

    # -- ways that several facts go ------------------------------------------------------------

    def _begin_cancel(self, cancel: Cancel) -> Acts:
        stop = self._stop(State.CANCELLING)
        return (*stop, Do.INTERRUPT, CutOffAt(cancel.deadline), Do.LOOK)

    def _stop(self, state: State) -> Acts:
        """Let nothing more of the run begin."""
        self.state, self.rests = state, False
        return (Do.STOP_LIMIT, Do.HOLD)
