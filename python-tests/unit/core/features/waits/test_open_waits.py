"""Which of a run's waits meet which of its messages, and which are over by time."""

from __future__ import annotations

from cloaca_core.features.waits.open_waits import OpenWait, OpenWaits, restored
from cloaca_core.features.waits.records import ClosedWait, WaitRow
from cloaca_core.run.items.units import unit_of
from cloaca_core.run.restore import Resume
from cloaca_core.store.messages import MessageRow
from cloaca_core.values.waits import APPROVAL, EVENT, RUN, SLEEP
from cloaca_testing.conformance.rows import memo

TASKS = {"a": 0, "b": 1, "c": 2}


def row(
    task: str,
    name: str = "tick",
    *,
    kind: str = EVENT,
    number: int = 0,
    due_at: int | None = None,
    opened_at: int = 100,
    timed_out: int = 0,
) -> WaitRow:
    return WaitRow("r", task, kind, name, number, 1, "", opened_at, due_at, "{}", timed_out)


def message(number: int, name: str = "tick", kind: str = EVENT) -> MessageRow:
    return MessageRow("r", number, f"m{number}", kind, name, str(number), None, None, 0, None)


def waits(*rows: WaitRow) -> OpenWaits:
    return restored(TASKS, rows, [], sent=0, resume={})


def met(of: OpenWaits, *, bodies_only: bool = False) -> list[tuple[str, int]]:
    found = of.matches(bodies_only=bodies_only)
    return [(wait.row.task_id, each.number) for wait, each in found]


def due(of: OpenWaits, now: int, *, bodies_only: bool = False) -> list[str]:
    return [wait.row.task_id for wait in of.due(now, bodies_only=bodies_only)]


def is_news(of: OpenWaits) -> tuple[int, bool]:
    """How many messages were seen, and whether more have come."""
    return of.seen, of.has_news


def the(of: OpenWaits) -> OpenWait:
    (wait,) = of
    return wait


