"""The rules of steering about the life of one run as a plain program, to compare with.

Written from the specification (states and rounds; cancel; pause and resume; waiting) and not from
the machine. It keeps what has happened to a run as simple facts, and says after each fact what must
become of the run and what must not. It decides nothing that the specification leaves open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any, Final, NamedTuple, TypeAlias, cast

from cloaca_core.run.life import (
    Act,
    Cancel,
    CutOffAt,
    Do,
    End,
    GiveBack,
    Life,
    Remaining,
    State,
)
from cloaca_core.run.reasons import Reason
from cloaca_core.values.states import RunStatus

SOON: Final = 5_000_000
"""A run that is due within this many µs stays with its owner."""

FACTS: Final = (
    "ready",
    "over",
    "unit_ended",
    "cancel_requested",
    "pause_requested",
    "stop_found",
    "resumed",
    "replaced",
    "review",
    "cut_off",
    "shut_down",
    "hand_over",
    "ready_to_hand_over",
    "gave_back",
    "lost",
    "limit_passed",
    "fail",
    "refused",
)
"""What a life can be told."""

BEGINS: Final = (Do.BEGIN, Do.BEGIN_IF_OWNED)
LIMITS: Final = (Do.STOP_LIMIT, Do.REST, Do.START_LIMIT)

Outcome: TypeAlias = Act | None
"""What becomes of a run: it ends, is given back, is forgotten, lingers; None if it goes on."""


class BrokenRuleError(AssertionError):
    """A life has done what a rule forbids, or not what it asks for."""


class Told(NamedTuple):
    """A fact that a life was told, its answer (acts, or the tasks of ``ready`` that begin), and
    then its held tasks, state, cancel and number of commits that have met a request.
    """

    fact: str
    args: tuple[Any, ...]
    answer: Sequence[Any]
    held: tuple[int, ...]
    state: State
    cancel: Cancel | None
    stops_found: int


class PlainLife:
    """What has happened to a run, as its owner knows it."""

    def __init__(self) -> None:
        self.cancel: Cancel | None = None  # asked for; reason and deadline are known
        self.cancel_found = False  # a commit has found that somebody asked to cancel
        self.pause_read = False  # somebody asked to pause
        self.pause_found = False  # a commit has found that, or that keys were replaced
        self.found = 0  # commits that have found any of that
        self.gives_up = False  # it is taken from the slots, for a runner that has free ones
        self.goes_back = False  # the commit that gives it back is on its way
        self.came_back = False  # that commit has found a cancel: it is still ours, to end
        self.is_over = False  # its end was decided, or it is not ours any more
        self.only_waits = False  # as far as it was looked at
        self.keeps = False  # its runner gives none back that waits
        self.rests = False  # all of it waits for sleeps, events and approvals
        self.woke = False  # something began since it rested, and it was not looked at yet
        self.limit_runs = True
        self.at_rest = False  # the limit stands still as the run rests
        self.interrupted = False  # its bodies were asked to end
        self.cut_off_at: int | None = None

    @property
    def is_cancelled(self) -> bool:
        return self.cancel is not None or self.cancel_found

    @property
    def is_paused(self) -> bool:
        return self.pause_read or self.pause_found

    @property
    def leaves(self) -> bool:
        return self.gives_up or self.goes_back

    @property
    def may_begin(self) -> bool:
        """Whether its tasks may begin."""
        return not (self.is_cancelled or self.is_paused or self.leaves or self.is_over)

    def told(self, told: Told) -> None:
        """Raises ``BrokenRuleError`` if the answer to this fact breaks a rule."""
        if self.is_over:
            self._judge_over(told)
            return
        could_begin, before = self.may_begin and not self.only_waits, (self.goes_back, self.cancel)
        accepted = getattr(self, f"_{told.fact}")(*told.args)
        acts = () if told.fact == "ready" else tuple(told.answer or ())
        _rule(len(set(acts)) == len(acts), "an act is done once", told)
        outcome = _outcome(acts)
        if all(not _same(outcome, each) for each in accepted):
            raise BrokenRuleError(f"what becomes of the run is one of {accepted}; {told}")
        self.goes_back |= isinstance(outcome, GiveBack)
        self.is_over |= isinstance(outcome, End) or outcome is Do.DROP
        self._judge_begin(told, acts, could_begin=could_begin)
        self._judge_cancel(told, acts, were=before)
        self._judge_limit(told, acts)
        self._judge_state(told)

    # -- what each fact means, and what may become of the run ------------------------------------

    def _ready(self, _: Sequence[int]) -> tuple[Outcome, ...]:
        self.woke |= self.rests
        if self.may_begin:
            self.only_waits = False
        return (None,)

    def _over(self) -> tuple[Outcome, ...]:
        self.is_over = True
        return (None,)

    def _cancel_requested(self, reason: Reason, deadline: int) -> tuple[Outcome, ...]:
        # Twice is once, the earlier deadline holds.
        known = self.cancel
        self.cancel = Cancel(reason, deadline)
        if known is not None:
            self.cancel = Cancel(known.reason, min(known.deadline, deadline))
        return (None,)

    def _pause_requested(self) -> tuple[Outcome, ...]:
        self.pause_read = True
        return (None,)

    def _stop_found(self, stop_request: RunStatus) -> tuple[Outcome, ...]:
        self.found += 1
        if stop_request == RunStatus.CANCELLED:
            self.cancel_found = True
        else:
            self.pause_found = True
        return (None,)

    def _resumed(self, stops_found: int) -> tuple[Outcome, ...]:
        # Read before a commit found another request: it says nothing about that request.
        if stops_found == self.found and self.is_paused and not self.goes_back:
            self.pause_read = self.pause_found = self.only_waits = False
            self.woke = True
        return (None,)

    def _replaced(self) -> tuple[Outcome, ...]:
        return (None,)

    def _unit_ended(self, under_way: bool) -> tuple[Outcome, ...]:
        return (None,) if under_way else self._nothing_under_way()

    def _nothing_under_way(self) -> tuple[Outcome, ...]:
        # Cancelling ends as soon as its bodies have; never before it is known why.
        if self.cancel is not None and not self.goes_back:
            return (End(RunStatus.CANCELLED, self.cancel.reason),)
        return (None,)

    def _review(self, left: Remaining) -> tuple[Outcome, ...]:
        if self.goes_back:
            return (None,)
        if self.is_cancelled and not left.under_way:
            # One that was to be paused may still go back: that commit finds the cancel.
            goes_back = self.is_paused and self.cancel is None
            return (*self._nothing_under_way(), *((GiveBack(None),) if goes_back else ()))
        if self.is_cancelled:
            return (None,)
        if self.is_paused:
            # Bodies under way finish and are recorded; then the owner lets go.
            if left.under_way:
                return (None,)
            return (GiveBack(None),) if self.pause_read else (GiveBack(None), None)
        self.rests, self.woke, self.keeps = left.rests, False, left.never_evicts
        # What is ready asks for queues that are not served here: it goes there, once no body runs.
        if left.moves_to is not None and not left.under_way and not left.never_evicts:
            return (GiveBack(None, is_surplus=True, queue=left.moves_to),)
        return self._waits_or_goes_on(left)

    def _waits_or_goes_on(self, left: Remaining) -> tuple[Outcome, ...]:
        self.only_waits = left.idle and not left.under_way
        if not self.only_waits:
            return (None,)
        # One that is due within 5 s stays with its owner and keeps its place.
        if left.due_at - left.now <= SOON:
            return (None,)
        if left.never_evicts:
            return (None, Do.RELEASE_PLACE)
        if left.evict_at is not None and left.now < left.evict_at:
            return (Do.RELEASE_PLACE,)
        # A run that waits is in nobody's memory.
        return (GiveBack(left.due_at, left.rests),)

    def _cut_off(self) -> tuple[Outcome, ...]:
        # At the deadline its bodies are abandoned.
        return (None,) if self.goes_back else self._known_cancel() or (None,)

    def _known_cancel(self) -> tuple[Outcome, ...]:
        if self.cancel is None:
            return ()
        return (End(RunStatus.CANCELLED, self.cancel.reason),)

    def _shut_down(self, left: Remaining) -> tuple[Outcome, ...]:
        if self.leaves or self.is_over:
            return (None,)
        if self.is_cancelled:  # while that is not read, the commit that gives it back meets it
            return (None,) if self.cancel is not None else (None, GiveBack(None))
        if self.is_paused:  # its bodies are given up with the runner; the table learns of its rest
            return (GiveBack(None),)
        return (GiveBack(left.due_at, left.rests) if left.idle else GiveBack(None),)

    def _hand_over(self) -> tuple[Outcome, ...]:
        self.gives_up = self.may_begin and not self.only_waits
        return (None,)

    def _ready_to_hand_over(self, under_way: bool) -> tuple[Outcome, ...]:
        gives_up, self.gives_up = self.gives_up, False
        return (GiveBack(None, is_surplus=True),) if gives_up and not under_way else (None,)

    def _gave_back(self, stop_request: RunStatus | None) -> tuple[Outcome, ...]:
        if not self.goes_back:
            return (None,)
        self.goes_back = False
        if stop_request == RunStatus.CANCELLED:
            self.cancel_found = True
            self.came_back = True
            return (*self._known_cancel(), None)
        return (Do.DROP,)

    def _lost(self) -> tuple[Outcome, ...]:
        return (Do.DROP,)

    def _limit_passed(self, reason: Reason) -> tuple[Outcome, ...]:
        return (None,) if self.goes_back else self._fail(reason)

    def _fail(self, reason: Reason, bare: bool = False) -> tuple[Outcome, ...]:
        return (End(RunStatus.FAILED, reason, bare),)

    def _refused(self, reason: Reason, _: End | None) -> tuple[Outcome, ...]:
        return (End(RunStatus.FAILED, reason),)

    # -- rules that hold whatever was told -------------------------------------------------------

    def _judge_over(self, told: Told) -> None:
        refused = told.args[1] if told.fact == "refused" else None
        if told.fact == "lost":
            # Its end was not written, as another runner has it.
            _rule(set(told.answer) <= {Do.DROP}, "a lost run is only forgotten", told)
        elif refused is None:
            _rule(not told.answer, "nothing follows the end of a run", told)
        else:
            # The end itself was refused: a bare one is tried, once.
            outcome = _outcome(told.answer)
            ended = isinstance(outcome, End) and outcome.bare
            _rule(outcome is Do.DROP if refused.bare else ended, "a bare end, once", told)
        _rule(told.state is State.OVER, "a run is over for good", told)

    def _judge_begin(self, told: Told, acts: tuple[Act, ...], *, could_begin: bool) -> None:
        begins = [act for act in acts if act in BEGINS]
        if not self.may_begin:
            # The owner of a cancelled run starts nothing more; of a paused one no body starts.
            started = begins or (told.fact == "ready" and told.answer)
            _rule(not started, "nothing begins of a run that stops or is over", told)
            if could_begin and not self.is_over and not self.goes_back:
                _rule(Do.HOLD in acts, "what has not begun is taken back", told)
            return
        if told.fact == "ready":
            _rule(list(told.answer) == list(told.args[0]), "what may begin begins", told)
        if told.fact == "replaced" and could_begin:
            _rule(Do.HOLD in acts, "what has not begun is to begin with the replaced keys", told)
        if told.held or Do.HOLD in acts:
            _rule(bool(begins), "what was held goes on", told)

    def _judge_cancel(
        self, told: Told, acts: tuple[Act, ...], *, were: tuple[bool, Cancel | None]
    ) -> None:
        if Do.INTERRUPT in acts:
            _rule(self.is_cancelled, "bodies are asked to end only by a cancel", told)
            _rule(not self.interrupted, "bodies are asked to end once", told)
            self.interrupted = True
        for act in acts:
            if isinstance(act, CutOffAt):
                _rule(self.cancel is not None, "a deadline comes from a cancel", told)
                _rule(act.deadline != self.cut_off_at, "a known deadline changes nothing", told)
                self.cut_off_at = act.deadline
        _rule(told.cancel == self.cancel, "the first reason, the earliest deadline", told)
        if self.is_over or self.leaves or not self.is_cancelled:
            return
        if self.cancel is not None:
            asked = self.interrupted or self.came_back
            _rule(asked, "the bodies of a cancelled run are asked to end", told)
            _rule(self.cut_off_at == self.cancel.deadline, "the deadline is watched", told)
        if told.fact == "cancel_requested" and were == (False, self.cancel):
            _rule(not acts, "a cancel that is known changes nothing", told)

    def _judge_limit(self, told: Told, acts: tuple[Act, ...]) -> None:
        for act in [act for act in acts if act in LIMITS]:
            starts = act is Do.START_LIMIT
            # A rest ends where a pause begins; after a cancel the limit does not matter.
            again = act is Do.STOP_LIMIT and (self.at_rest or self.is_cancelled)
            changes = starts != self.limit_runs or again
            _rule(changes, "the limit stands still once, goes on once", told)
            self.at_rest = act is Do.REST
            _rule(not self.at_rest or self.rests, "the limit rests while all of it waits", told)
            self.limit_runs = starts
        if self.is_over or self.leaves or self.woke:
            return
        if self.is_cancelled or self.is_paused:
            _rule(not self.limit_runs, "the limit stands still while the run is stopped", told)
        else:
            # It stands still while all that is left waits for a sleep, an event or an approval.
            _rule(self.limit_runs != self.rests, "the limit runs unless the run rests", told)

    def _judge_state(self, told: Told) -> None:
        if told.state not in (expected := self._states()):
            raise BrokenRuleError(f"its state is one of {expected}; {told}")
        _rule(
            self.is_over or told.stops_found == self.found,
            "commits that found a request count",
            told,
        )

    def _states(self) -> tuple[State, ...]:
        if self.is_over:
            return (State.OVER,)
        if self.leaves:
            return (State.LEAVING,)
        if self.is_cancelled and self.is_paused and self.cancel is None:
            return (State.CANCELLING, State.PAUSING)
        if self.is_cancelled:
            return (State.CANCELLING,)
        if self.is_paused:
            return (State.PAUSING,)
        if self.only_waits:
            return (State.IDLE, State.ACTIVE) if self.keeps else (State.IDLE,)
        return (State.ACTIVE,)


def _outcome(acts: Sequence[Act]) -> Outcome:
    """The one act of these that says what becomes of the run."""
    found = [
        act for act in acts if isinstance(act, End | GiveBack) or act in (Do.DROP, Do.RELEASE_PLACE)
    ]
    if len(found) > 1:
        raise BrokenRuleError(f"more than one of these at once: {found}")
    return found[0] if found else None


def _same(outcome: Outcome, expected: Outcome) -> bool:
    """Whether these say the same; how long a paused run has rested is not a matter of rules."""
    if isinstance(outcome, GiveBack) and outcome.due_at is None:
        outcome = outcome._replace(rests=False)
    return outcome == expected


def _rule(holds: bool, rule: str, told: Told) -> None:
    if not holds:
        raise BrokenRuleError(f"{rule}; {told}")


# -- lives of real runs --------------------------------------------------------------------------


def tell(life: Life, fact: str, *args: Any) -> Told:
    """Tells a life a fact."""
    named = {"unit_ended": "under_way", "ready_to_hand_over": "under_way"}.get(fact)
    method = getattr(life, fact)
    answer = method(**{named: args[0]}) if named else method(*args)
    return _told(life, fact, args, answer)


def _told(life: Life, fact: str, args: tuple[Any, ...], answer: Any) -> Told:
    then = tuple([tuple(each) if isinstance(each, list) else each for each in args])
    return Told(
        fact, then, tuple(answer or ()), tuple(life.held), life.state, life.cancel, life.stops_found
    )


def replay(trace: Iterable[Told]) -> None:
    """Raises ``BrokenRuleError`` if a life has broken a rule. ``trace`` is all that it was told."""
    plain, so_far = PlainLife(), list[Told]()
    for told in trace:
        so_far.append(told)
        try:
            plain.told(told)
        except BrokenRuleError as broken:
            raise BrokenRuleError("\n  ".join([str(broken), *map(str, so_far)])) from None


@contextmanager
def recorded_lives() -> Iterator[list[list[Told]]]:
    """Meanwhile all that lives are told is kept, a list for each life; it is checked at the end."""
    traces: dict[int, tuple[Life, list[Told]]] = {}

    def hear(life: Life, told: Told) -> None:
        _, trace = traces.setdefault(id(life), (life, []))
        trace.append(told)

    kept: list[list[Told]] = []
    with _heard_lives(hear):
        yield kept
    kept += [trace for _, trace in traces.values()]
    for trace in kept:
        replay(trace)


@contextmanager
def judged_lives(report: Callable[[str], None]) -> Iterator[None]:
    """Meanwhile all that lives are told is checked at once, in a process that may be killed;
    ``report`` is called with each rule that a life breaks.
    """
    lives: dict[int, tuple[Life, PlainLife]] = {}

    def hear(life: Life, told: Told) -> None:
        _, plain = lives.setdefault(id(life), (life, PlainLife()))
        try:
            plain.told(told)
        except BrokenRuleError as broken:
            report(str(broken))

    with _heard_lives(hear):
        yield


@contextmanager
def _heard_lives(hear: Callable[[Life, Told], None]) -> Iterator[None]:
    """Meanwhile ``hear`` is called with all that lives are told, after each fact."""
    inside: list[str] = []

    def heard(fact: str, method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def tells(life: Life, *args: Any, **named: Any) -> Any:
            if inside:
                return method(life, *args, **named)
            inside.append(fact)
            try:
                answer = method(life, *args, **named)
            finally:
                inside.clear()
            hear(life, _told(life, fact, (*args, *named.values()), answer))
            return answer

        return tells

    plain = {fact: cast("Callable[..., Any]", getattr(Life, fact)) for fact in FACTS}
    for fact, method in plain.items():
        setattr(Life, fact, heard(fact, method))
    try:
        yield
    finally:
        for fact, method in plain.items():
            setattr(Life, fact, method)
