"""The order in which work gets slots, against a plain list."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings, strategies as st

from cloaca_core.engine.execute.slot_queue import AGED_SHARE, SlotQueue
from cloaca_core.engine.execute.work import Line, Work
from cloaca_core.values.times.clock import SYSTEM_CLOCK


class Nothing(Work):
    """Work that does nothing."""

    def __init__(self, priority: int = 0, since: int = 0) -> None:
        super().__init__(is_async=False, clock=SYSTEM_CLOCK, priority=priority, since=since)

    def run(self) -> None:
        raise NotImplementedError

    async def run_async(self) -> None:
        raise NotImplementedError

    def broke(self, error: BaseException) -> None:
        raise NotImplementedError


def filled(works: Sequence[Nothing]) -> SlotQueue:
    queue = SlotQueue()
    for work in works:
        queue.put(work)
    return queue


def taken(queue: SlotQueue) -> list[Work]:
    found = []
    while (work := queue.take()) is not None:
        found.append(work)
    return found


def test_a_higher_priority_comes_first_then_the_run_that_is_claimable_for_longest() -> None:
    low, late, early, high = Nothing(-1, 1), Nothing(0, 9), Nothing(0, 2), Nothing(5, 10)

    assert taken(filled([low, late, early, high])) == [high, early, late, low]


def test_work_of_one_run_comes_in_the_order_of_its_arrival() -> None:
    works = [Nothing(since=7) for _ in range(25)]

    assert taken(filled(works)) == works


def test_every_tenth_place_goes_to_the_oldest_whatever_its_priority() -> None:
    old = [Nothing(-100, since) for since in range(3)]
    urgent = [Nothing(100, 1_000 + since) for since in range(30)]

    order = taken(filled([*urgent, *old]))

    assert [order.index(work) for work in old] == [9, 19, 29]
    assert [work for work in order if work not in old] == urgent


def test_what_waits_no_more_is_passed_over() -> None:
    works = [Nothing() for _ in range(4)]
    queue = filled(works)

    queue.remove(works[0])
    queue.remove(works[2])

    assert (len(queue), works[0] in queue, works[1] in queue) == (2, False, True)
    assert taken(queue) == [works[1], works[3]]
    assert queue.take() is None


def in_line(line: Line, count: int) -> list[Nothing]:
    works = [Nothing() for _ in range(count)]
    for work in works:
        work.line = line
    return works


def test_the_turn_of_work_in_a_line_comes_when_the_work_before_it_was_taken() -> None:
    instants = iter([10, 20, 30])
    works = in_line(Line(lambda: next(instants)), 3)
    early, late, latest = Nothing(since=15), Nothing(since=25), Nothing(since=35)

    assert taken(filled([*works, late, early, latest])) == [
        works[0],
        early,
        works[1],
        late,
        works[2],
        latest,
    ]


def test_work_of_a_line_that_waits_no_more_is_passed_over() -> None:
    line = Line(lambda: 0)
    works = in_line(line, 5)
    queue = filled(works)

    for gone in (works[0], works[1], works[4]):
        queue.remove(gone)
    found = taken(queue)
    queue.put(works[4])

    assert (found, queue.take(), queue.take()) == ([works[2], works[3]], works[4], None)


LINED = st.lists(
    st.tuples(st.sampled_from(["put", "take", "remove"]), st.integers(0, 9)), max_size=40
)


@settings(max_examples=200)
@given(LINED)
def test_the_works_of_a_line_wait_for_one_turn(steps: list[tuple[str, int]]) -> None:
    lines = [None, Line(lambda: 0), Line(lambda: 0)]
    queue, waiting = SlotQueue(), list[Work]()
    for what, number in steps:
        if what == "put":
            waiting.append(Nothing(number % 3))
            waiting[-1].line = lines[number % 3]
            queue.put(waiting[-1])
        elif what == "remove" and waiting:
            queue.remove(waiting.pop(number % len(waiting)))
        elif (taken := queue.take()) is not None:
            waiting.remove(taken)
        alone = sum(work.line is None for work in waiting)
        assert queue.turns == alone + len({work.line for work in waiting if work.line})


STEPS = st.lists(
    st.tuples(st.just("put"), st.integers(-2, 2), st.integers(0, 3))
    | st.tuples(st.sampled_from(["take", "remove"]), st.just(0), st.integers(0, 9)),
    max_size=60,
)


@settings(max_examples=200)
@given(STEPS)
def test_it_is_the_order_of_a_plain_list(steps: list[tuple[str, int, int]]) -> None:
    queue, plain, count = SlotQueue(), list[Nothing](), 0
    for what, priority, number in steps:
        if what == "put":
            plain.append(Nothing(priority, number))
            queue.put(plain[-1])
        elif what == "remove" and plain:
            queue.remove(plain.pop(number % len(plain)))
        elif what == "take":
            aged = count % AGED_SHARE == AGED_SHARE - 1
            expected = min(plain, key=_oldest if aged else _foremost, default=None)
            assert queue.take() is expected
            if expected is not None:
                plain.remove(expected)
                count += 1
        assert len(queue) == len(plain)


def _foremost(work: Work) -> tuple[int, int]:
    return -work.priority, work.since


def _oldest(work: Work) -> int:
    return work.since
