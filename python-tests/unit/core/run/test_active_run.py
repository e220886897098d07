"""The state in memory of a run that this runner owns."""

from __future__ import annotations

from model.runs import active_run, graph_of

from cloaca_core.values.payloads.json_values import encode
from cloaca_core.values.states import TaskStatus
from cloaca_testing.conformance.rows import attempt

TWO = graph_of(a={}, b={"dependencies": ["a"]})


def test_a_new_run_has_no_past() -> None:
    run = active_run(TWO, {"n": 1})

    assert (run.id, run.epoch, run.recovered, run.cancelled) == ("r", 1, False, False)
    assert (run.resume, run.latest) == ({}, {})


def test_one_that_has_lost_a_process_is_recovered_and_one_that_was_released_is_not() -> None:
    assert active_run(TWO, recoveries=1, epoch=3).recovered
    assert not active_run(TWO, recoveries=0, epoch=3).recovered


def test_what_an_earlier_owner_recorded_is_gone_on_from() -> None:
    past = [attempt("r", "a"), attempt("r", "b", status=TaskStatus.RUNNING, crashes=2)]

    run = active_run(TWO, past=past)
    step = run.plan.begin()

    assert step.ready == [1]
    assert run.plan.contexts.given(1) == {"x": 1}
    assert run.resume[1].crashes == 2
    assert run.latest == {0: past[0], 1: past[1]}


class TestWhenATaskCouldBegin:
    def test_one_that_needs_none_could_as_soon_as_its_run(self) -> None:
        run = active_run(TWO)
        run.row = run.row._replace(created_at=3, claimable_at=0)
        assert run.ready_at("a") == 3

        run.row = run.row._replace(claimable_at=5)  # it was delayed
        assert run.ready_at("a") == 5

    def test_one_that_needs_others_could_when_the_last_of_them_had_ended(self) -> None:
        run = active_run(graph_of(a={}, b={}, c={"dependencies": ["a", "b"]}))
        run.latest = {0: attempt("r", "a")._replace(ended_at=7)}
        assert run.ready_at("c") is None

        run.latest[1] = attempt("r", "b")._replace(ended_at=9)
        assert run.ready_at("c") == 9

    def test_it_is_not_known_of_a_run_that_has_had_another_owner(self) -> None:
        assert active_run(TWO, epoch=2).ready_at("a") is None


class TestSizeBound:
    def test_it_begins_with_the_input_in_bytes(self) -> None:
        assert active_run(TWO, {"x": "ü"}).size_bound == len(b'{"x":"\xc3\xbc"}')

    def test_what_an_earlier_owner_recorded_counts(self) -> None:
        text = encode({"set": {"x": "ü" * 1000}, "removed": []})
        past = [attempt("r", "a")._replace(change=text), attempt("r", "b", error="no")]

        run = active_run(TWO, {"n": 1}, past)
        run.plan.begin()

        assert run.size_bound >= len(encode({"n": 1, "x": "ü" * 1000}).encode())
