"""The pages of the shop that tests look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from browser.shop import Shop
from cloaca_tools.ui.routes import ROUTES


@dataclass(frozen=True, slots=True)
class Place:
    """A page: the path of its route, and what stands in it. ``run`` is the field of ``Shop`` with
    the run that it is of; ``heading`` is read there, as is ``text``.
    """

    route: str
    heading: str
    text: str = ""
    run: str = ""
    query: str = ""

    @property
    def name(self) -> str:
        """As pytest lists it."""
        return self.route.replace("{run_id}", self.run) + self.query

    def path(self, shop: Shop) -> str:
        """Its address in the page of the shop."""
        run_id = getattr(shop, self.run) if self.run else ""
        path = f"{self.route}{self.query}".replace("{run_id}", run_id)
        return quote(path.replace("{schedule_id}", shop.schedule), safe="/?&=@")


PLACES: Final = (
    Place("/", "Now", "price_list"),
    Place("/runs", "Runs", "terminal 7 did not answer"),
    Place("/runs", "Runs", query="?q=status:failed"),
    Place("/runs", "Runs", "No run matches", query="?q=workflow:none"),
    Place("/runs/start", "Start a run", "price_list"),
    Place("/runs/bulk", "Retry", "price_list", query="?kind=retry&q=status:failed&all=1"),
    Place("/runs/{run_id}", "price_list", "PriceError", run="failed"),
    Place("/runs/{run_id}", "price_list", "PriceError", run="failed", query="?view=table"),
    Place("/runs/{run_id}", "price_list", "PriceError", run="failed", query="?view=graph"),
    Place("/runs/{run_id}", "price_list", "feeds", run="completed", query="?task=fetch_feeds"),
    Place("/runs/{run_id}", "answer_mail", "Send this answer to the customer?", run="asks"),
    Place("/runs/{run_id}", "close_the_day", "bank.file", run="waits"),
    Place("/runs/{run_id}", "sync_stock", "the shop counts its stock", run="paused"),
    Place("/runs/{run_id}", "import_orders", "12,50 kr", run="stopped"),
    Place("/runs/{run_id}", "newsletter", "send_out", run="delayed"),
    Place("/runs/{run_id}", "order", "bob", run="cancelled"),
    Place("/runs/{run_id}", "resize_photos", "shrink", run="child"),
    Place("/runs/{run_id}/retry", "Retry", "publish", run="failed"),
    Place("/runs/{run_id}/fork", "Fork", "parse", run="completed", query="?task=parse"),
    Place("/runs/{run_id}/cancel", "Cancel", "", run="waits"),
    Place("/runs/{run_id}/logs", "price_list", "318 prices differ", run="failed"),
    Place("/runs/{run_id}/logs", "order", "No such line", run="cancelled", query="?q=none"),
    Place("/workflows", "Workflows", "price_list"),
    Place("/workflow", "price_list", "Prices of six countries", query="?name=price_list"),
    Place("/workflow", "newsletter", "Resume workflow", query="?name=newsletter"),
    Place("/workflow/start", "order", query="?name=order"),
    Place("/workflow/pause", "order", query="?name=order"),
    Place("/inbox", "Inbox", "Send this answer to the customer?"),
    Place("/runs/{run_id}/cancel", "Cancel", run="stopped", query="?from=inbox"),
    Place("/schedules", "Schedules", "prices every night"),
    Place("/schedules/new", "Add a schedule"),
    Place("/schedules/{schedule_id}", "stock every half hour", "sync_stock"),
    Place("/schedules/{schedule_id}/edit", "stock every half hour"),
    Place("/schedules/{schedule_id}/delete", "stock every half hour"),
    Place("/schedules/{schedule_id}/backfill", "stock every half hour"),
    Place("/triggers", "Triggers", "shelf_is_empty"),
    Place("/trigger", "shelf_is_empty", "sync_stock", query="?name=shelf_is_empty"),
    Place("/limits", "Limits", "nothing begins"),
    Place("/limit", "price_feed", "ann has set other settings", query="?name=price_feed"),
    Place("/limit", "price_feed", "0 of 1", query="?name=price_feed&key=shop 7"),
    Place("/limit/change", "price_feed", "In the code", query="?name=price_feed"),
    Place("/limit/change", "price_feed", "total 0 → 5", query="?name=price_feed&total=5"),
    Place("/limit/clear", "price_feed", "total 0 → 2", query="?name=price_feed"),
    Place("/runners", "Runners"),
    Place("/tenants", "Tenants"),
    Place("/actions", "Actions", "ann"),
    Place("/actions", "Actions", "bob", run="cancelled", query="?run={run_id}"),
)
_ROUTES = {path for method, path, _ in ROUTES if method == "GET"}
FILES: Final = {
    f"/runs/{{run_id}}/{name}"
    for name in ("case", "input", "result", "export", "mermaid", "logs.txt")
} | {"/workflow/mermaid"}
WAYS_BACK: Final = {f"/runs/{{run_id}}/{act}" for act in ("approve", "send", "fork/change")}
NO_PAGES: Final = {"/live", "/runners/drain", *FILES, *WAYS_BACK}
"""Routes that are looked at by other tests than those of all pages."""


def without_place() -> set[str]:
    """Routes of pages that no test looks at."""
    return _ROUTES - NO_PAGES - {each.route for each in PLACES}
