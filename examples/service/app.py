"""The service: submit a run, ask for its state, list runs. It keeps nothing in memory.

The runner lives as long as the application. An accepted run is in the database when the answer is
sent, so a service that is killed goes on with it when it is started again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response
from pydantic import BaseModel, Field

import cloaca

from .workflow import NAME


class Parcel(BaseModel):
    """The body of a client's request."""

    number: str = Field(min_length=1, max_length=40)
    city: str
    contents: str


def create_app(database_url: str) -> FastAPI:
    """Make the application on this database."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with cloaca.AsyncRunner(database_url) as runner:
            app.state.runner = runner
            yield

    app = FastAPI(title="Parcels", lifespan=lifespan)
    app.post("/parcels", status_code=202)(accept)
    app.get("/runs/{run_id}")(look)
    app.get("/runs")(newest)
    app.get("/health")(health)
    return app


def runner_of(request: Request) -> cloaca.AsyncRunner:
    """The runner that the application opened."""
    runner: cloaca.AsyncRunner = request.app.state.runner
    return runner


Runner = Annotated[cloaca.AsyncRunner, Depends(runner_of)]
Seconds = Annotated[float, Query(ge=0, le=30)]
Count = Annotated[int, Query(ge=1, le=100)]


async def accept(parcel: Parcel, runner: Runner, response: Response) -> dict[str, str]:
    """Accept a parcel. The number is the key: sent twice, it is still one run."""
    handle = await runner.submit(NAME, parcel.model_dump(), idempotency_key=parcel.number)
    response.headers["Location"] = f"/runs/{handle.id}"
    return {"run": handle.id}


async def look(run_id: str, runner: Runner, wait: Seconds = 0) -> dict[str, Any]:
    """The state of a run; with ``wait``, after its end or so many seconds, whichever is first."""
    try:
        handle = await runner.get_run(run_id)
    except cloaca.RunNotFoundError as error:
        raise HTTPException(404, str(error)) from error
    if wait and not await ended(handle, wait):
        return {"status": await handle.status(), **await steps(handle)}
    if (status := await handle.status()) not in ("Completed", "Failed"):
        return {"status": status, **await steps(handle)}
    result = await handle.result()
    told = {"error": result.error_message, "context": result.final_context.to_dict()}
    return {"status": result.status, **await steps(handle), **told}


async def ended(handle: cloaca.AsyncRunHandle, seconds: float) -> bool:
    """Wait for the end, but only so long: the client may ask again."""
    try:
        await handle.wait(timeout=seconds)
    except cloaca.PipelineTimeoutError:
        return False
    return True


async def steps(handle: cloaca.AsyncRunHandle) -> dict[str, Any]:
    """The state of each step."""
    return {"tasks": {name: task.status for name, task in (await handle.tasks()).items()}}


async def newest(runner: Runner, limit: Count = 20) -> list[dict[str, str]]:
    """The newest runs."""
    runs = await runner.list_runs(workflow_name=NAME, limit=limit)
    return [{"run": run.id, "status": run.status, "created_at": run.created_at} for run in runs]


async def health(runner: Runner) -> dict[str, Any]:
    """Health of the runner for operators: runs, bodies, and each loop's last success."""
    return await runner.health()
