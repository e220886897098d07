"""One run: its state and why, and its tasks."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from cloaca_core.ui.asking import Address, Ask


async def run(ask: Ask) -> Response:
    """The page of a run."""
    ref = ask.request.path_params["run_id"]
    tree = await ask.desk.observer.tree(ref, depth=1)
    explanation = await ask.desk.observer.explain(tree.run.id)
    return await ask.page("run.html", tree=tree, run=tree.run, explanation=explanation)


ROUTES: Final[tuple[Address, ...]] = (("GET", "/runs/{run_id}", run),)
