"""The one-time address of ``cloaca ui``."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from cloaca_tools.ui.guard.entrance import Entrance
from cloaca_tools.ui.guard.visitors import VISITOR, Visitors
from cloaca_tools.ui.visitors import Visitor


async def who(request: Request) -> Response:
    """The name of the visitor."""
    return PlainTextResponse(request.scope[VISITOR].name)


@pytest.fixture
def entrance() -> Entrance:
    """An entrance for ann."""
    return Entrance(Visitor("steer", "ann"))


@pytest.fixture
def app(entrance: Entrance) -> Starlette:
    """An application behind it."""
    guards = [Middleware(entrance.around), Middleware(Visitors, entrance.auth)]
    return Starlette(routes=[Route("/", who)], middleware=guards)


def test_who_opens_the_address_first_has_the_page_and_keeps_it(
    app: Starlette, entrance: Entrance
) -> None:
    first, second = TestClient(app), TestClient(app)

    entered = first.get(f"/?token={entrance.token}", follow_redirects=False)

    assert entered.status_code == 303
    assert entered.headers["location"] == "/"
    assert first.get("/").text == "ann"
    assert first.get(f"/?token={entrance.token}").text == "ann"
    answer = second.get(f"/?token={entrance.token}")
    assert answer.status_code == 401
    assert "Start cloaca ui again" in answer.text
    assert second.get("/").status_code == 401


def test_a_wrong_token_uses_up_nothing(app: Starlette, entrance: Entrance) -> None:
    browser = TestClient(app)

    assert browser.get("/?token=").status_code == 401
    assert browser.get("/?token=é").status_code == 401
    assert browser.get(f"/?token={entrance.token}").text == "ann"


def test_the_cookie_is_for_no_script_and_no_other_site(app: Starlette, entrance: Entrance) -> None:
    cookie = (
        TestClient(app)
        .get(f"/?token={entrance.token}", follow_redirects=False)
        .headers["set-cookie"]
    )

    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert entrance.token not in cookie


def test_the_cookie_goes_to_no_page_at_another_port(app: Starlette, entrance: Entrance) -> None:
    """A browser sends the cookies of a host to all of its ports, below their path."""
    here = TestClient(Starlette(routes=[Mount(entrance.path, app)]))
    other = Entrance(Visitor("steer", "bob"))

    entered = here.get(f"{entrance.path}/?token={entrance.token}", follow_redirects=False)

    assert entered.headers["location"] == f"{entrance.path}/"
    assert f"Path={entrance.path}/;" in entered.headers["set-cookie"]
    assert other.path != entrance.path
