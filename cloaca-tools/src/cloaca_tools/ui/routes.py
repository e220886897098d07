"""All addresses of the page. Each module of pages and acts has its own."""

from __future__ import annotations

from typing import Final

from cloaca_tools.ui import live
from cloaca_tools.ui.acts import (
    bulk_acts,
    inbox_acts,
    limit_acts,
    run_acts,
    runner_acts,
    schedule_acts,
    trigger_acts,
    workflow_acts,
)
from cloaca_tools.ui.pages import (
    actions,
    backfill,
    downloads,
    export,
    inbox,
    logs,
    now,
    plans,
    run,
    runners,
    runs,
    schedules,
    tenants,
    triggers,
    workflow,
    workflows,
)
from cloaca_tools.ui.pages.limits import changes as limit_changes, limits
from cloaca_tools.ui.visit import Address

ROUTES: Final[tuple[Address, ...]] = (
    *live.ROUTES,
    *now.ROUTES,
    *bulk_acts.ROUTES,
    *runs.ROUTES,
    *run.ROUTES,
    *logs.ROUTES,
    *plans.ROUTES,
    *run_acts.ROUTES,
    *downloads.ROUTES,
    *export.ROUTES,
    *workflows.ROUTES,
    *workflow.ROUTES,
    *workflow_acts.ROUTES,
    *inbox.ROUTES,
    *inbox_acts.ROUTES,
    *schedules.ROUTES,
    *backfill.ROUTES,
    *schedule_acts.ROUTES,
    *triggers.ROUTES,
    *trigger_acts.ROUTES,
    *runners.ROUTES,
    *runner_acts.ROUTES,
    *limits.ROUTES,
    *limit_changes.ROUTES,
    *limit_acts.ROUTES,
    *tenants.ROUTES,
    *actions.ROUTES,
)