class TestMessages:
    def test_the_first_wait_in_definition_order_gets_the_oldest_message(self) -> None:
        both = waits(row("b"), row("a"))
        both.put([message(1), message(2)], 0)
        assert met(both) == [("a", 1), ("b", 2)]

    def test_items_of_the_first_map_get_messages_before_those_of_the_second(self) -> None:
        both = OpenWaits()
        for task, item in ((1, 0), (0, 1), (0, 0)):
            of_item = row("ab"[task], number=item)._replace(item=item)
            both.add(unit_of(task, item), of_item, durable=True).attended = True
        both.put([message(1), message(2), message(3)], 0)
        found = both.matches(bodies_only=True)
        assert [(wait.row.task_id, wait.row.item) for wait, _ in found] == [
            ("a", 0),
            ("a", 1),
            ("b", 0),
        ]

    def test_a_message_to_an_item_is_its_own_and_comes_first(self) -> None:
        both = OpenWaits()
        for item in (0, 1, 2):
            of_item = row("a", number=1)._replace(item=item)
            both.add(unit_of(0, item), of_item, durable=True).attended = True
        to_one = [
            message(2)._replace(for_task="a", for_item=1),
            message(3)._replace(for_task="b", for_item=0),
            message(4)._replace(for_task="a", for_item=7),
        ]
        both.put([message(1), *to_one], 0)
        assert both.append(message(5)._replace(for_task="a", for_item=0))

        found = both.matches(bodies_only=True)

        assert [(wait.row.item, each.number) for wait, each in found] == [(0, 5), (1, 2), (2, 1)]

    def test_of_two_waits_of_one_body_the_earlier_one_is_first(self) -> None:
        both = waits(row("a", number=2), row("a", number=1))
        both.suspended[0] = Resume()
        both.put([message(1)], 0)
        ((wait, _),) = both.matches(bodies_only=False)
        assert wait.row.number == 1

    def test_a_message_ends_one_wait_and_is_not_given_again(self) -> None:
        both = waits(row("a"), row("b"))
        both.put([message(1)], 0)
        assert met(both) == [("a", 1)]
        both.put([message(1), message(2)], 0)  # it had come while this was read
        assert met(both) == [("b", 2)]

    def test_a_message_that_comes_while_others_are_read_is_there_once(self) -> None:
        one = waits(row("a", "other"))
        assert one.append(message(1, "other"))
        one.put([message(1, "other")], sent=1)  # it was read as well
        assert met(one) == [("a", 1)]
        one.add(1, row("b", "other"), durable=True)
        assert met(one) == []

    def test_a_message_that_is_told_of_while_others_are_read_is_still_news(self) -> None:
        one = waits(row("a"))
        one.sent = 2
        one.put([message(1, "other")], sent=1)
        assert (one.seen, one.sent, one.has_news) == (1, 2, True)

    def test_messages_that_others_have_taken_are_no_news(self) -> None:
        one = waits(row("a"))
        one.sent = 2
        one.put([], sent=2)
        assert not one.has_news

    def test_a_message_of_another_name_or_kind_is_kept(self) -> None:
        one = waits(row("a"))
        one.put([message(1, "other"), message(2, "tick", APPROVAL)], 0)
        assert met(one) == []
        one.remove(the(one))
        one.add(1, row("b", "other"), durable=True)
        assert met(one) == [("b", 1)]

    def test_a_wait_whose_row_is_not_durable_gets_none_yet(self) -> None:
        one = waits()
        wait = one.add(0, row("a"))
        one.put([message(1)], 0)
        assert met(one) == []
        wait.durable = True
        assert met(one) == [("a", 1)]

    def test_a_wait_that_has_timed_out_gets_none(self) -> None:
        one = waits(row("a", timed_out=1))
        one.put([message(1)], 0)
        assert met(one) == []

    def test_a_wait_whose_end_is_on_its_way_gets_none(self) -> None:
        one = waits(row("a"))
        the(one).ending = True
        one.put([message(1)], 0)
        assert met(one) == []

    def test_news_are_messages_that_were_told_of_and_not_read(self) -> None:
        one = restored(TASKS, [row("a")], [message(3)], sent=3, resume={})
        assert is_news(one) == (3, False)
        one.sent = 5
        assert is_news(one) == (3, True)
        one.put([message(5), message(6)], 5)  # one more has come since
        assert is_news(one) == (6, False)

    def test_what_was_told_of_while_messages_were_read_is_still_news(self) -> None:
        one = restored(TASKS, [row("a")], [], sent=0, resume={})
        one.sent = 1
        one.sent = 2  # a commit is faster than the answer, which may be older
        one.put([message(1)], 1)
        assert is_news(one) == (1, True)
        one.put([message(2)], 2)
        assert is_news(one) == (2, False)

    def test_an_end_without_a_number_is_taken_at_once_or_dropped_until_it_has_one(self) -> None:
        one = waits(row("a", "c", kind=RUN))
        one.unread.hear(message(0, "c", RUN))
        one.unread.hear(message(0, "d", RUN)._replace(id="d:1"))
        assert met(one) == [("a", 0)]
        assert (one.unread.drop_unnumbered(), one.unread.drop_unnumbered()) == (True, False)
        one.add(1, row("b", "d", kind=RUN), durable=True)
        assert met(one) == []
        one.put([message(1, "d", RUN)._replace(id="d:1")], 1)
        assert met(one) == [("b", 1)]

    def test_an_end_that_is_read_as_well_is_there_once(self) -> None:
        """Another runner has numbered it before this one has heard of it."""
        heard, read = message(0, "c", RUN)._replace(id="c:1"), message(1, "c", RUN)
        for read_first in (False, True):
            one = waits()
            one.put([read._replace(id="c:1")] if read_first else [], 0)
            one.unread.hear(heard)
            one.put([] if read_first else [read._replace(id="c:1")], 1)
            assert not one.unread.drop_unnumbered()
            one.add(0, row("a", "c", kind=RUN), durable=True)
            one.add(1, row("b", "c", kind=RUN), durable=True)
            assert met(one) == [("a", 1)]

    def test_messages_that_were_read_long_ago_are_no_news(self) -> None:
        assert not restored(TASKS, [row("a")], [], sent=7, resume={}).has_news


