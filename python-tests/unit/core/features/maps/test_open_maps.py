"""How many items of an open map are prepared."""

from __future__ import annotations

from tables import each_row
from unit.core.features.maps.data import items

from cloaca_core.engine.execute.body_log import NoLog
from cloaca_core.engine.execute.work import Line
from cloaca_core.features.maps.open_maps import LOOKS, MOST_PREPARED, SPARE, OpenMap
from cloaca_core.features.maps.openings import Opening
from cloaca_core.features.maps.plan import ItemPlan
from cloaca_core.values.map_items import SharedInput
from cloaca_core.values.option_names import ItemPolicyName
from cloaca_testing.conformance.rows import attempt


def opened(slots: int, policy: ItemPolicyName = "finish", most_open: int = 1000) -> OpenMap:
    """A map of 10,000 items, of which eight may be prepared."""
    of = items(10_000)
    return OpenMap(
        0,
        attempt("r", "t"),
        of,
        Opening(1, {}, is_new=True),
        ItemPlan(len(of.values), policy),
        None,
        NoLog(),
        SharedInput({}),
        most_open=most_open,
        most_here=8,
        line=Line(lambda: 0),
        slots=slots,
    )


def test_more_items_are_prepared_once_a_slot_had_none_to_run() -> None:
    one = opened(4)
    one.here = {1, 2, 3, 4}
    one.keep_up()
    assert one.room() == 4
    one.here = {1, 2, 3}
    one.keep_up()
    assert one.room() > 4
    for _ in range(10):
        one.keep_up()
    assert one.room() == MOST_PREPARED - 3


def test_not_more_are_prepared_while_open_items_keep_the_rest_waiting() -> None:
    one = opened(4, most_open=10)
    list(one.plan.begin(8))
    one.here = {1, 2}  # six wait to be tried again
    one.keep_up()
    list(one.plan.begin(2))
    assert (one.room(), one.most_here) == (0, 8)


def test_as_few_as_before_are_prepared_once_few_end_at_a_time() -> None:
    one = opened(4)
    one.keep_up()
    one.keep_up()
    assert one.most_here == MOST_PREPARED
    for lacking in (30, 1):
        for _ in range(LOOKS):
            assert one.most_here > SPARE * lacking
            one.here = set(range(one.most_here - lacking))
            one.keep_up()
        assert one.most_here == max(8, SPARE * lacking)


@each_row("one", [opened(0), opened(4, "stop")])
def test_not_more_are_prepared_that_take_no_slot_or_end_with_a_failure(one: OpenMap) -> None:
    one.keep_up()
    assert one.room() == 8
