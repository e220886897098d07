"""Runs whose bodies hold places of limits, for storms, and what must be true of places at any time.

Workers define the runs (``define``). ``Sampler`` looks at the rows while they are under way.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias

import cloaca
from cloaca_core.features.limits.records import Need, needs_of
from cloaca_core.values.limits.settings import LimitSettings

if TYPE_CHECKING:
    from process.fleet import Entry, Fleet

Rows: TypeAlias = list[tuple[Any, ...]]
Note = Callable[..., None]

API: Final = 3
OF_CUSTOMER: Final = 2
GPU: Final = 2
LIMITS: Final = {
    "api": LimitSettings(total=API, per_key=OF_CUSTOMER),
    "gpu": LimitSettings(total=GPU),
}
ITEMS: Final = 4
TASKS: Final[Mapping[str, Collection[str]]] = {
    "calls": ["api"],
    "many": ["gpu"],
    "both": ["api", "gpu"],
    "sleeps": ["gpu"],
}
"""The limits of each task."""
SAMPLE: Final = (
    "SELECT 'line', name, key, held FROM cloaca_limit_line"
    " UNION ALL SELECT 'grant', runner_id, needs, 1 FROM cloaca_limit_grant"
)


# -- for workers -----------------------------------------------------------------------------------


def define(note: Note, registry: cloaca.Registry) -> None:
    """Register the workflow "shares". Its bodies note when they have a place, and when not."""
    api = cloaca.Limit("api", total=API, per_key=OF_CUSTOMER)
    gpu = cloaca.Limit("gpu", total=GPU)
    customer = api.key("child")

    def use(handle: cloaca.TaskHandle, unit: str) -> None:
        note(handle, f"+{unit}")
        try:
            handle.step("work", str, unit)
        finally:
            note(handle, f"-{unit}")

    with cloaca.WorkflowBuilder("shares", registry=registry):

        @cloaca.task(id="calls", limits=[customer])
        def calls(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            use(handle, "calls")

        @cloaca.task(id="many", map=list(range(ITEMS)), limits=[gpu])
        def many(context: cloaca.Context, item: int, handle: cloaca.TaskHandle) -> None:
            use(handle, f"many:{item}")

        @cloaca.task(
            id="both",
            limits=[customer, gpu],
            dependencies=["calls"],
            retry_delay_ms=1,
            retry_backoff="fixed",
            retry_jitter=False,
        )
        def both(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            use(handle, "both")
            if handle.attempt == 1:
                raise ConnectionError("again")

        @cloaca.task(id="sleeps", limits=[gpu], dependencies=["many"])
        def sleeps(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            use(handle, "sleeps")
            handle.sleep(0.005)
            use(handle, "sleeps")


# -- for tests -------------------------------------------------------------------------------------


def check_rows(rows: Rows, limits: Mapping[str, LimitSettings]) -> None:
    """The counts of lines are the places of grants, and no more than the limits have. ``rows`` are
    those of ``SAMPLE``.
    """
    counted: Counter[Need] = Counter()
    for kind, _, text, _ in rows:
        if kind == "grant":
            needs = needs_of(text)
            counted.update(set(needs) | {(name, "") for name, _ in needs})
    held = {(name, key): number for kind, name, key, number in rows if kind == "line" and number}
    assert held == dict(counted)
    for (name, key), number in held.items():
        most = limits[name].per_key if key else limits[name].total
        assert most is None or number <= most


class Sampler:
    """Looks at the rows of places, again and again in a thread, until the block ends; a sample that
    breaks a rule fails the block.
    """

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._sample)
        self._broken: list[BaseException] = []
        self.samples = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()
        if self._broken:
            raise self._broken[0]

    def _sample(self) -> None:
        try:
            while not self._is_over.is_set():
                check_rows(self._fleet.query(SAMPLE), LIMITS)
                self.samples += 1
        except BaseException as error:
            self._broken.append(error)


def too_many(ledger: Sequence[Entry], left_out: Mapping[int | str, int]) -> list[str]:
    """The first moment, in words, at which more bodies used a limit than it has places, by what
    they have noted. ``left_out`` are processes that were stopped or killed and runs that were
    cancelled, each with the number of a line up to which it was surely not: their bodies are not
    counted after that.
    """
    under_way: dict[tuple[int, str, str], int] = {}
    for number, entry in enumerate(ledger):
        gone = {each for each, last in left_out.items() if last < number}
        for body in [body for body in under_way if not gone.isdisjoint(body)]:
            del under_way[body]
        body = entry.pid, entry.run_id, entry.task_id[1:]
        if entry.task_id[0] == "+" and gone.isdisjoint(body):
            under_way[body] = number
        elif entry.task_id[0] == "-":
            under_way.pop(body, None)
        used = Counter(limit for _, _, unit in under_way for limit in _limits_of(unit))
        if any(number > (LIMITS[limit].total or 0) for limit, number in used.items()):
            first = min(under_way.values())
            return [str(under_way), *map(str, ledger[first : number + 1])]
    return []


def _limits_of(unit: str) -> Collection[str]:
    return TASKS[unit.partition(":")[0]]


def check_nothing_is_left(fleet: Fleet) -> None:
    """No place is taken, and nothing waits for one."""
    assert fleet.query("SELECT * FROM cloaca_limit_grant") == []
    assert fleet.query("SELECT * FROM cloaca_limit_waiter") == []
    assert {held for (held,) in fleet.query("SELECT held FROM cloaca_limit_line")} == {0}
