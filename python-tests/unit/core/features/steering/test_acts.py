"""Acts say who asks for something, and why, in words that a database can keep."""

from __future__ import annotations

import pytest

from cloaca_core.engine.order import Order
from cloaca_core.features.steering.acts import Acts
from cloaca_core.features.steering.records import Act, Parent
from cloaca_core.values.ids import RunIds
from cloaca_core.values.times.clock import SYSTEM_CLOCK

NOW = 7


@pytest.fixture
def acts() -> Acts:
    return Acts(RunIds(SYSTEM_CLOCK), lambda: NOW)


def told(act: Act) -> tuple[str, str | None, str, int]:
    return act.asked_by, act.reason, act.because, act.now


def test_an_order_of_a_caller_has_the_time_of_the_store(acts: Acts) -> None:
    act = acts.of(Order("cancel", "ann", "no disk"))
    assert told(act) == ("ann", "no disk", "cancelled by ann: no disk", NOW)


def test_an_order_without_a_reason_has_none(acts: Acts) -> None:
    assert acts.of(Order("pause", "ann", None)).reason is None


def test_children_are_acted_on_by_their_parent_and_for_its_reason(acts: Acts) -> None:
    act = acts.of_parent(Parent("r", "cancelled by ann", 9))
    because = "cancelled by ann (with its parent, run r)"
    assert told(act) == ("run r", None, because, NOW)


def test_what_comes_due_is_acted_on_by_cloaca_at_the_instant_that_was_read(acts: Acts) -> None:
    late = "expired: it had not begun in time"
    assert told(acts.of_expiry(9)) == ("cloaca", None, late, 9)
    over = "its pause has come to its end"
    assert told(acts.of_end_of_pause(9)) == ("cloaca", over, over, 9)


def test_each_act_has_an_id_of_its_own(acts: Acts) -> None:
    order = Order("pause", "ann", None)
    assert acts.of(order).id != acts.of(order).id
