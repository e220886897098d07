"""A program that has the kernel and no feature, on a SQLite file: its arguments are that, and

* ``dies``: it submits a run of three tasks and kills itself in the second
* ``runs``: it takes such a run over, submits one of its own, and prints how both have ended, and
  whether their first tasks have run here
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys

from cloaca_core.config import DefaultRunnerConfig
from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.context import Context
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task
from cloaca_core.engine.calls.arguments import Requests
from cloaca_core.engine.execute.executor import Executor
from cloaca_core.engine.kernel import Kernel
from cloaca_core.engine.lifecycle import Lifecycle
from cloaca_core.run.rows import RunFilter
from cloaca_core.store.protocol import StoreOptions
from cloaca_core.store.sql.store import SqlKernelStore
from cloaca_core.values.times.clock import SYSTEM_CLOCK
from cloaca_sqlite.opening import open_dialect
from cloaca_sqlite.url import parse


def registry_of(*, dies: bool) -> Registry:
    """One workflow, whose second task kills its process if that is to die."""
    registry = Registry()
    with WorkflowBuilder("chain", registry=registry):

        @task(id="first")
        def first(context: Context) -> None:
            context.set("first", os.getpid())

        @task(id="second", dependencies=["first"])
        def second(context: Context) -> None:
            if dies:
                os.kill(os.getpid(), signal.SIGKILL)
            context.set("second", context.get("first"))

        @task(id="third", dependencies=["second"])
        def third(context: Context) -> None:
            context.set("third", context.get("second"))

    return registry


async def main(path: str, *, dies: bool) -> None:
    """Run the kernel until its runs have ended, and print those."""
    dialect = await open_dialect(parse(f"sqlite:///{path}"), StoreOptions())
    store, config, registry = SqlKernelStore(dialect), DefaultRunnerConfig(), registry_of(dies=dies)
    kernel = Kernel(
        store, config, registry, SYSTEM_CLOCK, Executor, print, print, works=True, alone=False
    )
    lifecycle = Lifecycle(kernel)
    await lifecycle.start()
    await lifecycle.begin(claims=True)
    request = Requests(registry, config).request("chain", [{}])
    await kernel.submission.submitter.submit(request)
    ended = []
    for row in reversed(await store.list_runs(RunFilter())):
        end = await kernel.submission.waits.wait(row.id, None)
        tasks = [(each.task_id, each.status) for each in end.attempts]
        first_here = json.loads(end.row.final_context or "{}").get("third") == os.getpid()
        ended.append((end.row.status, end.row.recoveries, tasks, first_here))
    await lifecycle.shutdown()
    sys.stdout.write(json.dumps(ended))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], dies=sys.argv[2] == "dies"))
