"""What bodies log outlives their process, but for the last moments; another process follows it."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

import cloaca
from process.fleet import Fleet

BEFORE = [f"line {number}" for number in range(3)]
AFTER = [f"line {number}" for number in range(3, 6)]


@pytest.fixture
def client(fleet: Fleet) -> Iterator[cloaca.Client]:
    """In the process of the test; the database is there once a worker is ready."""
    fleet.start().end()
    with cloaca.Client(fleet.url) as opened:
        yield opened


def messages(lines: list[cloaca.LogLine]) -> list[str]:
    return [line.message for line in lines]


def test_lines_that_another_process_has_seen_outlive_a_crash(
    fleet: Fleet, client: cloaca.Client
) -> None:
    victim = fleet.start(hold=["t"])
    run = client.get_run(victim.submit("logged"))
    following = run.follow_logs()
    assert messages([next(following) for _ in BEFORE]) == BEFORE
    assert victim.kill() == -signal.SIGKILL

    rescuer = fleet.start()

    assert rescuer.result(run.id) == ("Completed", {"trail": ["t"]})
    again = list(following)
    assert messages(again) == BEFORE + AFTER
    lines = run.logs()
    assert messages(lines) == BEFORE + BEFORE + AFTER
    assert [line.position for line in lines] == sorted({line.position for line in lines})
    assert {line.dropped for line in lines} == {0}


@pytest.mark.parametrize("point", ["journal.before_commit", "journal.after_commit"])
def test_a_crash_loses_the_tail_alone(fleet: Fleet, client: cloaca.Client, point: str) -> None:
    """The next commit is that of the lines after those that have been seen."""
    victim = fleet.start(hold=["t", "end"])
    run = client.get_run(victim.submit("logged"))
    following = run.follow_logs()
    assert messages([next(following) for _ in BEFORE]) == BEFORE
    fleet.await_row(victim, "SELECT 1 FROM cloaca_attempt WHERE run_id = ?", run.id)
    victim.tell("die", point)
    victim.hear("dying")
    victim.tell("release", "t")
    assert victim.exit_code() == -signal.SIGKILL
    kept = messages(run.logs())
    assert kept == (BEFORE + AFTER)[: len(kept)]
    if point == "journal.before_commit":
        assert len(kept) == len(BEFORE)
    else:
        assert len(kept) > len(BEFORE)

    rescuer = fleet.start()

    assert rescuer.result(run.id)[0] == "Completed"
    assert messages(run.logs()) == kept + BEFORE + AFTER


def test_a_crash_before_the_end_is_recorded_loses_no_line_that_was_seen(
    fleet: Fleet, client: cloaca.Client
) -> None:
    victim = fleet.start(fault="run.before_end", hold=["end"])
    run = client.get_run(victim.submit("logged"))
    following = run.follow_logs()
    assert messages([next(following) for _ in BEFORE + AFTER]) == BEFORE + AFTER
    victim.tell("release")
    assert victim.exit_code() == -signal.SIGKILL

    rescuer = fleet.start()

    assert rescuer.result(run.id)[0] == "Completed"
    assert messages(run.logs()) == 2 * (BEFORE + AFTER)


def test_a_process_that_lost_its_run_writes_no_further_line(
    fleet: Fleet, client: cloaca.Client
) -> None:
    stopped = fleet.start(hold=["t"], lease_seconds=2)
    run = client.get_run(stopped.submit("logged"))
    following = run.follow_logs()
    assert messages([next(following) for _ in BEFORE]) == BEFORE
    stopped.freeze()
    rescuer = fleet.start(lease_seconds=2)
    assert rescuer.result(run.id) == ("Completed", {"trail": ["t"]})
    kept = run.logs()

    stopped.signal(signal.SIGCONT)
    stopped.tell("release")

    assert stopped.result(run.id) == ("Completed", {"trail": ["t"]})
    assert stopped.end()[0] == 0
    assert run.logs() == kept
    assert messages(kept) == BEFORE + BEFORE + AFTER


def test_a_runner_that_is_told_to_end_leaves_all_lines(fleet: Fleet, client: cloaca.Client) -> None:
    """Its body does not end in time: another runner begins it again."""
    leaving = fleet.start(hold=["end"], shutdown_grace_seconds=0.1)
    run_id = leaving.submit("logged")
    leaving.hear("holding")
    leaving.end()

    assert messages(client.get_run(run_id).logs()) == BEFORE + AFTER


def test_two_processes_follow_a_third(fleet: Fleet, client: cloaca.Client) -> None:
    runner = fleet.start(hold=["t", "end"])
    run_id = runner.submit("logged")
    with cloaca.Client(fleet.url) as other:
        both = [each.get_run(run_id).follow_logs() for each in (client, other)]
        for following in both:
            assert messages([next(following) for _ in BEFORE]) == BEFORE
        runner.tell("release")
        for following in both:
            assert messages(list(following)) == AFTER
