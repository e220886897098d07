"""The pages of the shop that tests look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from browser.shop import Shop
from cloaca_core.ui.routes import ROUTES


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
        return self.route.replace("{run_id}", run_id) + quote(self.query, safe="?&=")


PLACES: Final = (
    Place("/runs", "Runs", "terminal 7 did not answer"),
    Place("/runs", "Runs", "", query="?q=status:failed"),
    Place("/runs/{run_id}", "price_list", "publish", run="failed"),
    Place("/runs/{run_id}", "price_list", "publish", run="completed"),
    Place("/runs/{run_id}", "answer_mail", "send_answer", run="asks"),
    Place("/runs/{run_id}", "close_the_day", "bank_file", run="waits"),
    Place("/runs/{run_id}", "order", "reserve", run="paused"),
    Place("/runs/{run_id}", "order", "reserve", run="delayed"),
    Place("/runs/{run_id}", "order", "reserve", run="cancelled"),
)
_ROUTES = {path for method, path, _ in ROUTES if method == "GET"}
NO_PAGES: Final = {"/live"}
"""Routes that are looked at by other tests than those of all pages."""


def without_place() -> set[str]:
    """Routes of pages that no test looks at."""
    return _ROUTES - NO_PAGES - {each.route for each in PLACES}
