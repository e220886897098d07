"""All addresses of the page. Each module of pages and acts has its own."""

from __future__ import annotations

from typing import Final

from cloaca_core.ui import live
from cloaca_core.ui.acts import run_acts
from cloaca_core.ui.asking import Address
from cloaca_core.ui.pages import downloads, export, plans, run, runs

ROUTES: Final[tuple[Address, ...]] = (
    *live.ROUTES,
    *runs.ROUTES,
    *run.ROUTES,
    *plans.ROUTES,
    *run_acts.ROUTES,
    *downloads.ROUTES,
    *export.ROUTES,
)
