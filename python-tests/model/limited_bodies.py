"""Bodies that hold places of limits, in virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

from model.virtual_engine import Program, World
from model.virtual_time import the_loop

from cloaca_core.definition.context import Context
from cloaca_core.definition.limits.limit import Limit


class Bodies:
    """An async body that takes ``seconds``: when each began, and how many are under way at most."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.begun: list[float] = []
        self.items: list[Any] = []
        self.most = self._now = 0
        self._beginning = the_loop().time()

    async def __call__(self, _: Context) -> None:
        self.begun.append(the_loop().time() - self._beginning)
        self._now += 1
        self.most = max(self.most, self._now)
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self._now -= 1


def limited(w: World, bodies: Bodies, limit: Limit, name: str = "flow", **options: Any) -> None:
    async def body(context: Context) -> None:
        await bodies(context)

    w.define(body, name, limits=[limit], **options)


async def run_all(program: Program, *names: str) -> None:
    """Submit runs of these workflows at once, and wait for their ends."""
    ids = [await program.submit(name) for name in names]
    for each in ids:
        await program.wait(each)


def no_place_is_left(w: World) -> bool:
    table = w.store.limit_table
    held = any(line.held for line in table.lines.values())
    return not (held or table.grants or table.waiters)
