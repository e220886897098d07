"""All addresses of the page. Each module of pages and acts has its own."""

from __future__ import annotations

from typing import Final

from cloaca_core.ui import live
from cloaca_core.ui.acts import (
    inbox as inbox_acts,
    runners as runner_acts,
    schedules as schedule_acts,
    triggers as trigger_acts,
)
from cloaca_core.ui.asking import Address
from cloaca_core.ui.pages import (
    actions,
    backfill,
    inbox,
    run,
    runners,
    runs,
    schedules,
    tenants,
    triggers,
)

ROUTES: Final[tuple[Address, ...]] = (
    *live.ROUTES,
    *runs.ROUTES,
    *run.ROUTES,
    *inbox.ROUTES,
    *inbox_acts.ROUTES,
    *schedules.ROUTES,
    *backfill.ROUTES,
    *schedule_acts.ROUTES,
    *triggers.ROUTES,
    *trigger_acts.ROUTES,
    *runners.ROUTES,
    *runner_acts.ROUTES,
    *tenants.ROUTES,
    *actions.ROUTES,
)
