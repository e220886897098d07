"""The size of what is sent."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient
from tables import each_row

from cloaca_tools.ui.guard.bodies import LIMIT, Bodies


async def length(request: Request) -> Response:
    """How much came."""
    return PlainTextResponse(str(len(await request.body())))


@pytest.fixture
def browser() -> TestClient:
    """A browser at an application that reads what is sent."""
    routes = [Route("/", length, methods=["POST"])]
    return TestClient(Starlette(routes=routes, middleware=[Middleware(Bodies)]))


def in_parts(size: int) -> Iterator[bytes]:
    """So many bytes, whose length no header tells."""
    for start in range(0, size, 65_536):
        yield b"x" * min(65_536, size - start)


@each_row("size", [0, 1, LIMIT])
def test_a_body_up_to_the_limit_is_read(browser: TestClient, size: int) -> None:
    assert browser.post("/", content=b"x" * size).text == str(size)
    assert browser.post("/", content=in_parts(size)).text == str(size)


def test_a_longer_one_is_refused_by_its_header_or_as_it_comes(browser: TestClient) -> None:
    assert browser.post("/", content=b"x" * (LIMIT + 1)).status_code == 413
    assert browser.post("/", content=in_parts(LIMIT + 1)).status_code == 413


def test_a_length_of_thousands_of_digits_is_too_large(browser: TestClient) -> None:
    length = {"content-length": "9" * 5_000}
    assert browser.post("/", content=b"x", headers=length).status_code == 413
