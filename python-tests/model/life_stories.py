"""Stories of one run: its row in the table, its tasks, people who steer it, and a control in small.

A story tells a life what happens, carries its acts out in order, and checks after each fact what
the specification promises to people: which bodies begin, whether the run ends, who has it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, NamedTuple, TypeAlias

from model.plain_life import BrokenRuleError, PlainLife, Told, tell

from cloaca_core.run.life import Act, CutOffAt, Do, End, GiveBack, Life, Remaining, State
from cloaca_core.run.reasons import Reason
from cloaca_core.values.states import ReasonCode, RunStatus
from cloaca_core.values.waits import NEVER

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
LINGERS: Final = 30 * SECOND
CANCEL: Final = Reason(ReasonCode.CANCELLED, "cancelled by somebody")
LIMIT: Final = Reason(ReasonCode.DEADLINE_EXCEEDED, "took too long", 60)
BROKEN: Final = Reason(ReasonCode.INTERNAL_ERROR, "broken")
EARLY, LATE = 3 * MINUTE, 9 * MINUTE

Facts: TypeAlias = dict[str, Callable[[], object]]


class Wait(NamedTuple):
    """A task waits: ``rests`` unless it is a retry, whose time counts."""

    due_at: int = NEVER
    opened_at: int | None = None
    rests: bool = True


class Reading(NamedTuple):
    """The row as control has read it, and how many commits had met a request then."""

    stop_request: RunStatus | None
    deadline: int
    keys: int
    stops_found: int


@dataclass
class Story:
    """``queued`` tasks wait for a slot, each with the number of the replaced keys that it begins
    with; those of ``going_on`` for a commit, None if none is on its way. ``attended`` bodies wait
    on their threads.
    """

    size: int = 2
    kinds: Sequence[str] = ("a minute", "a second", "a message", "its retry", "a message, attended")
    keeps: bool = False

    life: Life = field(default_factory=Life)
    plain: PlainLife = field(default_factory=PlainLife)
    happened: tuple[str, ...] = ()
    told: tuple[Told, ...] = ()
    # the row
    stop_request: RunStatus | None = None
    deadline: int = NEVER
    keys: int = 0
    ours: bool = True
    # its tasks
    offered: int = 0
    queued: dict[int, int] = field(default_factory=dict)
    going_on: tuple[int, ...] | None = None
    under_way: frozenset[int] = frozenset()
    attended: frozenset[int] = frozenset()
    waits: dict[int, Wait] = field(default_factory=dict)
    done: frozenset[int] = frozenset()
    # control
    now: int = 0
    reading: Reading | None = None
    news: bool = False
    known_keys: int = 0
    limit_armed: bool = True
    cut_off_at: int | None = None
    lingers: bool = False
    left: bool = False
    just_begins: bool = False
    gives_back: GiveBack | None = None
    outcome: End | Do | str | None = None

    # -- what can happen next --------------------------------------------------------------------

    def facts(self) -> Facts:
        """All that can happen next, by name."""
        if self.outcome is not None:
            return {}
        return self._of_tasks() | self._of_people() | self._of_the_table() | self._of_the_engine()

    def _of_tasks(self) -> Facts:
        facts: Facts = {}
        if self.offered < self.size:
            facts[f"{self.offered} may begin"] = self._offer
        for task in self.queued:
            facts[f"{task} begins"] = partial(self._begin, task)
        for task in sorted(self.under_way - self.attended):
            facts[f"{task} ends"] = partial(self._end, task)
            for kind in self.kinds:
                facts[f"{task} waits for {kind}"] = partial(self._wait, task, kind)
        for task in sorted(self.attended):
            facts[f"{task} wakes up"] = partial(self._wake, task)
            facts[f"{task} leaves memory"] = partial(self._wait, task, "a message")
        for task in self.waits:
            facts[f"{task} waits no more"] = partial(self._go_on, task)
        return facts

    def _of_people(self) -> Facts:
        facts: Facts = {}
        if not self.ours:
            return facts
        for name, deadline in (("late", LATE), ("early", EARLY)):
            if self.stop_request != RunStatus.CANCELLED or deadline < self.deadline:
                facts[f"cancel, {name}"] = partial(self._ask, RunStatus.CANCELLED, deadline)
        if self.stop_request is None:
            facts["pause"] = partial(self._ask, RunStatus.PAUSED)
        if self.stop_request == RunStatus.PAUSED:
            facts["resume"] = partial(self._ask, None)
            facts["resume with other keys"] = partial(self._ask, None, keys=1)
        return facts

    def _of_the_table(self) -> Facts:
        facts: Facts = {}
        if self.news and self.reading is None:
            facts["reads its row"] = self._read
        if self.reading is not None:
            facts["hears of its row"] = self._hear
        if self.under_way or self.waits or self.going_on is not None:
            facts["a commit lands"] = self._commit
        if self.gives_back is not None and self.going_on is None:
            facts["is given back"] = self._given_back
        if self.ours:
            facts["another runner has it"] = self._lose
        return facts

    def _of_the_engine(self) -> Facts:
        facts: Facts = {"cannot go on": partial(self._tell, "fail", BROKEN)}
        if self.cut_off_at is not None:
            facts["the deadline comes"] = partial(self._tell, "cut_off")
        if self.limit_armed:
            facts["the limit passes"] = self._pass_limit
        if self.queued and not self.under_way and self.going_on is None:
            facts["others have slots"] = self._give
            facts["others have slots as it begins"] = partial(self._give, begins=True)
        if not self.left:
            facts["the runner leaves"] = self._leave
        if self.lingers:
            facts["time passes"] = self._pass_time
        return facts

    def after(self, fact: str) -> Story:
        """The story with one more fact."""
        story = copy.copy(self)
        story.life, story.plain = copy.copy(self.life), copy.copy(self.plain)
        story.life.held = list(self.life.held)
        story.queued, story.waits = dict(self.queued), dict(self.waits)
        story.happen(fact)
        return story

    def happen(self, fact: str) -> None:
        """This happens; raises ``BrokenRuleError`` if a rule is broken by what follows."""
        self.happened = (*self.happened, fact)
        try:
            self.facts()[fact]()
            self._judge()
        except BrokenRuleError as broken:
            told = [f"{each.fact}{each.args} -> {each.answer}, {each.state}" for each in self.told]
            raise BrokenRuleError("\n  ".join([str(broken), *self.happened, *told])) from None

    # -- tasks -----------------------------------------------------------------------------------

    def _offer(self) -> None:
        self.offered += 1
        self._ready([self.offered - 1])

    def _ready(self, tasks: Sequence[int]) -> None:
        for task in self._tell("ready", list(tasks)):
            self.queued[task] = self.known_keys
        self._look_if_it_waits()

    def _begin(self, task: int) -> None:
        stopped = self.plain.is_cancelled or self.plain.is_paused or self.plain.leaves
        _promise(not stopped, f"task {task} begins although the run is stopped")
        _promise(self.queued.pop(task) == self.known_keys, "a task begins with replaced keys")
        self.under_way |= {task}

    def _end(self, task: int) -> None:
        self.under_way -= {task}
        self.done |= {task}
        if self.life.state is State.CANCELLING:
            self._tell("unit_ended", bool(self.under_way))
        elif len(self.done) == self.size and self.gives_back is None:
            self._tell("over")
            self.outcome = "ended by its plan"
        else:
            self._look_if_it_waits()

    def _wait(self, task: int, kind: str) -> None:
        if kind == "a message, attended":
            self.attended |= {task}
            self._look()
            return
        self.under_way -= {task}
        self.attended -= {task}
        self.waits[task] = {
            "a minute": Wait(self.now + MINUTE),
            "a second": Wait(self.now + SECOND),
            "a message": Wait(opened_at=self.now),
            "its retry": Wait(self.now + MINUTE, rests=False),
        }[kind]
        if self.life.state is State.CANCELLING:
            self._tell("unit_ended", bool(self.under_way))
        else:
            self._look()

    def _wake(self, task: int) -> None:
        self.attended -= {task}
        self._look()

    def _go_on(self, task: int) -> None:
        del self.waits[task]
        self._ready([task])

    # -- people ----------------------------------------------------------------------------------

    def _ask(self, stop_request: RunStatus | None, deadline: int = NEVER, *, keys: int = 0) -> None:
        self.stop_request, self.news = stop_request, True
        self.deadline = min(self.deadline, deadline)
        self.keys += keys

    # -- the engine ------------------------------------------------------------------------------

    def _read(self) -> None:
        self.reading = Reading(self.stop_request, self.deadline, self.keys, self.life.stops_found)
        self.news = False

    def _hear(self) -> None:
        assert self.reading is not None
        reading, self.reading = self.reading, None
        if reading.keys > self.known_keys:
            self.known_keys = reading.keys
            self._tell("replaced")
        if reading.stop_request == RunStatus.CANCELLED:
            self._tell("cancel_requested", CANCEL, reading.deadline)
        elif reading.stop_request == RunStatus.PAUSED:
            self._tell("pause_requested")
        else:
            self._tell("resumed", reading.stops_found)

    def _commit(self) -> None:
        """A commit of the run lands: the fence answers it."""
        landed, self.going_on = self.going_on, None
        stop_request = self._met()
        if not self.ours:
            self._tell("lost")
        elif stop_request is not None:
            self.news = True
            self._tell("stop_found", stop_request)
        if self.outcome is None and landed is not None:
            self._ready(landed)

    def _met(self) -> RunStatus | None:
        replaced = self.keys > self.known_keys
        return self.stop_request or (RunStatus.PAUSED if replaced else None)

    def _lose(self) -> None:
        self.ours = False

    def _pass_limit(self) -> None:
        self.limit_armed = False
        self._tell("limit_passed", LIMIT)

    def _given_back(self) -> None:
        self.gives_back = None
        if self.ours:
            self._tell("gave_back", self._met())
        else:
            self._tell("lost")

    def _give(self, *, begins: bool = False) -> None:
        """Its tasks are taken from the slots; one of them may just have begun."""
        self.just_begins = begins
        self._tell("hand_over")
        self._tell("ready_to_hand_over", bool(self.under_way))

    def _leave(self) -> None:
        self.left = True
        self._tell("cut_off")
        if self.outcome is None:
            self._tell("shut_down", self._left())

    def _pass_time(self) -> None:
        self.now += MINUTE
        self._look()

    def _look(self) -> None:
        if self.outcome is None:
            self._tell("review", self._left())

    def _look_if_it_waits(self) -> None:
        if self.waits or self.attended or not self.limit_armed or self.life.state is State.PAUSING:
            self._look()

    def _left(self) -> Remaining:
        begins = bool(self.queued or self.going_on or self.life.held)
        opened = [wait.opened_at for wait in self.waits.values() if wait.opened_at is not None]
        return Remaining(
            now=self.now,
            under_way=bool(self.under_way),
            rests=self.rests,
            idle=bool(self.waits) and not begins and not self.under_way,
            due_at=min([wait.due_at for wait in self.waits.values()], default=NEVER),
            evict_at=max(opened) + LINGERS if opened else None,
            never_evicts=self.keeps,
        )

    @property
    def rests(self) -> bool:
        """Whether all that is left to do waits for a sleep, an event or an approval."""
        begins = self.queued or self.going_on or self.life.held
        waits = self.waits or self.attended
        awake = self.under_way - self.attended
        return bool(waits) and not (begins or awake) and all(w.rests for w in self.waits.values())

    # -- the acts --------------------------------------------------------------------------------

    def _tell(self, fact: str, *args: Any) -> Sequence[Any]:
        told = tell(self.life, fact, *args)
        self.told = (*self.told, told)
        self.plain.told(told)
        if fact != "ready":
            for act in told.answer:
                self._carry_out(act)
            if Do.REVIEW in told.answer:
                _promise(fact != "review", "a look is answered by a look")
                self._look()
        return told.answer

    def _carry_out(self, act: Act) -> None:
        match act:
            case Do.HOLD:
                self._hold()
            case Do.BEGIN:
                self.queued |= dict.fromkeys(self._released(), self.known_keys)
            case Do.BEGIN_IF_OWNED:
                self.going_on = (*(self.going_on or ()), *self._released())
            case Do.STOP_LIMIT | Do.REST | Do.START_LIMIT:
                self.limit_armed = act is Do.START_LIMIT
            case Do.RELEASE_PLACE:
                self.lingers = True
            case CutOffAt(deadline):
                self.cut_off_at = deadline
            case GiveBack():
                _promise(self.gives_back is None, "a run is given back once")
                _promise(not self.under_way or self.left, "a run with bodies is given back")
                self.gives_back = act
            case End() | Do.DROP:
                self.outcome = act
            case Do.INTERRUPT | Do.REVIEW:
                pass

    def _hold(self) -> None:
        tasks = list(self.queued)
        if self.just_begins:
            self.under_way |= {tasks.pop(0)}
        self.just_begins, self.queued = False, {}
        self.life.held += tasks

    def _released(self) -> list[int]:
        tasks = self.life.release()
        _promise(not self.life.held, "what is released is not held any more")
        return tasks

    # -- what is promised ------------------------------------------------------------------------

    def _judge(self) -> None:
        """What holds whenever nothing is about to happen by itself."""
        if self.outcome is not None:
            _promise(self.life.state is State.OVER, "a run that is over has another state")
            return
        places = [*self.queued, *(self.going_on or ()), *self.life.held]
        places += [*self.under_way, *self.waits, *self.done]
        _promise(sorted(places) == list(range(self.offered)), f"each task has one place: {places}")
        stopped = self.plain.is_cancelled or self.plain.is_paused or self.plain.leaves
        if stopped:
            # The owner starts nothing more.
            _promise(not self.queued, "what has not begun is about to begin")
        else:
            _promise(not self.life.held, "a run goes on, and its tasks do not")
            if self.going_on is None:
                self._judge_waiting()
        if self.gives_back is None:
            self._judge_stopping()
        if not self.plain.leaves and self.going_on is None:
            self._judge_limit(stopped=stopped)

    def _judge_stopping(self) -> None:
        if self.plain.cancel is not None:
            # It ends once nothing of it is under way.
            _promise(bool(self.under_way), "a cancelled run without bodies has not ended")
            deadline = self.plain.cancel.deadline
            _promise(self.cut_off_at == deadline, "the deadline of the cancel is not watched")
            # A runner that leaves cuts its bodies off by itself.
            asked = self.plain.interrupted or self.left
            _promise(asked, "the bodies of a cancelled run are not asked to end")
        elif self.plain.pause_read and not self.plain.cancel_found:
            # Bodies and callbacks under way finish; then the owner lets go.
            _promise(bool(self.under_way), "a paused run without bodies is not given back")

    def _judge_waiting(self) -> None:
        """A run that waits is in nobody's memory, unless it is due within 5 s or lingers."""
        left = self._left()
        if left.idle:
            soon = left.due_at - self.now <= 5 * SECOND
            lingers = left.evict_at is not None and self.now < left.evict_at
            _promise(soon or lingers or self.keeps, "a run that waits is in memory")

    def _judge_limit(self, *, stopped: bool) -> None:
        # It stands still while the run is stopped, or waits for a sleep, an event, an approval.
        runs = not stopped and not self.rests
        _promise(self.limit_armed == runs, f"the limit runs: {self.limit_armed}")

    def judge_end(self) -> None:
        """Nothing follows the end: whatever a life is told then, it does nothing."""
        left = Remaining(0, under_way=False, rests=True, idle=True, due_at=NEVER)
        for fact, *args in (
            ("ready", [0]),
            ("review", left),
            ("unit_ended", False),
            ("cancel_requested", CANCEL, 1),
            ("pause_requested",),
            ("stop_found", RunStatus.CANCELLED),
            ("resumed", self.life.stops_found),
            ("replaced",),
            ("cut_off",),
            ("shut_down", left),
            ("hand_over",),
            ("ready_to_hand_over", False),
            ("ready_to_hand_over", True),
            ("gave_back", None),
            ("gave_back", RunStatus.CANCELLED),
            ("lost",),
            ("limit_passed", LIMIT),
            ("fail", BROKEN),
            ("refused", BROKEN, None),
        ):
            self._tell(str(fact), *args)

    def key(self) -> tuple[object, ...]:
        """Stories with equal keys go on alike."""
        life = [getattr(self.life, name) for name in type(self.life).__slots__ if name != "held"]
        own = [value for name, value in vars(self).items() if name not in _NOT_IN_KEY]
        places = (*self.life.held, -1, *self.queued.items(), -1, *self.waits.items())
        return *places, *life, *own, *vars(self.plain).values()


_NOT_IN_KEY: Final = frozenset(
    {"size", "kinds", "keeps", "life", "plain", "happened", "told", "queued", "waits"}
)


def _promise(holds: bool, broken: str) -> None:
    if not holds:
        raise BrokenRuleError(broken)
