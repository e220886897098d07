"""A body closes all files and sockets of its process: everything that waits is told, and it ends.

The engine's loop is not woken by anything then, and cannot go on.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

import cloaca

WAIT = 60
"""Seconds; a hang is what these tests are about."""
PRELUDE = """
import asyncio, os, sys, threading
import cloaca
inside = threading.Event()
with cloaca.WorkflowBuilder("closes"):
    @cloaca.task(id="only")
    def only(context):
        inside.wait(60)
        os.closerange(3, 10_000)
with cloaca.WorkflowBuilder("closes_async"):
    @cloaca.task(id="only")
    async def only(context):
        inside.wait(60)
        os.closerange(3, 10_000)
"""
REASON = "the runner has broken down: its "


def ended(program: str, database_url: str) -> tuple[str, str, int]:
    """The program's stdout, stderr and exit status."""
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + program, database_url],
        capture_output=True,
        text=True,
        timeout=WAIT,
        stdin=subprocess.DEVNULL,
    )
    return done.stdout, done.stderr, done.returncode


@pytest.mark.parametrize("workflow", ["closes", "closes_async"])
def test_calls_that_wait_and_those_that_follow_are_told_and_the_block_is_left(
    workflow: str, database_url: str
) -> None:
    program = f"""
told = []
def wait_for_it(handle):
    try:
        handle.result()
    except cloaca.RunnerClosedError as error:
        told.append(error)
try:
    with cloaca.DefaultRunner(sys.argv[1]) as runner:
        handle = runner.submit({workflow!r})
        waits = threading.Thread(target=wait_for_it, args=(handle,))
        waits.start()
        inside.set()
        wait_for_it(handle)
        waits.join()
        wait_for_it(handle)
        print(len(told), all({REASON!r} in str(error) for error in told))
except cloaca.RunnerClosedError as error:
    print("left", {REASON!r} in str(error))
runner.shutdown()
print("shut down")
"""
    assert ended(program, database_url) == ("3 True\nleft True\nshut down\n", "", 0)


def test_an_error_that_leaves_the_block_is_not_replaced(database_url: str) -> None:
    program = """
inside.set()
try:
    with cloaca.DefaultRunner(sys.argv[1]) as runner:
        try:
            runner.execute("closes")
        except cloaca.RunnerClosedError:
            raise KeyError("the program's own")
except KeyError as error:
    print(error)
"""
    assert ended(program, database_url) == ('"the program\'s own"\n', "", 0)


def test_an_awaiting_program_is_told_when_its_own_loop_lives(database_url: str) -> None:
    program = f"""
async def main():
    async with cloaca.AsyncRunner(sys.argv[1]) as runner:
        handle = await runner.submit("closes")
        os.close(runner._host._thread.loop._selector.fileno())
        for _ in range(2):
            try:
                await handle.result()
            except cloaca.RunnerClosedError as error:
                print({REASON!r} in str(error))
        await runner.shutdown()
try:
    asyncio.run(main())
except cloaca.RunnerClosedError as error:
    print("left", {REASON!r} in str(error))
"""
    assert ended(program, database_url) == ("True\nTrue\nleft True\n", "", 0)


def test_an_awaiting_program_whose_own_loop_is_closed_as_well_ends(database_url: str) -> None:
    program = """
inside.set()
async def main():
    async with cloaca.AsyncRunner(sys.argv[1]) as runner:
        await runner.execute("closes")
asyncio.run(main())
"""
    output, errors, status = ended(program, database_url)
    assert (output, status) == ("", 1)
    assert "Bad file descriptor" in errors


def test_the_next_program_finishes_the_run(database_url: str) -> None:
    program = """
inside.set()
runner = cloaca.DefaultRunner(sys.argv[1])
try:
    runner.execute("closes")
except cloaca.RunnerClosedError:
    print("told")
"""
    assert ended(program, database_url) == ("told\n", "", 0)
    registry = cloaca.Registry()
    with cloaca.WorkflowBuilder("closes", registry=registry):
        cloaca.task(id="only")(lambda context: {"finished": True})
    with cloaca.DefaultRunner(database_url, registry=registry) as runner:
        (run,) = runner.list_runs()
        result = runner.get_run(run.id).result(WAIT)
    assert result.final_context.to_dict() == {"finished": True}
