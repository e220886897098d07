"""Bodies that an executor finds by their names, in processes of its own."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path

import cloaca

LOG = logging.getLogger("app.elsewhere")


def logs_and_waits(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
    """Log, wait until something is written to the pipe ``go_on``, and log again."""
    LOG.info("first, in %s", "another process")
    handle.progress(1, 2, "half")
    Path(context.get("go_on")).read_text(encoding="utf-8")
    handle.log("last", process=os.getpid())


async def logs_async(context: cloaca.Context) -> None:
    """Log from a coroutine and from a thread of it."""
    LOG.info("a")
    await asyncio.to_thread(LOG.warning, "b")


def logs_and_dies(context: cloaca.Context) -> None:
    """Log, and end the process."""
    LOG.error("the last words")
    os._exit(1)


SECRET = 'c4nary-"7f3a" e1'  # noqa: S105 - it opens nothing
"""What a worker has from elsewhere, as from its own environment."""


def tells_a_secret(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
    """Log a secret, by a logger named so too, and raise an error with it and another one in its
    cause.
    """
    LOG.warning("with %s", SECRET)
    logging.getLogger(f"of.{SECRET}").info("named so")
    handle.progress(1, 2, "x" * 250 + SECRET)
    handle.log("called", key={"of": [SECRET]})
    try:
        raise LookupError(SECRET)
    except LookupError as error:
        raise type(f"Error_{SECRET}", (ValueError,), {})(f"no answer with {SECRET}") from error
