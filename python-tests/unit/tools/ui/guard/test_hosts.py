"""The names by which the page may be asked for."""

from __future__ import annotations

from typing import Any

from tables import each_row

from cloaca_tools.ui.guard.hosts import Hosts, checked_hosts

NAMES = ("localhost", "[::1]")


async def asked(*hosts: str, kind: str = "http") -> list[dict[str, Any]]:
    """What a request with these Host headers is answered; nothing if a page would answer."""
    sent: list[dict[str, Any]] = []

    async def page(*_: Any) -> None:
        return None

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": f"{kind}.connect"}

    headers = [(b"host", each.encode()) for each in hosts]
    scope = {"type": kind, "method": "GET", "path": "/", "headers": headers}
    await Hosts(page, checked_hosts(NAMES))(scope, receive, send)
    return sent


@each_row("host", ["localhost", "LOCALHOST:8000", "[::1]", "[::1]:8000"])
async def test_a_name_of_the_page_is_let_through(host: str) -> None:
    assert await asked(host) == []


@each_row(
    "hosts",
    [
        (),
        ("",),
        ("evil.example",),
        ("localhost.",),
        ("localhost.evil.example",),
        ("localhost", "localhost"),
        ("localhost", "evil.example"),
        ("localhost:1@evil.example",),
        ("localhost:evil",),
        ("localhost/evil",),
        ("[::1]evil",),
        ("[::1]:1:2",),
        ("[::1",),
        ("::1",),
        ("[::ffff:127.0.0.1]",),
    ],
)
async def test_any_other_is_refused(hosts: tuple[str, ...]) -> None:
    assert (await asked(*hosts))[0]["status"] == 400


async def test_a_web_socket_is_closed() -> None:
    assert [each["type"] for each in await asked("localhost", kind="websocket")] == [
        "websocket.close"
    ]
