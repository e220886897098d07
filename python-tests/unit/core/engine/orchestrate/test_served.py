"""The queues from which a runner claims."""

from __future__ import annotations

from cloaca_core.engine.orchestrate.served import Served
from cloaca_testing.conformance.rows import runner


def test_a_runner_without_queues_serves_all_and_names_none() -> None:
    served = Served(None)
    assert served.text is None
    assert served.serves("any")
    assert served.free("any", 9) == 9
    assert (served.names, served.has_room(), served.most(9)) == (None, True, 9)


def test_a_runner_claims_from_the_queues_that_it_serves_alone() -> None:
    served = Served({"gpu": None, "tape": None})
    assert served.text == '["gpu","tape"]'
    assert (served.names, served.has_room(), served.most(9)) == (["gpu", "tape"], True, 9)
    assert (served.serves("gpu"), served.serves("default")) == (True, False)


def test_a_queue_with_a_number_is_claimed_from_while_it_has_room() -> None:
    served = Served({"gpu": 1, "default": None, "tape": 3})
    assert served.names == ["gpu", "default", "tape"]

    served.room = {"gpu": 0, "tape": 2}.__getitem__
    served.refresh()

    assert served.names == ["default", "tape"]
    assert [served.free(name, 9) for name in ("gpu", "tape", "default", "cpu")] == [0, 2, 9, 0]


def test_a_claim_takes_no_more_runs_than_each_of_its_queues_has_room_for() -> None:
    served = Served({"gpu": 2, "default": None, "tape": 3})
    assert (served.most(9), served.most(1)) == (2, 1)

    served.room = {"gpu": 0, "tape": 3}.__getitem__
    served.refresh()
    assert served.most(9) == 3


def test_a_runner_of_full_queues_alone_claims_from_none() -> None:
    served = Served({"gpu": 1})
    served.room = lambda _: 0
    served.refresh()
    assert (served.names, served.has_room()) == ([], False)


def test_a_queue_is_served_here_or_by_another_runner_that_stays() -> None:
    served = Served({"gpu": None})
    assert (served.is_served("gpu"), served.is_served("tape")) == (True, False)

    served.see([runner("b", queues='["tape"]'), runner("c", queues='["cpu"]')])
    assert [served.is_served(name) for name in ("tape", "cpu", "default")] == [True, True, False]

    served.see([runner("b", queues='["tape"]')._replace(draining_since=1)])
    assert not served.is_served("tape")

    served.see([runner("d")])
    assert served.is_served("default")
