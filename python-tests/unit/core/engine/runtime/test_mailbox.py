"""Things from any thread arrive on the loop, in order, and none is lost."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from model.quiet import quiet

from cloaca_core.engine.runtime.mailbox import Mailbox


async def test_things_of_one_thread_arrive_in_order() -> None:
    received: list[int] = []
    box = Mailbox(asyncio.get_running_loop(), received.append)

    for number in range(100):
        box.put(number)
    await asyncio.sleep(0)

    assert received == list(range(100))


async def test_no_thing_of_many_threads_is_lost() -> None:
    received: list[int] = []
    done = asyncio.Event()

    def receive(number: int) -> None:
        received.append(number)
        if len(received) == 8_000:
            done.set()

    box = Mailbox(asyncio.get_running_loop(), receive)

    def send() -> None:
        for number in range(2_000):
            box.put(number)

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    await done.wait()
    for thread in threads:
        thread.join()

    assert sorted(received) == sorted(list(range(2_000)) * 4)


async def test_one_that_cannot_be_received_does_not_keep_the_rest() -> None:
    received: list[int] = []
    reported: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: reported.append(context))

    def receive(number: int) -> None:
        if number == 1:
            raise ValueError(number)
        received.append(number)

    box = Mailbox(loop, receive)
    for number in range(4):
        box.put(number)
    await quiet()

    assert received == [0, 2, 3]
    assert [type(context["exception"]) for context in reported] == [ValueError]


def test_what_comes_after_the_loop_was_closed_is_dropped() -> None:
    loop = asyncio.new_event_loop()
    box: Mailbox[int] = Mailbox(loop, lambda _: None)
    loop.close()

    for number in range(3):
        box.put(number)

    assert not box._things