class TestBodies:
    def test_the_wait_of_a_body_ends_only_while_it_is_there_or_has_left(self) -> None:
        one = waits(row("a", number=1))
        one.put([message(1)], 0)
        assert met(one) == []
        the(one).attended = True
        assert met(one) == [("a", 1)]
        two = waits(row("a", number=1))
        two.put([message(1)], 0)
        two.suspended[0] = Resume()
        assert met(two) == [("a", 1)]

    def test_while_a_run_is_paused_only_bodies_that_are_there_go_on(self) -> None:
        three = waits(row("a"), row("b", number=1), row("c", number=1))
        three.suspended[1] = Resume()
        (there,) = three.of(2)
        there.attended = True
        three.put([message(1), message(2), message(3)], 0)
        assert met(three, bodies_only=True) == [("c", 1)]
        assert met(three) == [("a", 2), ("b", 3)]


class TestTime:
    def test_a_wait_is_over_when_its_instant_has_come(self) -> None:
        three = waits(row("c", due_at=300), row("b", due_at=200), row("a"))
        assert due(three, 199) == []
        assert due(three, 200) == ["b"]
        assert due(three, 300) == ["b", "c"]
        assert three.next_due() == 200

    def test_a_wait_that_the_table_has_timed_out_is_over(self) -> None:
        assert due(waits(row("a", due_at=500, timed_out=1)), 0) == ["a"]

    def test_the_instant_by_which_the_run_was_let_go_has_come(self) -> None:
        both = waits(row("a", due_at=200), row("b", due_at=201))
        both.due_now = 200
        assert due(both, 0) == ["a"]

    def test_a_wait_that_is_ending_is_due_no_more(self) -> None:
        one = waits(row("a", kind=SLEEP, name="", due_at=200))
        the(one).ending = True
        assert due(one, 200) == []
        assert one.next_due() is None

    def test_the_wait_of_a_body_that_is_lost_is_not_over_by_time(self) -> None:
        assert due(waits(row("a", kind=SLEEP, name="", number=1, due_at=1)), 2) == []


class TestRest:
    def test_nodes_and_tasks_whose_bodies_have_left_rest(self) -> None:
        three = waits(row("a"), row("b", number=1), row("c", number=1))
        three.suspended[2] = Resume()
        assert three.resting() == {0, 2}

    def test_a_node_rests_once_its_row_is_durable(self) -> None:
        one = waits()
        one.add(0, row("a"))
        assert one.resting() == set()

    def test_a_node_waits_without_a_body_also_before_its_row_is_durable(self) -> None:
        one = waits(row("b", number=1), row("c", number=1))
        one.add(0, row("a"))
        one.suspended[2] = Resume()
        assert one.without_body() == {0, 2}

    def test_the_ends_of_waits_are_forgotten_with_their_attempt(self) -> None:
        one = waits(row("a", number=1), row("b", number=1))
        for wait in one:
            one.ended[wait.key] = memo("r")
        one.forget_ended(0)
        assert [key.task for key in one.ended] == [1]

    def test_a_task_whose_body_left_rests_once_all_rows_of_its_waits_are_durable(self) -> None:
        one = waits()
        wait = one.add(0, row("a", number=1))
        one.suspended[0] = Resume()
        assert one.resting() == set()
        wait.durable = True
        assert one.resting() == {0}

    def test_only_waits_for_events_linger(self) -> None:
        others = waits(row("a", kind=SLEEP, name=""), row("b", "b", kind=APPROVAL))
        assert others.newest_for_event() is None
        both = waits(row("a", opened_at=5), row("b", opened_at=7))
        assert both.newest_for_event() == 7

    def test_waits_of_tasks_that_the_workflow_has_no_more_are_left_out(self) -> None:
        assert len(waits(row("gone"))) == 0

    def test_a_wait_is_closed_with_its_key_and_its_message(self) -> None:
        wait = the(waits(row("a", number=3)))
        assert wait.closed("m") == ClosedWait("r", "a", EVENT, "tick", 3, "m")
        assert wait.closed() == ClosedWait("r", "a", EVENT, "tick", 3, None)

    def test_a_wait_with_the_same_key_replaces_one(self) -> None:
        one = waits(row("a"))
        old = the(one)
        new = one.add(0, row("a", opened_at=900))
        assert not one.has(old)
        one.remove(old)  # which is not there any more
        assert one.has(new)
