"""Acts come from forms of this page."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient
from tables import each_row

from cloaca_tools.ui.guard.forms import (
    COOKIE,
    FIELD,
    SameOrigin,
    checked_form,
    keep_token,
    token_of,
)
from cloaca_tools.ui.refusals import RefusedError

HERE = {"origin": "http://testserver"}


async def form(request: Request) -> Response:
    """A page with a form, whose text is its token."""
    token = token_of(request)
    answer = PlainTextResponse(token)
    keep_token(request, answer, token)
    return answer


async def act(request: Request) -> Response:
    """Act, if the form is ours."""
    try:
        await checked_form(request)
    except RefusedError as refused:
        return PlainTextResponse(refused.title, refused.status)
    return PlainTextResponse("done")


@pytest.fixture
def browser() -> TestClient:
    """A browser at a page with a form."""
    routes = [Route("/", form), Route("/act", act, methods=["POST", "PUT", "DELETE"])]
    return TestClient(Starlette(routes=routes, middleware=[Middleware(SameOrigin)]))


def sent(browser: TestClient, token: Any, headers: dict[str, str]) -> int:
    """The status of an act."""
    return browser.post("/act", data={FIELD: token}, headers=headers).status_code


def test_a_form_of_this_page_acts(browser: TestClient) -> None:
    token = browser.get("/").text

    assert sent(browser, token, HERE) == 200
    assert sent(browser, token, {"sec-fetch-site": "same-origin"}) == 200
    assert sent(browser, token, {**HERE, "sec-fetch-site": "same-origin"}) == 200


def test_a_browser_keeps_its_token(browser: TestClient) -> None:
    assert browser.get("/").text == browser.get("/").text


@each_row(
    "headers",
    [
        {},  # no browser of today
        {"origin": "http://evil.example"},
        {"origin": "null"},  # a sandboxed frame, a file
        {"origin": "http://[evil"},  # no address at all
        {"origin": "http://evil@testserver"},
        {"origin": "http://testserver:8000"},
        {"origin": "http://testserver.evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},  # another host of the same domain
        {"sec-fetch-site": "none"},
        {**HERE, "sec-fetch-site": "cross-site"},
        {"origin": "http://evil.example", "sec-fetch-site": "same-origin"},
    ],
)
def test_an_act_from_elsewhere_is_refused(browser: TestClient, headers: dict[str, str]) -> None:
    token = browser.get("/").text

    assert sent(browser, token, headers) == 403
    assert browser.put("/act", headers=headers).status_code == 403
    assert browser.delete("/act", headers=headers).status_code == 403


@each_row("token", ["", "x" * 43, "é"])
def test_an_act_without_the_token_of_this_browser_is_refused(
    browser: TestClient, token: str
) -> None:
    browser.get("/")

    assert sent(browser, token, HERE) == 403


def test_an_act_without_the_cookie_is_refused(browser: TestClient) -> None:
    token = browser.get("/").text
    browser.cookies.clear()

    assert sent(browser, token, HERE) == 403
    assert sent(browser, "", HERE) == 403


def test_a_form_with_files_or_of_another_kind_is_refused(browser: TestClient) -> None:
    token = browser.get("/").text
    with_file = browser.post("/act", files={FIELD: ("name", token.encode())}, headers=HERE)
    as_json = browser.post("/act", json={FIELD: token}, headers=HERE)

    assert (with_file.status_code, as_json.status_code) == (415, 415)


def test_reading_may_come_from_anywhere(browser: TestClient) -> None:
    assert browser.get("/", headers={"sec-fetch-site": "cross-site"}).status_code == 200


def test_the_cookie_is_for_this_site_and_no_script(browser: TestClient) -> None:
    cookie = browser.get("/").headers["set-cookie"]

    assert cookie.startswith(COOKIE)
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Secure" not in cookie


def test_a_cookie_of_a_page_by_tls_is_for_tls_only(browser: TestClient) -> None:
    assert "Secure" in browser.get("https://testserver/").headers["set-cookie"]


@pytest.mark.parametrize("kept", ["short", "x" * 201])
def test_a_cookie_that_is_none_of_ours_is_replaced(browser: TestClient, kept: str) -> None:
    browser.cookies[COOKIE] = kept

    assert browser.get("/").text != kept


def test_a_text_that_no_database_keeps_is_refused(browser: TestClient) -> None:
    given = {FIELD: browser.get("/").text, "reason": "a\0b"}

    assert browser.post("/act", data=given, headers=HERE).status_code == 422
