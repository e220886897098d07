"""Waiting until nothing more happens, without a clock."""

from __future__ import annotations

import asyncio
import threading


async def quiet() -> None:
    """Return when nothing on this loop can go on without a timer, a thread or this caller."""
    ready = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]  # there is no other way
    await asyncio.sleep(0)
    while ready:  # noqa: ASYNC110 - it lets the others on, and waits for no time
        await asyncio.sleep(0)


async def threads_end(name: str) -> None:
    """Return when the threads of this name have ended, as they were told to."""
    for thread in threading.enumerate():
        if thread.name == name:
            await asyncio.to_thread(thread.join)
