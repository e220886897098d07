"""``Visit``: a request of a visitor with all that a page needs to answer it."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, TypeVar
from urllib.parse import unquote, urlencode

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from cloaca_core.errors import CloacaError
from cloaca_core.values.times.clock import SYSTEM_CLOCK
from cloaca_core.values.times.instants import to_datetime
from cloaca_tools.masking import masked
from cloaca_tools.ui.guard.forms import (
    FIELD,
    checked_form,
    keep_token,
    signature_of,
    token_of,
)
from cloaca_tools.ui.guard.headers import NONCE
from cloaca_tools.ui.guard.visitors import VISITOR
from cloaca_tools.ui.paths import Paths, number_in
from cloaca_tools.ui.refusals import RefusedError
from cloaca_tools.ui.site.site import Site
from cloaca_tools.ui.templating import assets, compiling, templates
from cloaca_tools.ui.visitors import Visitor
from cloaca_tools.ui.words.clock import Clock, zone_of
from cloaca_tools.views.inbox import WaitingForPeople

T = TypeVar("T")

_ACT: Final = ("done", "changed", "refused", "made")
"""The parameters that report an act."""
_SIGNED: Final = "signed"
_ZONE_COOKIE: Final = "cloaca_zone"
_ZONE: Final = "clock"
"""The parameter that has the time zone where a browser has no cookie of it."""
_OWN_ZONE: Final = "local"
"""Its value for a browser without scripts: the zone of this machine."""
_A_YEAR: Final = 31_536_000


@dataclass(frozen=True, slots=True)
class Visit:
    """A request of one visitor. ``clock`` shows instants in the zone of the browser. ``mark``
    is the number of the latest change of the database before the page is made.
    """

    request: Request
    site: Site
    visitor: Visitor
    paths: Paths
    clock: Clock
    mark: str = ""

    @property
    def may_act(self) -> bool:
        """Whether the page offers acts to this visitor."""
        return self.visitor.may_steer and not self.site.read_only

    @property
    def zone_is_told(self) -> bool:
        """Whether the browser has told its time zone: its script does so."""
        return self.clock.zone is not None

    @property
    def _asks_for_zone(self) -> bool:
        """Whether a browser comes for a page and has not said in which zone it reads."""
        is_known = _ZONE_COOKIE in self.request.cookies or _ZONE in self.request.query_params
        is_browser = self.request.headers.get("upgrade-insecure-requests") == "1"
        return is_browser and not is_known and self.request.method == "GET"

    @property
    def wants(self) -> str:
        """The id of the element that a script wants anew; "" for a whole page."""
        return self.request.headers.get("hx-target", "").partition("#")[2]

    def query(self, name: str, default: str = "") -> str:
        """A parameter of the address."""
        return self.request.query_params.get(name, default)

    def number(self, name: str) -> int:
        """A number in the address; 0 for any other text."""
        return number_in(self.request.query_params, name)

    def here(self, **query: object) -> str:
        """The address of this page with other parameters; an empty one is left out."""
        given = {**self.request.query_params, **query}
        found = urlencode({key: value for key, value in given.items() if value not in (None, "")})
        return f"{self.request.url.path}{'?' if found else ''}{found}"

    async def page(self, template: str, status: int = 200, **facts: Any) -> Response:
        """A page of a template. It is written on another thread: a long one takes its time. One
        that is ``still`` does not reload itself: it is the answer to a form, or has one. One that
        says that the program or its database is ``gone`` is not live. A browser that comes for the
        first time gets a few lines that ask for its time zone, and then the page in that zone.
        """
        if status == 200 and self._asks_for_zone:
            template = "zone.html"
        token = token_of(self.request)
        given = {
            "waiting": await self.waiting(),
            "still": False,
            "gone": False,
            "visit": self,
            "at": self.paths,
            "clock": self.clock,
            "may_act": self.may_act,
            "mark": self.mark,
            "fragment": self.wants == "page",
            "nonce": self.request.scope[NONCE],
            "form_field": FIELD,
            "form_token": token,
            **facts,
        }
        text = await self.on_thread(_written, template, given)
        compiling()
        answer = HTMLResponse(text, status)
        if self.query(_ZONE) == _OWN_ZONE:
            answer.set_cookie(_ZONE_COOKIE, _OWN_ZONE, max_age=_A_YEAR, samesite="strict")
        keep_token(self.request, answer, token)
        return answer

    def masked(self, value: Any) -> Any:
        """A JSON value without secrets."""
        return masked(value, self.site.redact)

    async def on_thread(self, function: Callable[..., T], *args: Any) -> T:
        """The result of a function that takes its time, so that the server's loop goes on."""
        return await self.site.threads.run(self.visitor.name, function, *args)

    async def waiting(self) -> WaitingForPeople:
        """How much waits for a person, for the side; nothing while the database does not answer."""
        try:
            return await self.site.observer.waiting()
        except CloacaError:
            return WaitingForPeople(0, 0)

    async def form(self) -> FormData:
        """The fields of a form of this page, from a visitor who may act; else ``RefusedError``."""
        self.must_act()
        return await checked_form(self.request)

    def must_act(self) -> None:
        """Refuse a visitor who may not act: a form or a plan is the first half of an act."""
        if self.site.read_only:
            raise RefusedError(403, "This page is read-only", "It was opened so by the program.")
        if not self.visitor.may_steer:
            raise RefusedError(403, "You may look, not act", "A visitor with the role steer may.")

    def back_to(self, address: str) -> Response:
        """Go on at an address, after an act."""
        return RedirectResponse(address, 303)

    def reporting(self, **done: object) -> dict[str, str]:
        """The parameters of an address that report an act, signed: a link from elsewhere cannot
        report acts that did not happen.
        """
        report = {name: str(value) for name, value in done.items()}
        return {**report, _SIGNED: signature_of(self.request, _text(report))}

    @property
    def reported(self) -> dict[str, str]:
        """The parameters of ``reporting`` in the address; none without their signature."""
        given = self.request.query_params
        report = {name: given[name] for name in given if name in _ACT}
        signed = signature_of(self.request, _text(report))
        is_ours = hmac.compare_digest(given.get(_SIGNED, "").encode(), signed.encode())
        return report if is_ours else {}


Handler: TypeAlias = Callable[[Visit], Awaitable[Response]]
Address: TypeAlias = tuple[str, str, Handler]
"""Method, path and what answers it."""


def _written(template: str, given: Mapping[str, Any]) -> str:
    """The text of a template, which is compiled here the first time."""
    return templates().get_template(template).render(given)


def _text(report: Mapping[str, str]) -> str:
    return urlencode(sorted(report.items()))


async def visit_of(request: Request, site: Site) -> Visit:
    """The visit that a request makes."""
    base = request.scope.get("root_path", "").rstrip("/")
    told = request.query_params.get(_ZONE) or unquote(request.cookies.get(_ZONE_COOKIE, ""))
    return Visit(
        request=request,
        site=site,
        visitor=request.scope[VISITOR],
        paths=Paths(base, assets()),
        clock=Clock(zone_of(told), to_datetime(SYSTEM_CLOCK.wall())),
        mark="" if "hx-target" in request.headers else await site.changes.mark(),
    )
