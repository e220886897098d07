"""Limits that people look at and change while programs are at work."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from scenarios.steering import WAIT, until

import cloaca

OpenRunner = Callable[..., cloaca.DefaultRunner]

OTHER = """
import sys
import cloaca

with cloaca.Client(sys.argv[1]) as client:
    print(client.set_limit("api", total=int(sys.argv[2]), by="ann"))
"""


class Bodies:
    """Bodies that are inside until one after the other may end."""

    def __init__(self) -> None:
        self.inside = threading.Semaphore(0)
        self.may_end = threading.Semaphore(0)
        self.begun: list[object] = []

    def __call__(self, context: cloaca.Context) -> None:
        self.begun.append(context.get("customer"))
        self.inside.release()
        assert self.may_end.acquire(timeout=WAIT)

    def begin(self, number: int) -> None:
        """Wait until so many more are inside."""
        for _ in range(number):
            assert self.inside.acquire(timeout=WAIT)


def define_calls(
    limit: cloaca.Limit, body: Callable[[cloaca.Context], None], **options: Any
) -> None:
    with cloaca.WorkflowBuilder("calls", **options):
        cloaca.task(id="call", limits=[limit.key("customer")])(body)


def info(client: cloaca.Client) -> cloaca.LimitInfo:
    (only,) = client.limits()
    return only


@pytest.mark.each_backend
def test_another_process_lets_a_body_begin_that_waits(
    open_runner: OpenRunner, database_url: str
) -> None:
    define_calls(cloaca.Limit("api", total=0), lambda _: None)
    runner = open_runner()
    run = runner.submit("calls", {"customer": "ann"})
    until(lambda: info(runner).waiting == 1)

    told = subprocess.run(
        [sys.executable, "-c", OTHER, database_url, "3"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout

    assert told == "True\n"
    assert run.result(WAIT).status == "Completed"
    now = info(runner)
    assert (now.total, now.definition, now.changes) == (3, {"total": 0}, {"total": 3})
    assert now.changed_by == "ann"
    assert now.changed_at is not None
    (act,) = [each for each in runner.actions() if each.kind == "set_limit"]
    assert (act.by, act.reason, act.run_id) == ("ann", "api: total 3", None)


@pytest.mark.each_backend
def test_a_runner_that_raises_a_limit_begins_what_had_left_its_memory(
    open_runner: OpenRunner,
) -> None:
    with cloaca.WorkflowBuilder("calls"):
        cloaca.task(id="call", map=[1, 2], limits=[cloaca.Limit("api", total=0)])(lambda _: None)
    runner = open_runner(evict_after_seconds=0.01)
    run = runner.submit("calls")
    until(lambda: run.status() == "Waiting")

    runner.set_limit("api", total=1)

    assert run.result(WAIT).status == "Completed"


@pytest.mark.each_backend
def test_nothing_that_is_held_is_cut_and_nothing_begins_above_the_new_total(
    open_runner: OpenRunner,
) -> None:
    bodies = Bodies()
    define_calls(cloaca.Limit("api", total=3), bodies)
    runner = open_runner(max_concurrent_tasks=8)
    runs = runner.submit_many("calls", [{"customer": n} for n in range(4)])
    bodies.begin(3)
    until(lambda: info(runner).waiting == 1)

    runner.set_limit("api", total=1)
    bodies.may_end.release()
    until(lambda: info(runner).used == 2)
    bodies.may_end.release()
    until(lambda: info(runner).used == 1)
    assert len(bodies.begun) == 3
    bodies.may_end.release()
    bodies.begin(1)
    bodies.may_end.release()

    assert [run.result(WAIT).status for run in runs] == ["Completed"] * 4


@pytest.mark.each_backend
def test_people_see_which_keys_are_in_use_who_holds_them_and_who_waits(
    open_runner: OpenRunner,
) -> None:
    bodies = Bodies()
    define_calls(cloaca.Limit("api", per_key=1, rate="100/s"), bodies)
    runner = open_runner(max_concurrent_tasks=8)
    first = runner.submit("calls", {"customer": "ann"})
    bodies.begin(1)
    other = runner.submit("calls", {"customer": 3})
    bodies.begin(1)
    second = runner.submit("calls", {"customer": "ann"})
    until(lambda: info(runner).waiting == 1)

    seen, three = runner.limit("api"), runner.limit("api", key=3)
    for _ in range(3):
        bodies.may_end.release()
    second.result(WAIT)

    assert (seen.limit.per_key, seen.limit.rate, seen.limit.burst) == (1, "100/s", 10)
    assert (seen.limit.used, seen.limit.waiting) == (2, 1)
    assert [(each.key, each.used, each.waiting) for each in seen.keys] == [
        ("ann", 1, 1),
        (3, 1, 0),
    ]
    held = [(each.run_id, each.task_id, each.item, each.key) for each in seen.holders]
    assert held == [(first.id, "call", None, "ann"), (other.id, "call", None, 3)]
    assert [each.workflow_name for each in seen.holders] == ["calls", "calls"]
    (waiter,) = seen.waiters
    assert waiter.workflow_name == "calls"
    assert (waiter.run_id, waiter.key, waiter.needs) == (second.id, "ann", (("api", "ann"),))
    assert waiter.since == seen.limit.oldest == seen.keys[0].oldest
    assert [each.run_id for each in three.holders] == [other.id]
    assert three.waiters == ()
    assert info(runner).to_dict()["waiting"] == 0


@pytest.mark.each_backend
def test_what_is_set_wins_over_the_newest_code_until_it_is_cleared(
    open_runner: OpenRunner, database_url: str
) -> None:
    cloaca.register_limit(cloaca.Limit("api", total=20, rate="100/m"))
    runner = open_runner()
    assert runner.set_limit("api", rate=cloaca.NO_LIMIT, per_key=2, by="ann")
    assert not runner.set_limit("api", per_key=2, by="bob")
    newer = cloaca.Registry()
    newer.register_limit(cloaca.Limit("api", total=30, rate="5/10s"))
    with cloaca.Client(database_url) as client:
        with cloaca.DefaultRunner(database_url, registry=newer):
            changed = info(client)
        assert client.clear_limit("api", by="cleo")
        assert not client.clear_limit("api", by="dan")
        cleared = info(client)

    assert (changed.total, changed.per_key, changed.rate) == (30, 2, None)
    assert changed.definition == {"total": 30, "rate": "5/10s", "burst": 1}
    assert changed.changes == {"per_key": 2, "rate": "none"}
    assert (cleared.total, cleared.per_key, cleared.rate) == (30, None, "5/10s")
    assert (cleared.changes, cleared.changed_by, cleared.changed_at) == ({}, None, None)
    acts = [(each.kind, each.reason) for each in reversed(runner.actions())]
    assert acts == [
        ("set_limit", "api: per_key 2, rate none"),
        ("define_limit", "api: total 30, rate 5/10s, burst 1"),
        ("clear_limit", "api"),
    ]


@pytest.mark.backend("sqlite", reason="arguments, refused before a database is asked")
def test_a_change_that_cannot_be_is_refused_at_the_call(runner: cloaca.DefaultRunner) -> None:
    with pytest.raises(cloaca.LimitNotFoundError, match="there is none"):
        runner.clear_limit("api")
    cloaca.register_limit(cloaca.Limit("openai", total=20))
    cloaca.register_limit(cloaca.Limit("gpu", total=2))
    until(lambda: len(runner.limits()) == 2)
    change: Callable[..., bool] = runner.set_limit

    for error, message, settings in (
        (cloaca.DefinitionError, "total must be at least 0, got -1", {"total": -1}),
        (cloaca.DefinitionError, "per_key must be 1 to 1000000, got 0", {"per_key": 0}),
        (cloaca.DefinitionTypeError, "total must be", {"total": "5"}),
        (cloaca.DefinitionTypeError, "total must be", {"total": True}),
        (cloaca.DefinitionError, "rate must be written as", {"rate": "fast"}),
        (cloaca.DefinitionError, "rate must have a count of at least 1", {"rate": "0/s"}),
        (cloaca.DefinitionError, "burst needs rate", {"burst": 3}),
        (cloaca.DefinitionError, "there is nothing to set", {}),
        (cloaca.ConfigError, "by must name who asks", {"total": 1, "by": " "}),
    ):
        with pytest.raises(error, match=message):
            change("openai", **settings)
    with pytest.raises(cloaca.LimitNotFoundError, match="did you mean 'openai'"):
        runner.set_limit("opneai", total=3)
    with pytest.raises(cloaca.LimitNotFoundError, match="known are 'gpu', 'openai'") as refused:
        runner.limit("disk")
    assert refused.value.limit == "disk"
    with pytest.raises(TypeError, match="key must be"):
        runner.limit("gpu", key=1.5)  # type: ignore[arg-type] # what is refused
    assert runner.actions() == []


async def test_limits_can_be_looked_at_and_changed_by_awaiting(database_url: str) -> None:
    cloaca.register_limit(cloaca.Limit("api", total=1))
    async with cloaca.AsyncRunner(database_url) as runner:
        assert await runner.set_limit("api", total=2, by="ann")
        assert [each.total for each in await runner.limits()] == [2]
        assert (await runner.limit("api")).limit.changed_by == "ann"
        assert await runner.clear_limit("api")
